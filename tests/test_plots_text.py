"""Labels of any script and length."""

from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.font_manager
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from transferkit import plots
from transferkit.plots import _text
from transferkit.plots._text import LABEL_LENGTH, as_name, as_text, as_texts, shorten, use_fonts


@pytest.fixture
def forget():
    """No character is known yet, nor afterwards."""
    _text._family.cache_clear()
    yield
    _text._family.cache_clear()


def install(monkeypatch, *names):
    """Let these fonts of matplotlib's own be the only ones."""
    manager = matplotlib.font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if font.name in names])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abcdefgh", "abcdefgh"), ("abcdefghi", "abcd…ghi"), ("0123456789.jpg", "0123…jpg")],
)
def test_the_middle_is_left_out(text, expected):
    assert shorten(text, 8) == expected
    assert len(shorten(text, 8)) == 8


def test_shortened_labels_of_a_set_stay_different():
    start, end = "diabetic_retinopathy_", "_of_the_left_eye"
    texts = as_texts([f"{start}mild{end}", f"{start}severe{end}", "$ cat", f"{start}mild{end}"])
    mild = "diabetic…mild…left_eye"
    assert texts == [mild, "diabetic…severe…left_eye", r"\$ cat", mild]
    far = [f"{start * 3}{letter * 30}{end * 3}" for letter in "abc"]
    numbered = as_texts(far)
    assert [text[-4:] for text in numbered] == [" (1)", " (2)", " (3)"]
    assert max(map(len, texts + numbered)) <= LABEL_LENGTH + 4
    assert as_texts(["cat", "dog", "cat"]) == ["cat", "dog", "cat"]


@pytest.mark.slow
def test_classes_are_told_apart_in_ticks_and_legends():
    names = [f"a_class_of_animals_with_{kind}_and_with_a_tail" for kind in ("horns", "wings", "stripes")]
    truth, chances = np.array(names)[np.arange(30) % 3], np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    score = SimpleNamespace(value=1, low=0, high=2)
    rows = [SimpleNamespace(name=name, score=score, difference=None) for name in names]
    comparison = SimpleNamespace(rows=rows, metric="accuracy", greater_is_better=True)
    shares = SimpleNamespace(novelty=[0.5], shares=dict.fromkeys(names, 0.3), shares_before={})
    legends = [
        plots.plot_roc(truth, chances),
        plots.plot_roc(dict.fromkeys(names, (truth, chances)), pos_label=names[0]),
        plots.plot_calibration(truth, chances),
        plots.plot_error_curve({name: [0.01, 0.02] for name in names}),
        plots.plot_feature_map(chances, labels=truth),
    ]
    shown = [[text.get_text().split(":")[0] for text in ax.get_legend().get_texts()] for ax in legends]
    ticks = [
        plots.plot_confusion_matrix(truth, truth),
        plots.plot_comparison(comparison)[0],
        plots.plot_drift(shares)[1],
    ]
    shown += [[tick.get_text() for tick in ax.get_yticklabels()] for ax in ticks]
    assert all(len(set(texts) - {"perfect"}) == 3 for texts in shown)
    plt.close("all")


def test_labels_are_one_line_without_mathematics():
    assert as_text("a $x^2$\nb") == r"a \$x^2\$ b"
    assert as_text(3) == "3"
    assert as_text("Ünïcödé, Ελληνικά") == "Ünïcödé, Ελληνικά"
    assert as_name("/photos/2020/face.jpg") == "face.jpg"
    assert as_name("#12") == "#12"
    figure = Figure()
    figure.subplots().set_title(as_text("$ {x $"))
    figure.canvas.draw()


def test_what_no_font_has_is_written_as_escape(forget, monkeypatch):
    install(monkeypatch, "DejaVu Sans")
    assert as_text("猫") == r"\u732b"
    assert as_text("a\x00\udcff") == r"a\x00\udcff"
    figure = Figure()
    ax = figure.subplots()
    ax.set_title(as_text("猫 ब"))
    use_fonts([ax])
    figure.canvas.draw()  # a missing glyph would warn


def test_a_font_that_has_the_character_is_found_and_used(forget, monkeypatch):
    install(monkeypatch, "DejaVu Sans", "STIXGeneral")
    monkeypatch.setattr(_text, "_NOT_FOR_TEXT", ("Last Resort",))
    codes = [
        _text._characters(matplotlib.font_manager.findfont(name)) for name in ("STIXGeneral", "DejaVu Sans")
    ]
    rare = chr(max(codes[0] - codes[1]))  # not in the default font, but in another one of matplotlib's own
    assert as_text(rare) == rare
    figure = Figure()
    ax = figure.subplots()
    ax.plot([0, 1], label=rare)
    ax.legend()
    ax.set_xticks([0, 1], [rare, "a"])
    ax.set_title("a")
    use_fonts([ax])
    for text in (ax.legend_.get_texts()[0], ax.get_xticklabels()[0]):
        assert text.get_fontfamily()[-1] == "STIXGeneral"
        assert len(text.get_fontfamily()) == 2
    figure.canvas.draw()


def test_plain_labels_keep_their_fonts():
    ax = Figure().subplots()
    ax.set_title("a")
    before = ax.title.get_fontfamily()
    use_fonts([ax])
    assert ax.title.get_fontfamily() == before


def test_a_font_that_cannot_be_opened_has_no_characters(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert _text._characters(str(tmp_path / "broken.ttf")) == frozenset()


def test_names_that_begin_with_an_underscore_are_in_legends():
    names = np.array(["_neg", "_pos", "zz"])[np.arange(30) % 3]
    chances = np.random.default_rng(0).dirichlet([1, 1, 1], 30)
    axes = {
        plots.plot_roc(names, chances): ["_neg: AUC", "_pos: AUC", "zz: AUC"],
        plots.plot_calibration(names, chances): ["_neg", "_pos", "zz", "perfect"],
        plots.plot_feature_map(chances, labels=names): ["_neg", "_pos", "zz"],
        plots.plot_error_curve({"_a": [0.01, 0.02], "b": [0.03, 0.05]}): ["_a: AUC@0.08", "b: AUC@0.08"],
        plots.plot_calibration(names, chances, pos_label="_neg"): ["_neg", "perfect"],
    }
    for ax, expected in axes.items():
        texts = [text.get_text() for text in ax.get_legend().get_texts()]
        assert [text[: len(start)] for text, start in zip(texts, expected, strict=True)] == expected
    ax = plots.plot_error_curve({"_b": [0.03]}, ax=plots.plot_error_curve([0.01, 0.02]))
    assert len(ax.get_legend().get_texts()) == 2  # that of the first call stays
    plt.close("all")

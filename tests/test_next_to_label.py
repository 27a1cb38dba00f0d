"""Which images to label next: unsure ones that differ, never what is known or shows the same."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_pictures
from tests.test_auditing import scene, write
from transferkit import Classifier, ImageRegressor, next_to_label, relabel
from transferkit.auditing import _next
from transferkit.auditing._picking import pick, uncertainty
from transferkit.auditing._suggestions import Suggestion, Suggestions
from transferkit.datasets import read_table
from transferkit.errors import InvalidInputError, NotFittedError

NEVER = SimpleNamespace(repeats=lambda row, others: False).repeats


@pytest.fixture
def clf(tiny, pictures):
    paths, labels = pictures
    return Classifier(**tiny).fit(paths[:30], labels[:30])


def test_uncertainty_is_the_margin_or_that_of_the_least_sure_label():
    classes = np.array([[0.5, 0.4, 0.1], [1.0, 0.0, 0.0]])
    assert uncertainty(classes, several=False).tolist() == pytest.approx([0.9, 0.0])
    labels = np.array([[0.9, 0.45], [0.99, 0.0]])
    assert uncertainty(labels, several=True).tolist() == pytest.approx([0.9, 0.02])


def test_what_is_picked_is_unsure_and_differs():
    generator = np.random.default_rng(0)
    centres = np.eye(5)[np.arange(200) // 40] * 3
    vectors = (centres + generator.normal(scale=0.05, size=(200, 5))).astype(np.float32)
    unsure = np.where(np.arange(200) % 2, 0.9, 0.01)
    chosen = pick(unsure, vectors, 5, NEVER)
    assert sorted(row // 40 for row in chosen) == [0, 1, 2, 3, 4]  # one of each kind
    assert all(row % 2 for row in chosen)


def test_all_are_picked_once_where_there_are_no_more():
    vectors = np.ones((4, 3), np.float32)  # nothing differs
    assert sorted(pick(np.zeros(4), vectors, 9, NEVER)) == [0, 1, 2, 3]


def test_known_images_and_copies_are_left_out(clf, pictures, tmp_path):
    paths, _ = pictures
    copy, bad = tmp_path / "copy.png", tmp_path / "bad.png"
    copy.write_bytes(paths[40].read_bytes())
    bad.write_bytes(b"")
    X = [*paths[20:45], copy, bad]
    found = next_to_label(clf, X, n=50)
    assert sorted(found.indices) == list(range(10, 25))
    assert (found.n_known, found.n_unreadable) == (11, 1)
    assert [item.path for item in found.items] == [str(X[i]) for i in found.indices]
    assert found.items[0].score == max(item.score for item in found.items)
    predicted = clf.predict([X[i] for i in found.indices])
    assert [item.predicted for item in found.items] == predicted.tolist()
    again = next_to_label(clf, X, n=5)
    assert again.indices.tolist() == next_to_label(clf, X, n=5).indices.tolist()
    assert again.indices.tolist() == found.indices[:5].tolist()
    assert "5 images of 27 to label next" in str(again)
    assert "cannot be read: 1" in again._repr_html_()
    with pytest.raises(
        InvalidInputError, match="no image to choose from: of 2, the model has learned from 1"
    ):
        next_to_label(clf, [paths[0], bad])


def test_of_near_duplicates_one_is_asked_for(clf, tmp_path, monkeypatch):
    picture = scene(5)
    small = picture.resize((72, 54))
    mirrored = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    X = write(tmp_path / "pool", [picture, small, mirrored, scene(6), scene(7)])
    found = next_to_label(clf, X, n=5)
    assert sorted(found.indices)[1:] == [3, 4] or len(found) == 3
    assert len(set(found.indices) & {0, 1, 2}) == 1
    monkeypatch.setattr(_next._Repeats, "__call__", lambda *_: False)
    assert len(next_to_label(clf, X, n=5)) == 5


def test_the_table_is_filled_and_read_back(clf, pictures, tmp_path):
    paths, labels = pictures
    found = next_to_label(clf, paths[30:], n=4)
    table = tmp_path / "next.csv"
    found.to_csv(table)
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["path", "index", "new_label", "predicted", "score", "p_left", "p_right"]
    assert float(rows[0]["p_left"]) + float(rows[0]["p_right"]) == pytest.approx(1)
    for row in rows[:3]:
        row["new_label"] = labels[30 + int(row["index"])]
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    new = relabel(table, paths[30:], classes=clf.classes_)
    assert sorted(new.rows) == sorted(found.indices[:3])
    assert new.y.tolist() == [labels[30 + row] for row in new.rows]
    more = clf.fit([*paths[:30], *new.X], [*labels[:30], *new.y])
    assert len(next_to_label(more, paths[30:], n=99)) == 27
    with pytest.raises(InvalidInputError, match="row 5 has no label"):
        read_table(table, "new_label")


@pytest.mark.parametrize("how", ["utf-16", "cp1252", "mac-roman", "open quote"])
def test_a_filled_table_is_kept_however_it_was_saved(how, tmp_path):
    table = tmp_path / "next.csv"
    found = Suggestions(
        [Suggestion(0, "é.png", "a", 1.0)], ["é.png"], np.ones((1, 1)), np.array(["a"]), 1, 0, 0
    )
    found.to_csv(table)
    found.to_csv(table)  # nothing is lost
    text = table.read_text(encoding="utf-8-sig").replace("é.png,0,,", "é.png,0,b,")
    content = f'{text}"x\n'.encode() if how == "open quote" else text.encode(how)
    table.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"(pass|Pass) another file, or delete"):
        found.to_csv(table)
    assert table.read_bytes() == content
    table.write_bytes(b"")
    found.to_csv(table)
    assert table.stat().st_size > 0


def test_several_labels(tiny, tmp_path):
    paths, labels = make_pictures(tmp_path / "p", 30)
    sets = [[label, "even"] if i % 4 == 0 else [label] for i, label in enumerate(labels)]
    clf = Classifier(**tiny).fit(paths[:20], sets[:20])
    found = next_to_label(clf, paths[20:], n=3)
    assert found.classes.tolist() == ["even", "left", "right"]
    assert all(isinstance(item.predicted, tuple) for item in found.items)
    found.to_csv(tmp_path / "next.csv")
    assert ";".join(found.items[0].predicted) in (tmp_path / "next.csv").read_text(encoding="utf-8-sig")


def test_what_is_no_classifier_of_images_is_refused(clf, tiny, pictures):
    with pytest.raises(InvalidInputError, match=r"n must be a positive integer. Got 0"):
        next_to_label(clf, pictures[0], n=0)
    with pytest.raises(InvalidInputError, match="model must be a fitted Classifier.*ImageRegressor"):
        next_to_label(ImageRegressor(**tiny), pictures[0])
    with pytest.raises(NotFittedError):
        next_to_label(Classifier(**tiny), pictures[0])
    arrays = Classifier("precomputed").fit(np.random.default_rng(0).normal(size=(8, 3)), [0, 1] * 4)
    with pytest.raises(InvalidInputError, match="precomputed"):
        next_to_label(arrays, pictures[0])


def test_the_sheet_has_a_picture_for_each(clf, pictures):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    found = next_to_label(clf, pictures[0][30:], n=3)
    axes = found.plot(n=2)
    assert len(axes) == 2
    assert axes[0].get_title().startswith("1. ")
    plt.close("all")

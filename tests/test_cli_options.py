"""Flags that stand for parameters of Python: what arrives, what is refused, what is written."""

import json

import numpy as np
import pytest
from PIL import Image

import transferkit
from tests.conftest import TINY, make_pictures
from transferkit import load
from transferkit.backbones import registry
from transferkit.cli import main

COMMON = ["--backbone", TINY.name, "--image-size", "32", "--no-progress"]


@pytest.fixture(autouse=True)
def network(tiny, monkeypatch):
    """The tiny backbone has a name, which is all that a flag can say."""
    monkeypatch.setitem(registry._backbones, TINY.name, TINY)


@pytest.fixture
def table(tmp_path):
    """A CSV of pictures with a label, a number, the person and a weight."""
    paths, labels = make_pictures(tmp_path, 24)
    rows = [
        f"{path.name},{label},{i}.5,p{i // 4},{1 + i % 2}"
        for i, (path, label) in enumerate(zip(paths, labels, strict=True))
    ]
    (tmp_path / "table.csv").write_text("file,side,value,person,weight\n" + "\n".join(rows))
    return tmp_path / "table.csv"


@pytest.fixture
def fitted(monkeypatch):
    """What ``fit`` is given, and by which estimator."""
    from transferkit.estimators import Classifier

    calls, fit = [], Classifier.fit

    def spy(self, X, y=None, **options):
        calls.append((self, list(X), options))
        return fit(self, X, y, **options)

    monkeypatch.setattr(Classifier, "fit", spy)
    return calls


def test_train_passes_parameters_columns_and_configuration(table, fitted, tmp_path):
    flags = ["--head", "linear", "--layers", "last", "--grid", "4", "--augment", "none", "--resize", "pad"]
    columns = ["--target", "side", "--groups", "person", "--sample-weight", "weight"]
    weight = ["--class-weight", "left=2,right=1"]
    output = ["--output", str(tmp_path / "m.safetensors"), "--cache", str(tmp_path / "kept")]
    assert main(["train", str(table), *COMMON, *flags, *columns, *weight, *output]) == 0
    model, images, options = fitted[0]
    assert (model.head, model.layers, model.grid, model.augment) == ("linear", "last", 4, None)
    assert model.class_weight == {"left": 2, "right": 1}
    assert model.extractor.resize == "pad"
    assert len(images) == len(options["groups"]) == len(options["sample_weight"]) < 24
    tested = {f"p{i}" for i in range(6)} - set(options["groups"])
    assert len(images) == 24 - 4 * len(tested)  # whole persons
    assert set(options["sample_weight"]) == {1.0, 2.0}
    assert list((tmp_path / "kept").iterdir())
    assert load(tmp_path / "m.safetensors").augment is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--refine", "2"], "--refine is for keypoints, but this data needs Classifier"),
        (["--grid", "x"], "--grid must be a positive integer"),
        (["--augment", "twice"], "--augment must be"),
        (["--head", "tree"], "head"),
        (["--resize", "crop"], "--resize must be"),
        (["--batch-size", "0"], "--batch-size must be a positive integer"),
        (["--class-weight", "cat=2"], "cat"),
        (["--groups", "nobody"], "--groups must name columns of"),
        (["--groups", "side"], "--groups must let every class be in both parts"),
        (["--sample-weight", "person"], "weight"),
        (["--engine", "abacus"], "--engine must be"),
    ],
)
def test_a_bad_option_is_one_clear_line(table, capsys, tmp_path, arguments, message):
    output = ["--output", str(tmp_path / "m.safetensors")]
    assert main(["train", str(table), "--target", "side", *COMMON, *output, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "x", "--class-weight", "cat=a"], "expected weights such as cat=2,dog=1. Got 'cat=a'"),
        (["train", "x", "--channels", "r,g,b"], "expected numbers such as 3,2,1"),
        (["train", "x", "--batch-size", "many"], "--batch-size"),
        (["evaluate", "x"], "the following arguments are required: DIR_OR_CSV"),
    ],
)
def test_wrong_usage_is_one_line_too(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert "transferkit" in err
    assert "--help" in err


def test_columns_need_a_table_with_targets(table, capsys):
    assert main(["train", str(table.parent), *COMMON, "--groups", "person"]) == 2
    assert "transferkit: " in capsys.readouterr().err


def test_class_weight_is_for_classes(table, capsys):
    assert main(["train", str(table), "--target", "value", *COMMON, "--class-weight", "balanced"]) == 2
    assert "--class-weight is for classes, but this data needs ImageRegressor" in capsys.readouterr().err


def test_evaluate_draws_and_cache_explains(table, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    model, side = str(tmp_path / "m.safetensors"), ["--target", "side"]
    assert main(["train", str(table), *side, *COMMON, "--head", "linear", "--output", model]) == 0
    capsys.readouterr()
    drawn = tmp_path / "drawn"
    flags = ["--groups", "person", "--confidence", "0.9", "--plots", str(drawn), "--json"]
    assert main(["evaluate", model, str(table), *side, *flags]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["confidence"] == 0.9
    names = ["calibration.png", "confusion_matrix.png", "mistakes.png", "roc.png"]
    assert sorted(path.name for path in drawn.iterdir()) == names
    assert captured.err.count("transferkit: drew") == 4
    with Image.open(drawn / "roc.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 2
    assert main(["evaluate", model, str(table), *side, "--plots", str(table)]) == 2
    assert "--plots must be a folder" in capsys.readouterr().err

    known = str(tmp_path / "0000.png")
    assert main(["cache", "explain", known, "--model", model]) == 0
    assert f"{known}: Hit: " in capsys.readouterr().out
    assert (
        main(["cache", "explain", known, "--backbone", TINY.name, "--layers", "last", "--image-size", "48"])
        == 0
    )
    out = capsys.readouterr().out
    assert f"{known}: Miss: " in out
    assert "differs only in 'image_size' (stored: 32, requested: 48)" in out
    for wrong in (["info", known], ["explain"]):
        assert main(["cache", *wrong]) == 2
        assert "images must be given to explain" in capsys.readouterr().err


def test_layers_and_check(monkeypatch, capsys):
    """The flags arrive; the real thing loads TensorFlow, see below."""
    calls = []

    def check_backbone(name, **options):
        calls.append((name, options))
        return transferkit.get_backbone(name)

    monkeypatch.setattr(transferkit, "check_backbone", check_backbone, raising=False)
    assert main(["check", "mobilenet", "--image-size", "64"]) == 0
    assert calls == [("mobilenet", {"weights": None, "image_size": 64})]
    assert capsys.readouterr().out == "mobilenet: all checks passed\n"
    for command in ("layers", "check"):
        monkeypatch.undo()
        assert main([command, "vgg_61"]) == 2
        assert "Unknown backbone" in capsys.readouterr().err


@pytest.mark.slow
def test_layers_and_check_of_a_network(capsys):
    assert main(["layers", "scattering", "--image-size", "32"]) == 0
    assert "last" not in capsys.readouterr().out.split("\n")[0]
    assert main(["check", "scattering"]) == 0
    assert capsys.readouterr().out == "scattering: all checks passed\n"

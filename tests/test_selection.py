"""What was tried is saved with the model, and refused where it is damaged."""

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY
from tests.test_diagram import blocks
from transferkit import Classifier
from transferkit.backbones import registry
from transferkit.errors import ModelFileError
from transferkit.persistence._file import read_model, write_model
from transferkit.persistence._records import records_from_json, records_to_json


@pytest.fixture
def model(tiny, pictures, tmp_path, monkeypatch):
    """A fitted classifier whose head chose among layers, and its file."""
    registry.add(TINY)
    clf = Classifier(**tiny).fit(*pictures)
    clf.save(tmp_path / "model.safetensors")
    return clf, tmp_path / "model.safetensors"


def test_it_comes_back(model):
    clf, path = model
    loaded = transferkit.load(path)
    assert len(clf.layer_selection_) > 2
    assert loaded.layer_selection_ == clf.layer_selection_
    for found, expected in zip(loaded.layer_selection_, clf.layer_selection_, strict=True):
        assert list(map(type, vars(found).values())) == list(map(type, vars(expected).values()))
    assert blocks(loaded) == blocks(clf)
    loaded.save(path)
    assert transferkit.load(path).layer_selection_ == clf.layer_selection_


def test_rounds_and_positions_come_back():
    tables = {
        "rounds": [{"number": 0, "held_out_error": np.float64(0.25), "used": True}],
        "layer_selection": [{"layers": (0, 2), "shares": (0.5,)}],
    }
    assert records_from_json(records_to_json(tables), tables) == tables
    assert records_to_json({"a": [{"gain": float("nan")}]}) == {"a": [{"gain": None}]}


def test_the_old_name_says_the_new_ones(model):
    clf, _ = model
    with pytest.warns(FutureWarning, match="layer_selection_ and rounds_"):
        assert clf.selection_ == [trial.record() for trial in clf.layer_selection_]


@pytest.mark.parametrize(
    "selection",
    [
        None, {}, "text", [1], [[]], [{"why": 3}], [{"chosen": 1}], [{"chosen": True}], [{"a b": 1}],
        [{"gain": "much"}], [{"gain": [1]}], [{"gain": {}}], [{"shares": 1}], [{"shares": ["much"]}],
        [{"layers": [["last"]]}], [{"layers": ["last"]}], [{"why": "x" * 3000}], [{"shares": [1] * 200}],
        [{"shares": [None]}], [{}] * 2000, [{f"a{i}": i for i in range(50)}],
    ],
    ids=lambda selection: str(selection)[:30],
)  # fmt: skip
def test_damaged_ones_are_refused(model, selection):
    _, path = model
    tensors, document = read_model(path)
    write_model(path, tensors, document | {"records": {"layer_selection": selection}})
    with pytest.raises(ModelFileError, match="does not describe a model"):
        transferkit.load(path)

"""What was tried is saved with the model, and refused where it is damaged."""

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY
from tests.test_diagram import blocks
from transferkit import Classifier
from transferkit.backbones import _registry
from transferkit.errors import ModelFileError
from transferkit.persistence._file import read_model, write_model
from transferkit.persistence._selection import selection_from_json, selection_to_json


@pytest.fixture
def model(tiny, pictures, tmp_path, monkeypatch):
    """A fitted classifier whose head chose among layers, and its file."""
    monkeypatch.setitem(_registry._ROWS, "tiny", TINY)
    monkeypatch.setitem(_registry._ALIASES, "tiny", "tiny")
    clf = Classifier(**tiny).fit(*pictures)
    clf.save(tmp_path / "model.safetensors")
    return clf, tmp_path / "model.safetensors"


def test_it_comes_back(model):
    clf, path = model
    loaded = transferkit.load(path)
    assert len(clf.selection_) > 2
    assert loaded.selection_ == clf.selection_
    assert [type(value) for value in loaded.selection_[0].values()] == [
        type(value) for value in clf.selection_[0].values()
    ]
    assert blocks(loaded) == blocks(clf)
    loaded.save(path)
    assert transferkit.load(path).selection_ == clf.selection_


def test_rounds_and_positions_come_back():
    rows = [
        {"round": 0, "held_out_error": np.float64(0.25), "used": True},
        {"layers": (0, 2), "shares": (0.5,)},
    ]
    assert selection_from_json(selection_to_json(rows)) == rows
    assert selection_to_json([{"gain": float("nan")}]) == [{"gain": None}]


def test_models_of_before_have_none(model):
    _, path = model
    tensors, document = read_model(path)
    del document["selection"]
    write_model(path, tensors, document)
    assert transferkit.load(path).selection_ == []


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
    write_model(path, tensors, document | {"selection": selection})
    with pytest.raises(ModelFileError, match="selection"):
        transferkit.load(path)

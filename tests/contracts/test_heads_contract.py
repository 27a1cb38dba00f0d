"""What every head keeps to, whatever is added to the registry."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from typing import ClassVar

import numpy as np
import pytest

from tests.conftest import PlainHead
from transferkit import heads
from transferkit.errors import InvalidInputError
from transferkit.heads import (
    HEADS,
    LinearHead,
    MLPHead,
    TrainingData,
    get_head,
    head_from_dict,
    head_to_dict,
    register_head,
)
from transferkit.heads.cascade import CascadeHead
from transferkit.tasks import TASKS, Classes, Labels, Points

N = 40
# What makes a head quick, where it has such a field.
QUICK = {"filters": 4, "hidden": 8, "epochs": 2, "patience": None}

# Two find points only.
KINDS = (None, 2, 3, "labels")  # points, classes, or labels that do not exclude each other
CASES = [(name, k) for name in HEADS for k in KINDS if k is None or name not in ("keypoint_map", "score_map")]


def small(name):
    head = HEADS[name]()
    return replace(head, **{f.name: QUICK[f.name] for f in fields(head) if f.name in QUICK})


def toy(n_classes, n=N):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(n, 4, 4, 3)).astype(np.float32) * 3 + 1
    if n_classes == "labels":
        targets = (rng.uniform(size=(n, 3)) < 0.4).astype(int)
        return TrainingData([maps], targets, Labels(np.arange(3)), np.ones(n), np.arange(n), progress=False)
    targets = rng.normal(size=(n, 4)) if n_classes is None else np.arange(n) % n_classes
    if n_classes is None:
        targets[3, 1] = targets[5] = np.nan
    task = Points(2) if n_classes is None else Classes(np.arange(n_classes))
    return TrainingData([maps], targets, task, np.ones(n), np.arange(n), progress=False)


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    name, n_classes = request.param
    head, data = small(name), toy(n_classes)
    before = data.maps[0].copy(), data.targets.copy()
    fitted = head.fit(data)
    assert np.array_equal(data.maps[0], before[0])
    assert np.array_equal(data.targets, before[1], equal_nan=n_classes is None)
    return head, data, fitted


def test_predictions_are_finite_float64_columns(case):
    _, data, fitted = case
    found = fitted.predict(data.maps)
    assert found.shape == (N, data.task.n_outputs)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert np.ptp(found) > 0


def test_a_prediction_does_not_depend_on_its_batch(case):
    _, data, fitted = case
    maps = [np.concatenate([array] * 7) for array in data.maps]
    maps[0] += np.random.default_rng(1).normal(size=maps[0].shape).astype(np.float32)
    whole = fitted.predict(maps)
    for step, stop in ((1, 5), (7, 21), (256, len(whole))):
        parts = [fitted.predict([maps[0][i : i + step]]) for i in range(0, stop, step)]
        np.testing.assert_allclose(
            np.concatenate(parts), whole[:stop], rtol=1e-6, atol=2e-6 * np.abs(whole).max()
        )
    assert fitted.predict([maps[0][:0]]).shape == (0, data.task.n_outputs)


def test_arrays_and_facts_are_all_that_is_needed_to_predict_the_same(case):
    head, data, fitted = case
    tensors = {name: array.copy() for name, array in fitted.tensors().items()}
    assert all(array.dtype.kind == "f" and np.isfinite(array).all() for array in tensors.values())
    facts = json.loads(json.dumps(fitted.facts(), allow_nan=False))
    again = head_from_dict(json.loads(json.dumps(head_to_dict(head)))).rebuild(tensors, facts)
    assert np.array_equal(again.predict(data.maps), fitted.predict(data.maps))
    assert again.tensors().keys() == tensors.keys()
    assert again.facts() == fitted.facts()


def test_a_pickled_head_predicts_the_same(case):
    _, data, fitted = case
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict(data.maps), fitted.predict(data.maps))
    assert again.history == fitted.history


def test_it_states_its_inputs_and_outputs(case):
    head, data, fitted = case
    for one in (fitted, head.rebuild(fitted.tensors(), fitted.facts())):
        assert one.n_outputs == data.task.n_outputs
        assert one.n_inputs in (48, None)
    assert (fitted.n_inputs is None) == (type(head) in (HEADS["keypoint_map"], HEADS["score_map"]))


def test_held_out_predictions_are_dropped_when_pickled(case):
    head, data, fitted = case
    assert (fitted.held_out is None) == head.uses_validation
    if fitted.held_out is not None:
        assert fitted.held_out.shape == (N, data.task.n_outputs)
    assert pickle.loads(pickle.dumps(fitted)).held_out is None
    assert head.rebuild(fitted.tensors(), fitted.facts()).held_out is None


def test_the_history_is_plain_data(case):
    fitted = case[2]
    assert fitted.history
    assert json.loads(json.dumps(fitted.history, allow_nan=False)) == fitted.history


def test_rebuilding_refuses_what_another_model_left(case):
    """A file can hold anything: arrays missing, too many, or of another shape are a ValueError."""
    head, _, fitted = case
    tensors, facts = fitted.tensors(), fitted.facts()
    name = next(iter(tensors))
    for wrong in (
        {},
        {key: value for key, value in tensors.items() if key != name},
        tensors | {"more": np.zeros(3)},
        tensors | {name: np.zeros((2, 2, 2, 2, 2), dtype=np.float32)},
        tensors | {name: tensors[name].astype(np.complex64)},
    ):
        with pytest.raises((ValueError, KeyError, TypeError)):
            head.rebuild(wrong, facts)
    for key in facts:
        with pytest.raises((ValueError, KeyError, TypeError)):
            head.rebuild(tensors, {k: v for k, v in facts.items() if k != key})
        with pytest.raises((ValueError, KeyError, TypeError)):
            head.rebuild(tensors, facts | {key: {"a": 1}})


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_plain_frozen_data(name):
    head = HEADS[name]()
    assert head == HEADS[name]()
    assert hash(head) == hash(HEADS[name]())
    assert pickle.loads(pickle.dumps(head)) == head
    assert type(head.uses_validation) is bool
    assert type(head.averages_views) is bool
    assert head.layers in ("auto", "last")
    assert head.kinds <= set(TASKS)
    assert head.refinement in ("cascade", "network", None)
    assert hasattr(head, "validation_fraction") == head.uses_validation
    with pytest.raises(FrozenInstanceError):
        head.anything = None


# Heads of users


@dataclass(frozen=True)
class MeanHead(PlainHead):
    """A head that predicts means; what it returns is a linear head without weights."""

    scale: float = 1.0
    sides: tuple[int, ...] = ()

    kinds: ClassVar = frozenset({"values"})

    def fit(self, data):
        return LinearHead(penalty=1e6).fit(data)

    def rebuild(self, tensors, facts):
        return LinearHead().rebuild(tensors, facts)


@pytest.fixture
def registry(monkeypatch):
    for name, kind in {**HEADS, "mean": MeanHead}.items():
        monkeypatch.setitem(HEADS, name, kind)  # restored after the test
    del HEADS["mean"]
    return HEADS


def test_an_instance_that_meets_the_protocol_is_a_head(registry):
    head = MeanHead(2.0)
    assert get_head(head) is head
    with pytest.raises(InvalidInputError, match=r"call register_head\(\) so that it can be saved"):
        head_to_dict(head)


def test_a_registered_head_has_a_name_and_is_saved(registry):
    register_head("mean", MeanHead)
    assert get_head("mean") == MeanHead()
    for head in (MeanHead(), MeanHead(0.5, (1, 2))):
        assert head_from_dict(json.loads(json.dumps(head_to_dict(head)))) == head
    with pytest.raises(
        InvalidInputError, match="'mean' is already registered: MeanHead. Pass overwrite=True"
    ):
        register_head("mean", MLPHead)
    register_head("mean", MLPHead, overwrite=True)
    assert get_head("mean") == MLPHead()


def test_what_is_missing_from_a_head_is_named(registry):
    class Half:
        kinds = layers = pools = uses_validation = averages_views = half = None

        def fit(self, data):
            return None

    with pytest.raises(
        InvalidInputError, match=r"head must be 'auto', .* It has no 'refinement' or 'rebuild'"
    ):
        get_head(Half())
    with pytest.raises(InvalidInputError, match="Half is not a head: it has no 'refinement' or 'rebuild'"):
        register_head("half", dataclass(frozen=True)(Half))
    for kind in (Half, MeanHead(), dataclass(Half), "mean", None):
        with pytest.raises(InvalidInputError, match="kind must be a frozen dataclass"):
            register_head("half", kind)
    for name in ("", None, 3):
        with pytest.raises(InvalidInputError, match="name must be a non-empty string"):
            register_head(name, MeanHead)
    assert "half" not in HEADS


def test_the_cascade_is_internal():
    assert "CascadeHead" not in heads.__all__
    with pytest.warns(FutureWarning, match=r"CascadeHead is internal .* transferkit\.heads\.cascade"):
        assert heads.CascadeHead is CascadeHead
    with pytest.raises(AttributeError, match="no attribute 'CascadesHead'"):
        _ = heads.CascadesHead


@pytest.mark.parametrize("steps", [0, 2])
def test_the_cascade_meets_the_contract(steps):
    rng = np.random.default_rng(0)
    data = replace(
        toy(None), maps=[rng.normal(size=(N, side, side, 3)).astype(np.float32) for side in (8, 4)]
    )
    fitted = get_head(CascadeHead(steps)).fit(data)
    assert (fitted.n_outputs, fitted.n_inputs) == (4, None)
    assert fitted.held_out.shape == (N, 4)
    assert pickle.loads(pickle.dumps(fitted)).held_out is None
    weight = np.where(np.arange(N) < 8, 0.0, 1.0)
    weighted = CascadeHead(steps).fit(replace(data, sample_weight=weight))
    rest = replace(
        data,
        maps=[array[8:] for array in data.maps],
        targets=data.targets[8:],
        sample_weight=weight[8:],
        groups=data.groups[8:],
    )
    for row, expected in zip(weighted.history, CascadeHead(steps).fit(rest).history, strict=True):
        assert row == pytest.approx(expected, rel=1e-6)

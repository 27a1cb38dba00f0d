"""What every head keeps to, whatever is added to the registry."""

from __future__ import annotations

import json
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from transferkit.heads import HEADS, TrainingData, Validation, head_from_dict, head_to_dict
from transferkit.tasks import Classes, Points

N = 40
# What makes a head quick, where it has such a field.
QUICK = {"filters": 4, "hidden": 8, "epochs": 2, "patience": None}

# One finds points only.
CASES = [(name, k) for name in HEADS for k in (None, 2, 3) if k is None or name != "keypoint_map"]


def small(name):
    head = HEADS[name]()
    return replace(head, **{f.name: QUICK[f.name] for f in fields(head) if f.name in QUICK})


def toy(n_classes, n=N):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(n, 4, 4, 3)).astype(np.float32) * 3 + 1
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
    with pytest.raises(FrozenInstanceError):
        head.anything = None

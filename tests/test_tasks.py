"""Tasks: what y becomes for a head, and what outputs become for a user."""

import json

import numpy as np
import pytest

from transferkit.errors import InvalidInputError
from transferkit.tasks import TASKS, Classes, Labels, Points, Values, guess_kind, task_from_json

CASES = [
    (Classes(np.array(["a", "b"])), np.array(["b", "a", "b"])),
    (Classes(np.array([1, 5, 9], dtype=np.int16)), np.array([9, 1, 5], dtype=np.int16)),
    (Classes(np.array([False, True])), np.array([True, False, True])),
    (Labels(np.array(["dog", "cat"])), np.array([[0, 1], [1, 1], [0, 0]])),
    (Values(1, single=True), np.array([0.5, -1.0, 2.0])),
    (Values(2), np.array([[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]])),
    (Points(2, flat=True), np.arange(12.0).reshape(3, 4)),
    (Points(2, flat=False), np.arange(12.0).reshape(3, 2, 2)),
]
IDS = [f"{task.kind}-{task.n_outputs}" for task, _ in CASES]


@pytest.mark.parametrize(("task", "y"), CASES, ids=IDS)
def test_a_perfect_head_gives_y_back(task, y):
    targets = task.encode(y)
    if isinstance(task, Classes):
        outputs = task.codes()[targets]
        assert outputs.shape == (3, task.n_outputs)
        assert task.strata(targets) is targets
        assert np.array_equal(task.decide(outputs), targets)
    else:
        outputs = 2.0 * targets - 1 if isinstance(task, Labels) else targets
        assert task.strata(targets) is None
    decoded = task.decode(outputs)
    np.testing.assert_array_equal(decoded, y)
    assert decoded.dtype == y.dtype


@pytest.mark.parametrize(("task", "y"), CASES, ids=IDS)
def test_json_and_back(task, y):
    data = json.loads(json.dumps(task.to_json()))
    again = task_from_json(data)
    assert type(again) is type(task)
    assert again.to_json() == task.to_json()
    assert again.n_outputs == task.n_outputs
    for damaged in (
        data | {"more": 1},
        data | {"kind": "x"},
        {},
        *({k: v for k, v in data.items() if k != n} for n in data),
    ):
        with pytest.raises((KeyError, ValueError, TypeError)):
            task_from_json(damaged)


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c"]])
def test_probabilities_and_columns_speak_of_the_same_classes(labels):
    task = Classes(np.array(labels))
    outputs = np.random.default_rng(0).normal(size=(20, task.n_outputs))
    chances = task.probabilities(outputs)
    assert chances.shape == (20, len(labels))
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(task.labels[chances.argmax(axis=1)], task.decode(outputs))
    assert task.decision(outputs).ndim == (1 if len(labels) == 2 else 2)
    for i, label in enumerate(labels):
        column, sign = task.column_of(label)
        assert np.corrcoef(sign * outputs[:, column], chances[:, i])[0, 1] > 0.5


def test_labels_that_cannot_be_saved():
    with pytest.raises(InvalidInputError, match="cannot be saved"):
        Classes(np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]")).to_json()


def test_every_kind_has_its_own_name():
    assert {kind.kind for kind in TASKS.values()} == set(TASKS) == {"classes", "labels", "values", "points"}
    assert guess_kind([[0, 1], [1, 1]]) == guess_kind([["a"], []]) == guess_kind([{"a"}, {"b"}]) == "labels"
    assert guess_kind([0.5, 1.0]) == guess_kind([np.nan, 1.0]) == "values"
    assert guess_kind(["a", "b"]) == guess_kind([[1], [2]]) == "classes"
    assert guess_kind(np.full((5, 4), 3.0)) == guess_kind(np.zeros((5, 2, 2))) == "points"

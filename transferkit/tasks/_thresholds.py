"""Thresholds of labels: the probability above which each is predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import quoted
from transferkit.foundation.arguments import is_number

CRITERIA = ("f1", "balanced_accuracy")
HALF = 0.5
_CLOSEST = 1e-9  # smallest distance of a threshold from 0 and 1
_NO_DIFFERENCE = 1e-12


def threshold_problems(threshold: Any, labels: Sequence[Any], *, one_each: bool = False) -> list[str]:
    """Return the problems of a threshold, given the labels.

    With ``one_each``, labels are classes: with more than two classes, only one of them can have a threshold.
    """
    if one_each and len(labels) > 2 and not (_is_half(threshold) or isinstance(threshold, Mapping)):
        return [
            "threshold must be 0.5, or a dictionary from one label to a number above 0 and below 1, with "
            f"more than two classes. Got {threshold!r}."
        ]
    if isinstance(threshold, Mapping):
        problems = []
        if one_each and len(threshold) != 1:
            problems.append(
                "threshold must have one label as key with one label for each image; otherwise the most "
                f"probable of the other classes is predicted. Got {dict(threshold)!r}."
            )
        if strange := [label for label in threshold if label not in labels]:
            problems.append(
                f"threshold must have labels of y as keys. Got {quoted(strange)}. y has {quoted(labels)}."
            )
        if bad := {label: value for label, value in threshold.items() if not _is_threshold(value)}:
            problems.append(f"threshold must have numbers above 0 and below 1. Got {bad!r}.")
        return problems
    if _is_threshold(threshold) or (isinstance(threshold, str) and threshold in CRITERIA):
        return []
    return [
        "threshold must be a number above 0 and below 1, a dictionary from labels to such numbers, or "
        f"{quoted(CRITERIA, 'or')}. Got {threshold!r}."
    ]


def is_criterion(threshold: Any) -> bool:
    """Return True if thresholds are to be chosen on held-out rows."""
    return isinstance(threshold, str)


def given_thresholds(threshold: Any, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return thresholds (n_labels,) from a number or a dictionary; labels missing in it have 0.5."""
    if isinstance(threshold, Mapping):
        return np.array([float(threshold.get(label, HALF)) for label in labels.tolist()])
    return np.full(len(labels), float(threshold))


def best_thresholds(
    probabilities: NDArray[np.float64],
    indicator: NDArray[np.int64],
    weight: NDArray[np.float64],
    criterion: str,
) -> NDArray[np.float64]:
    """Return the threshold of each label (n_labels,) that is best on held-out rows.

    It is halfway between two probabilities (n, n_labels); of equally good ones, it is the nearest to 0.5.
    """
    columns = zip(probabilities.T, indicator.T, strict=True)
    return np.array([_best(chances, has, weight, criterion) for chances, has in columns])


def _best(
    chances: NDArray[np.float64], has: NDArray[np.int64], weight: NDArray[np.float64], criterion: str
) -> float:
    """Return the best threshold of one label."""
    order = np.argsort(-chances, kind="stable")
    chances, has, weight = chances[order], has[order], weight[order]
    # Counts if the label is predicted for the rows down to each one, and for no others.
    right, wrong = np.cumsum(weight * has), np.cumsum(weight * (1 - has))
    if criterion == "f1":
        values = 2 * right / (right + wrong + right[-1])
    else:
        values = right / right[-1] - wrong / wrong[-1]
    below = np.append(chances[1:], 0.0)
    values[chances <= below] = -np.inf  # rows with equal probabilities get the same prediction
    good = np.flatnonzero(values >= values.max() - _NO_DIFFERENCE)
    thresholds = np.clip((chances[good] + below[good]) / 2, _CLOSEST, 1 - _CLOSEST)
    return float(thresholds[np.abs(thresholds - HALF).argmin()])


def class_threshold(threshold: Any, labels: NDArray[Any]) -> tuple[int, float] | None:
    """Return the position of a class and its threshold from a number or a dictionary; None for 0.5."""
    if isinstance(threshold, Mapping):
        ((label, value),) = threshold.items()
        return labels.tolist().index(label), float(value)
    return None if _is_half(threshold) else (1, float(threshold))


def saved_threshold(task: Any) -> Any:
    """Return the threshold of a task as a number, or as a dictionary with labels as keys."""
    labels = task.labels.tolist()
    if task.kind == "labels":
        return HALF if task.thresholds is None else dict(zip(labels, task.thresholds.tolist(), strict=True))
    return HALF if task.threshold is None else {labels[task.threshold[0]]: task.threshold[1]}


def _is_half(value: Any) -> bool:
    return _is_threshold(value) and bool(value == HALF)


def _is_threshold(value: Any) -> bool:
    return is_number(value, above=0) and bool(value < 1)

"""Tasks: what is learned from images. They convert ``y`` to targets of a head, and outputs to predictions.

A task is plain data with ``n_outputs``, ``encode``, ``decode``, ``strata`` and ``to_json``. It is the only
place that knows how many outputs a head has, and what they mean. To add one, write a file like ``values.py``
and add its class to ``TASKS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.tasks._groups import as_groups
from transferkit.tasks._label_checks import (
    as_labels,
    check_classes,
    class_weight_problems,
    is_missing,
    labels_among,
    labels_like,
)
from transferkit.tasks._label_folds import label_folds
from transferkit.tasks._label_sets import (
    as_label_sets,
    check_label_sets,
    dense_labels,
    is_label_sets,
    label_set_problems,
    label_sets_like,
    warn_if_one_hot,
)
from transferkit.tasks._point_checks import check_inside, check_present, points_like
from transferkit.tasks._thresholds import (
    HALF,
    best_thresholds,
    class_threshold,
    given_thresholds,
    is_criterion,
    saved_threshold,
    threshold_problems,
)
from transferkit.tasks._value_checks import (
    as_values,
    check_values,
    column_names,
    column_problems,
    values_like,
)
from transferkit.tasks._weights import as_weights, class_weights, label_weights
from transferkit.tasks.classes import Classes
from transferkit.tasks.labels import Labels
from transferkit.tasks.points import Points
from transferkit.tasks.values import Values, deviations

Task = Classes | Labels | Values | Points
TASKS: dict[str, Any] = {task.kind: task for task in (Classes, Labels, Values, Points)}

__all__ = [
    "HALF",
    "TASKS",
    "Classes",
    "Labels",
    "Points",
    "Task",
    "Values",
    "as_groups",
    "as_label_sets",
    "as_labels",
    "as_values",
    "as_weights",
    "best_thresholds",
    "check_classes",
    "check_enough",
    "check_inside",
    "check_label_sets",
    "check_lengths",
    "check_present",
    "check_values",
    "class_threshold",
    "class_weight_problems",
    "class_weights",
    "column_names",
    "column_problems",
    "dense_labels",
    "deviations",
    "given_thresholds",
    "guess_kind",
    "is_criterion",
    "is_label_sets",
    "is_missing",
    "label_folds",
    "label_set_problems",
    "label_sets_like",
    "label_weights",
    "labels_among",
    "labels_like",
    "points_like",
    "saved_threshold",
    "task_from_json",
    "threshold_problems",
    "values_like",
    "warn_if_one_hot",
]


def task_from_json(data: Mapping[str, Any]) -> Task:
    """Return the task that JSON data describes; raise ValueError or KeyError if it is not valid."""
    task: Task = TASKS[data["kind"]].from_json(data)
    return task


def guess_kind(y: Any) -> str:
    """Guess the kind of task from the targets alone.

    Several columns of 0 and 1, or lists of names, are labels; several other numbers per image are points;
    single numbers are values if one of them has a fraction or is missing; anything else is a class.
    """
    y = dense_labels(y)
    if is_label_sets(y):
        return "labels"
    try:
        shape = np.shape(y)
    except ValueError:  # lists of different lengths, which cannot be learned
        return "classes"
    if len(shape) > 1 and shape[1] > 1:
        return "points"
    numbers = np.asarray(y)
    return "values" if numbers.dtype.kind == "f" and (numbers != np.round(numbers)).any() else "classes"


def check_enough(n_images: int) -> None:
    """Raise unless there are enough images for a regression."""
    if n_images < 2:
        raise InvalidInputError(f"fit needs two images or more. Got n_samples = {n_images}.")


def check_lengths(n_images: int, y: Any, problems: list[str], name: str = "y", unit: str = "label") -> None:
    """Add a problem if the numbers of images and targets differ."""
    n = len(y)
    if n != n_images and not (0 in (n, n_images) and problems):  # an unusable X or y was reported already
        whose = "X" if name == "y" else "its X"
        problems.append(
            f"{name} has {n} rows but {whose} has {n_images} images. Each image needs one {unit}."
        )

"""A record of the training data, to document later what a model has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.schema import Types, check_keys
from transferkit.tasks import Classes, Labels

_MAYBE = type(None)
_FACTS: dict[str, Types] = {
    "n_images": (int,), "n_groups": (int, _MAYBE), "n_unweighted": (int,), "weighted": (bool,),
    "left_out": (dict,), "n_validation": (int, _MAYBE), "n_held_out": (int,), "date": (str,),
}  # fmt: skip
_MOST = 2**53  # largest integer that is exact in JSON


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """Record of the data of a fit.

    Attributes
    ----------
    n_images : int
        Number of images, or of subjects with boxes, that were learned from.
    counts : ndarray of int64, shape (n_classes,)
        Number of images of each class or label, in the order of ``classes_``; for numbers and keypoints, of
        images in which each number, or both coordinates of each point, are present.
    bounds : ndarray of float64, shape (2, n_outputs)
        For numbers, the smallest and the largest of each output; else of shape (2, 0).
    n_groups : int or None
        Number of groups that were passed; None without groups.
    n_unweighted : int
        Number of images left out because their ``sample_weight`` was 0.
    weighted : bool
        Whether the others had different weights.
    left_out : dict of str to int
        Number of images that could not be read, by category.
    n_validation : int or None
        Number of images of ``validation_data``; None without it.
    n_held_out : int
        Number of images held out for early stopping.
    date : str
        Date of the fit, in UTC, such as ``2026-01-31``.
    """

    n_images: int
    counts: NDArray[np.int64]
    bounds: NDArray[np.float64]
    n_groups: int | None
    n_unweighted: int
    weighted: bool
    left_out: dict[str, int]
    n_validation: int | None
    n_held_out: int
    date: str

    @classmethod
    def of(
        cls,
        task: Any,
        targets: NDArray[Any],
        weight: NDArray[np.float64],
        groups: Any,
        *,
        n_unweighted: int,
        failures: Sequence[Any],
        n_validation: int | None,
        n_held_out: int,
    ) -> TrainingRecord:
        """Return the record of a fit; targets and weights are those of the rows that were learned from."""
        counts, bounds = _content(task, targets)
        return cls(
            len(targets),
            counts,
            bounds,
            n_groups=None if groups is None else len(np.unique(groups)),
            n_unweighted=n_unweighted,
            weighted=bool(len(weight) and np.ptp(weight) > 0),
            left_out=dict(Counter(str(failure.category) for failure in failures)),
            n_validation=n_validation,
            n_held_out=n_held_out,
            date=datetime.now(UTC).date().isoformat(),
        )

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"counts": self.counts, "bounds": self.bounds}

    def facts(self) -> dict[str, Any]:
        """Return what else to save, as JSON."""
        return {name: getattr(self, name) for name in _FACTS}


def _content(task: Any, targets: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return counts and bounds of targets."""
    nothing = np.zeros((2, 0))
    if isinstance(task, Classes):
        return np.array([(targets == label).sum() for label in task.labels], np.int64), nothing
    if isinstance(task, Labels):
        return np.asarray(targets).sum(axis=0).astype(np.int64), nothing
    table = np.asarray(targets, np.float64).reshape(len(targets), -1)
    present = np.isfinite(table)
    if task.kind == "points":
        return present.reshape(len(table), -1, 2).all(axis=2).sum(axis=0).astype(np.int64), nothing
    bounds = [np.where(present, table, np.inf).min(axis=0), np.where(present, table, -np.inf).max(axis=0)]
    return present.sum(axis=0).astype(np.int64), np.stack(bounds)


def rebuild_training(
    tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], task: Any
) -> TrainingRecord:
    """Return the saved record; raise ValueError if it does not fit this task."""
    check_keys("training", facts, _FACTS)
    if set(tensors) != {"counts", "bounds"}:
        raise ValueError(f"a record of training with {sorted(tensors)}")
    numbers = [value for value in (*facts.values(), *facts["left_out"].values()) if type(value) is int]
    if any(not 0 <= number < _MOST for number in numbers):
        raise ValueError(f"numbers of images {numbers}")
    if not all(type(key) is str and type(value) is int for key, value in facts["left_out"].items()):
        raise ValueError(f"images left out {facts['left_out']!r}")
    date.fromisoformat(facts["date"])
    counts, bounds = tensors["counts"], tensors["bounds"]
    n_counts = len(task.labels) if isinstance(task, Classes | Labels) else task.n_outputs
    if task.kind == "points":
        n_counts //= 2
    n_bounds = task.n_outputs if task.kind == "values" else 0
    fits = (
        (counts.dtype, counts.shape) == (np.int64, (n_counts,))
        and (bounds.dtype, bounds.shape) == (np.float64, (2, n_bounds))
        and bool((counts >= 0).all() and (counts <= facts["n_images"]).all() and np.isfinite(bounds).all())
    )
    if not fits:
        raise ValueError(f"a record of training with counts {counts!r} and bounds {bounds!r}")
    return TrainingRecord(counts=counts, bounds=bounds, **facts)

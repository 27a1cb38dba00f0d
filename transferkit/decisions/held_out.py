"""Predictions for training images by models that have not seen them, on which all decisions are based."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.tasks import Classes, Labels

Floats = NDArray[np.float64]

MOST_VALUES = 2**21  # largest number of logits that are kept: 8 MB in a model file


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Logits of training images, each by a model that has not learned from the image or its group.

    Attributes
    ----------
    logits : ndarray of float32, shape (n, n_outputs)
        For two classes, a single column for the second one; else a column for each class or label.
    targets : ndarray of int32, shape (n,) or (n, n_labels)
        Position of the label in ``classes_``; with several labels per image, 0 or 1 for each.
    weight : ndarray of float64, shape (n,)
        The caller's ``sample_weight``; only the ratios matter.
    groups : ndarray of int32, shape (n,)
        Number of the group of each image. Groups that share copies of an image have the same number.
    """

    logits: NDArray[np.float32]
    targets: NDArray[np.int32]
    weight: Floats
    groups: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.logits)

    @classmethod
    def of(
        cls, logits: NDArray[Any], targets: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any]
    ) -> HeldOut:
        """Return the record of these images; of very many images, that of a random sample (seed 0)."""
        most = max(1, MOST_VALUES // logits.shape[1])
        rows = np.arange(len(logits))
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:most])
        numbers = np.unique(groups[rows], return_inverse=True)[1]
        return cls(
            logits[rows].astype(np.float32),
            targets[rows].astype(np.int32),
            weight[rows].astype(np.float64),
            numbers.astype(np.int32),
        )

    @property
    def by_group(self) -> NDArray[np.int32] | None:
        """The groups, or None if each image is its own group."""
        return self.groups if len(np.unique(self.groups)) < len(self.groups) else None

    def probabilities(self, task: Classes | Labels) -> Floats:
        """Return the probability of each class or label (n, k)."""
        return task.probabilities(self.logits.astype(np.float64))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return dict(vars(self))

    def facts(self) -> dict[str, Any]:
        """Return what else to save: nothing."""
        return {}


def rebuild_held_out(tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], task: Any) -> HeldOut:
    """Return the saved record; raise ValueError if arrays do not fit together, or the task has no logits."""
    if not isinstance(task, Classes | Labels):
        raise ValueError(f"held-out logits of {task.kind}")
    if set(tensors) != {"logits", "targets", "weight", "groups"} or facts:
        raise ValueError(f"held-out answers of {sorted(tensors)} and {facts!r}")
    n = len(tensors["logits"])
    several = isinstance(task, Labels)
    shapes = {
        "logits": (np.float32, (n, task.n_outputs)),
        "targets": (np.int32, (n, len(task.labels)) if several else (n,)),
        "weight": (np.float64, (n,)),
        "groups": (np.int32, (n,)),
    }
    for name, (dtype, shape) in shapes.items():
        if tensors[name].dtype != dtype or tensors[name].shape != shape:
            raise ValueError(f"held-out {name} {tensors[name].dtype} of shape {tensors[name].shape}")
    targets, weight = tensors["targets"], tensors["weight"]
    largest = 1 if several else len(task.labels) - 1
    if n and (targets.min() < 0 or targets.max() > largest):
        raise ValueError("held-out targets are no labels")
    if not (np.isfinite(tensors["logits"]).all() and np.isfinite(weight).all() and (weight > 0).all()):
        raise ValueError("held-out logits or weights are not finite")
    return HeldOut(**tensors)

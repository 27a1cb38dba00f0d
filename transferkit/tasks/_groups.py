"""Which images belong together, and what is held out of training for early stopping."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.extraction import Features
from transferkit.tasks._labels import is_missing


def as_groups(groups: Any, n_images: int, problems: list[str]) -> NDArray[np.int64]:
    """Return group numbers; each image is its own group by default."""
    if groups is None:
        return np.arange(n_images)
    labels = np.asarray(groups)
    if labels.ndim != 1 or len(labels) != n_images:
        problems.append(
            f"groups has shape {labels.shape} but X has {n_images} images. Each image needs one group."
        )
        return np.arange(n_images)
    missing = [i for i, label in enumerate(labels.tolist()) if is_missing(label)]
    if missing:
        problems.append(
            f"groups must not have missing values. {len(missing)} of {n_images} are missing, the first in "
            f"row {missing[0]}. Give an image whose group nobody knows a group of its own."
        )
        return np.arange(n_images)
    return np.unique(labels, return_inverse=True)[1]


def copies_together(features: Any, rows: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the groups of rows; where each row is a group, exact copies of an image share one.

    Otherwise one would be held out while another is learned from. Groups of the user's stay as they are.
    """
    if not isinstance(features, Features) or len(np.unique(groups)) < len(groups):
        return groups
    first: dict[str | None, int] = {}
    digests = [features.digests[row] for row in rows]
    return np.array([first.setdefault(digest, group) for digest, group in zip(digests, groups, strict=True)])


def hold_out(
    n: int, labels: NDArray[Any] | None, groups: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold out a part for early stopping; groups stay whole, classes keep their shares.

    Where that leaves a class without training rows, nothing is held out.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    n_splits = round(1 / fraction)
    everything = np.arange(n), np.array([], dtype=np.int64)
    if n_splits < 2 or len(np.unique(groups)) < n_splits:
        return everything
    if labels is None:
        splitter = GroupKFold(n_splits, shuffle=True, random_state=seed)
        return next(splitter.split(np.zeros(n), groups=groups))
    if np.bincount(labels).min() < n_splits:
        return everything
    splitter = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    train, held = next(splitter.split(np.zeros(n), labels, groups))
    if len(np.unique(labels[train])) < len(np.unique(labels)):
        return everything
    return train, held

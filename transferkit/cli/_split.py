"""Split images into training and test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError

Rows = NDArray[np.int64]
_DRAWS = 100  # most draws of groups until every class is in both parts


def split(
    n: int, labels: NDArray[Any] | None, groups: NDArray[Any] | None, test_fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Return training and test rows in ascending order.

    Parameters
    ----------
    n : int
        Number of images.
    labels : ndarray, shape (n,), or None
        Every class is in both parts.
    groups : ndarray, shape (n,), or None
        Groups are not divided, and ``test_fraction`` of them are for testing. Without groups, the split is
        stratified by class.
    test_fraction : float
    seed : int
    """
    if labels is not None:
        names, counts = np.unique(labels, return_counts=True)
        if counts.min() < 2:
            label = names[counts.argmin()]
            raise InvalidInputError(
                f"Class {str(label)!r} has one image; two are needed, one to train on and one to test."
            )
    if groups is not None:
        return _of_groups(labels, groups, test_fraction, seed)
    from sklearn.model_selection import train_test_split

    fewest = 1 if labels is None else len(names)
    n_test = min(max(fewest, round(test_fraction * n)), n - fewest)
    train, test = train_test_split(np.arange(n), test_size=n_test, stratify=labels, random_state=seed)
    return np.sort(train), np.sort(test)


def _of_groups(
    labels: NDArray[Any] | None, groups: NDArray[Any], test_fraction: float, seed: int
) -> tuple[Rows, Rows]:
    """Return the first random split of whole groups that has every class in both parts."""
    from sklearn.model_selection import GroupShuffleSplit

    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise InvalidInputError("groups must have two groups or more, to train on and to test. Got 1.")
    n_test = min(max(1, round(test_fraction * n_groups)), n_groups - 1)
    draws = GroupShuffleSplit(_DRAWS, test_size=n_test, random_state=seed)
    for train, test in draws.split(groups, groups=groups):
        if labels is None or set(labels[train]) == set(labels[test]):
            return np.sort(train), np.sort(test)
    raise InvalidInputError(
        f"groups must let every class be in both parts. In {_DRAWS} draws of {n_test} of {n_groups} groups "
        "for the test, one part lacked a class. Each class needs images of several groups, or pass another "
        "test_fraction."
    )

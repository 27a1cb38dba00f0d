"""The folds of a comparison: the same for all candidates, each image predicted once, groups whole."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.comparison._data import Data
from transferkit.errors import InvalidInputError, quoted

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]


def make_folds(cv: Any, data: Data, seed: int) -> Folds:
    """Return training and test rows of each fold.

    Parameters
    ----------
    cv : int, splitter or iterable of (train, test)
        A number means that many shuffled folds, stratified by class and with groups kept together.
    data : Data
    seed : int

    Raises
    ------
    InvalidInputError
        There are too few images or groups, an image is predicted never or twice, a group is on
        both sides, or a training part lacks a class.
    """
    if isinstance(cv, Integral) and not isinstance(cv, bool):
        cv = _splitter(int(cv), data, seed)
    try:
        splits = cv.split(np.zeros(len(data)), data.labels, data.groups) if hasattr(cv, "split") else cv
        folds = [(np.asarray(train), np.asarray(test)) for train, test in splits]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"cv must be a number of folds, a splitter of scikit-learn, or pairs of rows: {error}. "
            f"Got {cv!r}."
        ) from error
    _check(folds, data)
    return folds


def without(folds: Folds, lost: NDArray[np.int64], data: Data) -> Folds:
    """Return the folds renumbered for the images that are left, which are those of ``data``.

    Raises
    ------
    InvalidInputError
        A training part lost all images of a class.
    """
    left = ~np.isin(np.arange(len(data) + len(lost)), lost)
    place = np.cumsum(left) - 1
    kept = [(place[train[left[train]]], place[test[left[test]]]) for train, test in folds]
    kept = [(train, test) for train, test in kept if len(test)]
    _check(kept, data)
    return kept


def _splitter(n_splits: int, data: Data, seed: int) -> Any:
    """Return scikit-learn's splitter for this case, after checking that there is enough to split."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if n_splits < 2:
        raise InvalidInputError(f"cv must be 2 folds or more. Got {n_splits}.")
    labels, groups = data.labels, data.groups
    units = np.arange(len(data)) if groups is None else groups
    unit = "images" if groups is None else "groups"
    counts = {"": len(np.unique(units))}
    if labels is not None:
        counts = {repr(label): len(np.unique(units[labels == label])) for label in np.unique(labels).tolist()}
    few = {label: count for label, count in counts.items() if count < n_splits}
    if few:
        what = ", ".join(
            f"{count} {unit}{f' of class {label}' if label else ''}" for label, count in few.items()
        )
        raise InvalidInputError(
            f"cv={n_splits} needs {n_splits} {unit}{' of each class' if labels is not None else ''}. "
            f"Got {what}. Pass a smaller cv, or more images."
        )
    kind: Any = (KFold, GroupKFold) if labels is None else (StratifiedKFold, StratifiedGroupKFold)
    return kind[groups is not None](n_splits, shuffle=True, random_state=seed)


def _check(folds: Folds, data: Data) -> None:
    """Raise if the folds would give wrong figures."""
    n, labels, groups = len(data), data.labels, data.groups
    tested = np.concatenate([test for _, test in folds]) if folds else np.array([], dtype=int)
    if not np.array_equal(np.sort(tested), np.arange(n)):
        raise InvalidInputError(
            f"cv must test each of the {n} images once. It tests {len(np.unique(tested))} of them, "
            f"{len(tested)} times altogether. Pass a number, or a splitter such as KFold."
        )
    for number, (train, test) in enumerate(folds, 1):
        outside = train[(train < 0) | (train >= n)] if train.dtype.kind in "iu" else train
        if train.dtype.kind not in "iu" or len(outside):  # row -1 would be row n - 1, perhaps of the test
            got = outside[0] if train.dtype.kind in "iu" else f"type {train.dtype}"
            raise InvalidInputError(
                f"cv must give training rows as positions in 0..{n - 1}. Fold {number} has {got}. "
                "Pass numpy.flatnonzero(mask) for a mask."
            )
        if np.intersect1d(train, test).size:
            raise InvalidInputError(f"cv has images both in training and in test in fold {number}.")
        if groups is not None and np.intersect1d(groups[train], groups[test]).size:
            raise InvalidInputError(
                f"cv has groups both in training and in test in fold {number}. Pass a number, or a splitter "
                "that keeps groups whole, such as GroupKFold."
            )
        if labels is not None and len(lost := np.setdiff1d(labels, labels[train])):
            raise InvalidInputError(
                f"The training part of fold {number} has no image of class {quoted(lost.tolist())}. "
                "Pass a smaller cv, or images of more groups."
            )

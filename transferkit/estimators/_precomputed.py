"""``backbone="precomputed"``: X holds features instead of images, as for any scikit-learn estimator."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.scratch import scratch

_BLOCK = 1024  # rows copied at a time
_ROUNDING = 1e-12  # rounding errors of double precision, relative to the largest number
_MOST_LOST = 0.01  # largest rounding error in single precision, as a fraction of a column's range
_ROWS = 1024  # rows checked at a time
_FEWEST = 10  # in fewer rows, the values of a column may be close to each other by chance
_NUMBERS = [np.float64, np.float32]  # single precision is not copied: it may be a memory-mapped file


@dataclass(frozen=True)
class PrecomputedFeatures:
    """Feature arrays (n, d) or (n, h, w, c) with the interface of extracted features."""

    array: NDArray[np.float32]
    report: None = None

    @classmethod
    def of(cls, estimator: Any, X: Any, *, fitting: bool) -> PrecomputedFeatures:
        """Return features from X, checked as scikit-learn does."""
        from sklearn.utils.validation import validate_data

        array = validate_data(estimator, X, reset=fitting, dtype=_NUMBERS, allow_nd=True)
        _check_input(estimator, array, fitting=fitting)
        return cls(_single(array))

    @classmethod
    def with_values(
        cls, estimator: Any, X: Any, y: Any, *, fitting: bool
    ) -> tuple[PrecomputedFeatures, NDArray[Any]]:
        """Return features and the values of a regression, checked together as scikit-learn does."""
        from sklearn.utils.validation import validate_data

        X, y = validate_data(
            estimator, X, y, reset=fitting, dtype=_NUMBERS, allow_nd=True, multi_output=True, y_numeric=True
        )
        _check_input(estimator, X, fitting=fitting)
        return cls(_single(X)), y

    @property
    def ok(self) -> NDArray[np.bool_]:
        """True for every row."""
        return np.ones(len(self.array), dtype=bool)

    @functools.cached_property
    def digests(self) -> list[str]:
        """Digests of the rows; equal rows have the same one, like copies of an image."""
        return [hashlib.sha256(row.tobytes()).hexdigest() for row in self.array]

    def maps(self, rows: Any = None, view: Any = None, *, half: bool = False) -> list[NDArray[np.float32]]:
        """Return the requested rows, in a file if they exceed the memory limit."""
        if rows is None:
            return [self.array]
        chosen = np.asarray(rows)
        out = scratch((len(chosen), *self.array.shape[1:]), self.array.dtype)
        for start in range(0, len(chosen), _BLOCK):
            out[start : start + _BLOCK] = self.array[chosen[start : start + _BLOCK]]
        return [out]


def _check_input(estimator: Any, array: NDArray[Any], *, fitting: bool) -> None:
    """Raise unless there is a vector or a map for each image, of the shape that ``fit`` got.

    scikit-learn compares the second axis alone, and a linear head would take any map of as many values.
    """
    shape = array.shape[1:]
    if len(shape) not in (1, 3):
        raise InvalidInputError(
            "X must have a vector for each image, (n, d), or a map, (n, h, w, c). "
            f"Got {array.shape}. Average or reshape the axes that are neither."
        )
    if fitting:
        with np.errstate(over="ignore", invalid="ignore"):
            _check_differences(array.reshape(len(array), -1))
        estimator._map_shape = shape if len(shape) == 3 else None
    known = estimator._map_shape
    if known is not None and shape != known:
        raise InvalidInputError(
            f"X must have maps of shape (n, {', '.join(map(str, known))}), as those of fit. "
            f"Got {array.shape}."
        )


def _check_differences(flat: NDArray[Any]) -> None:
    """Raise if single precision would round away the differences between the values of a column."""
    if flat.dtype == np.float32 or len(flat) < _FEWEST:
        return
    low, high = flat.min(axis=0), flat.max(axis=0)
    lost = np.zeros_like(low)  # largest rounding error of each column
    for start in range(0, len(flat), _ROWS):
        rows = flat[start : start + _ROWS]
        lost = np.maximum(lost, np.abs(rows - rows.astype(np.float32)).max(axis=0))
    varying = high - low > _ROUNDING * np.maximum(-low, high)
    # Numbers too large for it, which become infinite, have their own error.
    columns = np.flatnonzero(varying & np.isfinite(lost) & (lost > _MOST_LOST * (high - low)))
    if len(columns):
        raise InvalidInputError(
            "X must have differences that single precision holds: it rounds numbers to some seven digits. "
            f"Got numbers from {low[columns[0]]:.15g} to {high[columns[0]]:.15g} in column {columns[0]} "
            f"({len(columns)} such column(s)). Subtract the means, as StandardScaler of scikit-learn does."
        )


def _single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return finite numbers in single precision; raise if one is too large for it."""
    with np.errstate(over="ignore"):
        single: NDArray[np.float32] = array.astype(np.float32, copy=False)
    if single is not array and not np.isfinite(single).all():
        raise InvalidInputError(
            f"X must have numbers that single precision holds, up to {np.finfo(np.float32).max:.2g}. Got "
            f"{np.abs(array).max():.3g}. Scale the features, as by sklearn.preprocessing.StandardScaler."
        )
    return single

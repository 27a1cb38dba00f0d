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

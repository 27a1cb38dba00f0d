"""``backbone="precomputed"``: X holds features already, as any scikit-learn estimator gets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError

PRECOMPUTED = "precomputed"


def is_precomputed(backbone: Any) -> bool:
    """Say whether this stands for features that were computed elsewhere."""
    return isinstance(backbone, str) and backbone == PRECOMPUTED


def validation_values(
    estimator: Any, X: Any, y: Any, n_values: int
) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
    """Return features and values of the caller's own validation part, of a regression."""
    from sklearn.utils.validation import validate_data

    X, y = validate_data(
        estimator, X, y, reset=False, dtype=np.float64, allow_nd=True, multi_output=True, y_numeric=True
    )
    values = y.reshape(len(y), -1).astype(np.float64)
    if values.shape[1] != n_values:
        raise InvalidInputError(
            f"y of validation_data has {values.shape[1]} values in a row but y has {n_values}."
        )
    return [X.astype(np.float32)], values


@dataclass(frozen=True)
class PrecomputedFeatures:
    """Feature arrays (n, d) or (n, h, w, c) with the interface of extracted features."""

    array: NDArray[np.float32]
    report: None = None

    @classmethod
    def of(cls, estimator: Any, X: Any, *, fitting: bool) -> PrecomputedFeatures:
        """Check X as scikit-learn does."""
        from sklearn.utils.validation import validate_data

        array = validate_data(estimator, X, reset=fitting, dtype=np.float64, allow_nd=True)
        return cls(array.astype(np.float32))

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Every row is there."""
        return np.ones(len(self.array), dtype=bool)

    def maps(self, rows: Any = None, view: Any = None, *, half: bool = False) -> list[NDArray[np.float32]]:
        """Return the rows asked for."""
        return [self.array if rows is None else self.array[rows]]

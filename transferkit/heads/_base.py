"""What a head gets, and what it gives back.

A head is plain data, a frozen dataclass: what to train, not the result. ``head.fit(data)``
returns a fitted head, which is plain data too (a dictionary of arrays and a few facts), so that
a model can be saved without pickle and sent to another process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.arguments import is_number

Maps = Sequence[NDArray[np.float32]]  # one array per layer, each (n, h, w, c) or (n, c)


@dataclass(frozen=True)
class TrainingData:
    """Features and targets of training rows.

    Attributes
    ----------
    maps : sequence of ndarray
        One array of float32 per layer, each (n, h, w, c) or (n, c).
    targets : ndarray
        Class indices, int (n,), of a classification; values, float64 (n, k), of a regression, NaN where
        missing.
    n_classes : int or None
        None for a regression.
    sample_weight : ndarray of float64, shape (n,)
    groups : ndarray of int, shape (n,)
        Rows of one group (views of an image, pictures of a person) never part in cross-validation.
    validation : (maps, targets) or None
        Rows that only early stopping and the history may see.
    random_state : int
    progress : bool
    """

    maps: Maps
    targets: NDArray[Any]
    n_classes: int | None
    sample_weight: NDArray[np.float64]
    groups: NDArray[np.int64]
    validation: tuple[Maps, NDArray[Any]] | None = None
    random_state: int = 0
    progress: bool = True

    @property
    def n_outputs(self) -> int:
        """Number of values that a head predicts for a row; two classes need one logit."""
        if self.n_classes is None:
            return int(self.targets.shape[1])
        return 1 if self.n_classes == 2 else self.n_classes


class FittedHead(Protocol):
    """A head that has learned."""

    history: list[dict[str, Any]]

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return values (n, k) of a regression, logits (n, n_classes) of a classification.

        For two classes, (n, 1): the logit of the second.
        """

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""

    def facts(self) -> dict[str, Any]:
        """Return what else is needed to rebuild it, as JSON."""


class Head(Protocol):
    """A head to train.

    ``layers`` is what it works best on, and ``pools`` says whether their maps are best averaged over
    the backbone's grid, or left as they are. ``uses_validation`` says whether it wants rows
    held out; ``averages_views``, whether it learns classes from the mean features of an image and its
    mirror image, one row in the cache. To a linear head that is no loss, since the mean of its logits is
    the logit of the mean. ``half`` says whether maps are wanted in half precision, as they lie in the cache:
    large ones take half the memory.
    """

    layers: ClassVar[str]
    pools: ClassVar[bool]
    uses_validation: ClassVar[bool]
    averages_views: ClassVar[bool]
    half: ClassVar[bool]

    def fit(self, data: TrainingData) -> FittedHead:
        """Learn."""

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedHead:
        """Return the fitted head that was saved."""


def is_rate(value: Any) -> bool:
    """Say whether a field holds a share of units to drop, in [0, 1)."""
    return is_number(value, above=-1) and bool(0 <= value < 1)


def check_arrays(tensors: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[str, int | None]]) -> None:
    """Raise ValueError unless these arrays, of these dtypes and dimensions, and no others are there."""
    if set(tensors) != set(expected):
        raise ValueError(f"expected the arrays {sorted(expected)}. Got {sorted(tensors)}.")
    for name, (dtype, ndim) in expected.items():
        array = tensors[name]
        if array.dtype != np.dtype(dtype) or (ndim is not None and array.ndim != ndim):
            raise ValueError(f"array {name!r} is of {array.dtype} and shape {array.shape}.")


def flatten(maps: Maps) -> NDArray[np.float32]:
    """Return all layers of a row side by side: (n, number of values)."""
    flat = [np.asarray(array, dtype=np.float32).reshape(len(array), -1) for array in maps]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)

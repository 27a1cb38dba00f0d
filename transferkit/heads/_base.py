"""The interface of heads: the data they are given, and the fitted heads they return.

A head is a frozen dataclass that holds training settings. ``head.fit(data)`` returns a fitted head, which
consists of arrays and a few facts, so that models can be saved without pickle and sent to other processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number
from transferkit.tasks import Task

Maps = Sequence[NDArray[np.float32]]  # one array per layer, each (n, h, w, c) or (n, c)


class Validation(NamedTuple):
    """Rows used only for early stopping and the history.

    Attributes
    ----------
    maps : sequence of ndarray
        As in :class:`TrainingData`.
    targets : ndarray
        As in :class:`TrainingData`.
    sample_weight : ndarray of float64, shape (n,), or None
        Weight of each row; None if all are equal.
    """

    maps: Maps
    targets: NDArray[Any]
    sample_weight: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class TrainingData:
    """Features and targets of training rows.

    Attributes
    ----------
    maps : sequence of ndarray
        One array of float32 per layer, each (n, h, w, c) or (n, c).
    targets : ndarray
        Class indices, int (n,), for classes; 0 and 1, int (n, n_labels), for labels; values, float64
        (n, n_outputs), for regression, with NaN for missing ones.
    task : Classes, Labels, Values or Points
        What is learned.
    sample_weight : ndarray of float64, shape (n,)
        Weight of each row.
    groups : ndarray of int, shape (n,)
        Group of each row. Rows of one group (views of an image, images of a person) are never separated by a
        split.
    validation : Validation or None
        Rows for early stopping, if there are any.
    random_state : int
        Seed of everything random.
    progress : bool
        Whether to show a progress bar.
    label_weight : ndarray of float64, shape (2, n_labels), or None
        With several labels per image, the weight of a row for each label that it does not have (first row)
        and for each that it has (second row). Passed only to heads with ``weighs_labels``.
    calibrate : str or None
        For classes and labels. "auto" divides logits by a temperature (for a network, only if there are
        validation rows); None does not.
    """

    maps: Maps
    targets: NDArray[Any]
    task: Task
    sample_weight: NDArray[np.float64]
    groups: NDArray[np.int64]
    validation: Validation | None = None
    random_state: int = 0
    progress: bool = True
    label_weight: NDArray[np.float64] | None = None
    calibrate: str | None = "auto"

    def take(self, rows: NDArray[np.int64]) -> TrainingData:
        """Return some of the rows."""
        return replace(
            self,
            maps=[array[rows] for array in self.maps],
            targets=self.targets[rows],
            sample_weight=self.sample_weight[rows],
            groups=self.groups[rows],
        )


class FittedHead(Protocol):
    """A trained head."""

    history: list[dict[str, Any]]

    @property
    def n_outputs(self) -> int:
        """Number of values predicted for a row."""

    @property
    def n_inputs(self) -> int | None:
        """Number of features in a row, over all layers; None if the head does not store it."""

    @property
    def held_out(self) -> NDArray[np.float64] | None:
        """Cross-validated predictions (n, n_outputs) of the training rows; None for networks.

        Neither saved nor pickled.
        """

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return values for regression or logits for classification, of shape (n, n_outputs)."""

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""

    def facts(self) -> dict[str, Any]:
        """Return all other facts needed to rebuild the head, as JSON data."""


class Head(Protocol):
    """The interface of an untrained head.

    Attributes
    ----------
    kinds : frozenset of str
        Kinds of task that it can learn, of "classes", "labels", "values" and "points".
    layers : {"auto", "last"}
        Layers that it works best on, which are used by default.
    pools : bool
        Whether maps are averaged over the backbone's grid.
    uses_validation : bool
        Whether it uses validation rows. Such a head has a field ``validation_fraction``.
    averages_views : bool
        Whether classifiers are trained on the mean features of an image and its mirror image, cached as one
        row. A linear head loses nothing: the mean of its logits is the logit of the mean.
    half : bool
        Whether maps are passed in half precision, as they are cached, which halves the memory.
    refinement : {"cascade", "network"} or None
        How its keypoints can be refined: "cascade" needs exact held-out predictions.

    Notes
    -----
    A head with ``streams = True`` reads training maps only by slices of rows, so that they can stay in the
    cache. A head that uses ``TrainingData.label_weight`` has ``weighs_labels = True``; for any other head,
    ``class_weight`` with several labels per image is an error. A fitted head with cross-validated logits has
    them as ``held_out_logits``; without them, thresholds are chosen by training five more times.
    """

    kinds: ClassVar[frozenset[str]]
    layers: ClassVar[str]
    pools: ClassVar[bool]
    uses_validation: ClassVar[bool]
    averages_views: ClassVar[bool]
    half: ClassVar[bool]
    refinement: ClassVar[str | None]

    def fit(self, data: TrainingData) -> FittedHead:
        """Train on these rows."""

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedHead:
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""


_FAR_LARGER = 10.0  # for each layer of our backbones the ratio is far smaller
ALL_KINDS = frozenset({"classes", "labels", "values", "points"})


def is_fraction(value: Any) -> bool:
    """Return True for a number in [0, 1)."""
    return is_number(value, above=-1) and bool(0 <= value < 1)


def uneven(weight: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the weights, or None if they are all equal."""
    return None if weight.min() == weight.max() else weight


def level(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights with mean 1."""
    return weight * (len(weight) / weight.sum())


def usual_size(sizes: NDArray[np.float64]) -> float:
    """Return the mean size of channels (n,), but at most ten times the mean without the largest 5 %.

    The limit keeps a few channels that are far larger than all others from dominating. The median would not
    do: most channels may be rounding noise, as after a PCA of low rank.
    """
    varying = np.sort(sizes[sizes > 0])
    most = varying[: len(varying) * 19 // 20]
    return float(min(sizes.mean(), _FAR_LARGER * most.mean()) if len(most) else sizes.mean())


def check_arrays(tensors: Mapping[str, NDArray[Any]], expected: Mapping[str, tuple[str, int | None]]) -> None:
    """Raise ValueError unless the names, dtypes and numbers of dimensions are exactly the expected ones."""
    if set(tensors) != set(expected):
        raise ValueError(f"expected the arrays {sorted(expected)}. Got {sorted(tensors)}.")
    for name, (dtype, ndim) in expected.items():
        array = tensors[name]
        if array.dtype != np.dtype(dtype) or (ndim is not None and array.ndim != ndim):
            raise ValueError(f"array {name!r} has dtype {array.dtype} and shape {array.shape}.")


def flatten(maps: Maps) -> NDArray[np.float32]:
    """Return the values of all layers side by side: (n, number of values)."""
    flat = [np.asarray(array, dtype=np.float32).reshape(len(array), -1) for array in maps]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def outputs_of(head: FittedHead, maps: Maps, n_outputs: int) -> NDArray[np.float64]:
    """Return the outputs of a head for features, (n, n_outputs).

    Raises
    ------
    InvalidInputError
        The outputs are not finite numbers of this shape. That may happen with a user's own head, and would
        otherwise give wrong labels without an error.
    """
    given, n_rows = head.predict(maps), len(maps[0])
    try:
        outputs = np.asarray(given, dtype=np.float64)
        state = f"shape {outputs.shape}"
        fits = outputs.shape == (n_rows, n_outputs)
    except (TypeError, ValueError):
        fits, state = False, f"{type(given).__name__} of no numbers"
    if fits and not (finite := np.isfinite(outputs).all(axis=1)).all():
        fits, state = False, f"NaN or infinity in {int((~finite).sum())} of them"
    if not fits:
        one = " For two classes, one column is the logit of the second." if n_outputs == 1 else ""
        raise InvalidInputError(
            f"{type(head).__name__}.predict must return finite numbers of shape (n, n_outputs), here "
            f"({n_rows}, {n_outputs}). Got {state}.{one}"
        )
    return outputs

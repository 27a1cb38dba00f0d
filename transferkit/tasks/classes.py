"""Classification: one of several classes for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.schema import check_keys
from transferkit.tasks._logits import log_softmax, softmax

_TYPES = {"str": str, "bool": bool} | {
    f"{kind}{bits}": int for kind in ("int", "uint") for bits in (8, 16, 32, 64)
} | {f"float{bits}": float for bits in (16, 32, 64)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Classes:
    """Classification with one class per image.

    Heads learn class indices and return logits: one column for two classes (the logit of the second class),
    otherwise one column per class. Only this file depends on that.

    Parameters
    ----------
    labels : ndarray, shape (n_classes,)
        At least two labels, sorted and unique.
    threshold : (int, float), optional
        Position of a class, and the probability in (0, 1) above which it is predicted; at or below it, the
        most probable other class is predicted. By default, the most probable class of all is predicted.
    """

    labels: NDArray[Any]
    threshold: tuple[int, float] | None = None

    kind: ClassVar[str] = "classes"
    regression: ClassVar[bool] = False

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.labels)

    @property
    def n_outputs(self) -> int:
        """Number of logits that a head gives for an image."""
        return 1 if self.n_classes == 2 else self.n_classes

    def encode(self, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return class indices of known labels."""
        return np.searchsorted(self.labels, labels)

    def decode(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """Return the predicted label for each row of logits."""
        return self.labels[self.decide(outputs)]

    def decide(self, outputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of the predicted class for each row of logits."""
        if self.threshold is not None:
            return self.choose(self.probabilities(outputs))
        return self._likeliest(outputs)

    def choose(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of the predicted class for each row of probabilities (n, n_classes)."""
        if self.threshold is None:
            return probabilities.argmax(axis=1)
        sought, least = self.threshold
        others = probabilities.copy()
        others[:, sought] = -1
        return np.where(probabilities[:, sought] > least, sought, others.argmax(axis=1))

    def _likeliest(self, outputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of the most probable class for each row of logits."""
        return (outputs[:, 0] > 0).astype(np.int64) if self.n_classes == 2 else outputs.argmax(axis=1)

    def codes(self) -> NDArray[np.float64]:
        """Return the ideal scores -1 and 1 of each class, shape (n_classes, n_outputs)."""
        codes = 2 * np.eye(self.n_classes) - 1
        return codes[:, 1:] if self.n_classes == 2 else codes

    def decision(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return logits in the shape of scikit-learn's ``decision_function``."""
        return outputs[:, 0] if self.n_classes == 2 else outputs

    def probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities (n, n_classes) for logits (n, n_outputs)."""
        return softmax(self._logits(outputs))

    def log_probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithms of the probabilities, finite even if a probability rounds to 0."""
        return log_softmax(self._logits(outputs))

    def _logits(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a logit for each class."""
        return np.column_stack([np.zeros(len(outputs)), outputs]) if self.n_classes == 2 else outputs

    def column_of(self, label: Any) -> tuple[int, int]:
        """Return the output column for a class, and the sign, 1 or -1, with which it favours the class."""
        index = self.labels.tolist().index(label)
        return (0, 2 * index - 1) if self.n_classes == 2 else (index, 1)

    def strata(self, targets: NDArray[Any]) -> NDArray[Any]:
        """Return the labels by which splits are stratified."""
        return targets

    def likeliest(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """Return the most probable label for each row of logits, regardless of the threshold."""
        return self.labels[self._likeliest(outputs)]

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON data."""
        data = {"kind": self.kind, **labels_to_json(self.labels)}
        return data if self.threshold is None else {**data, "threshold": list(self.threshold)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Classes:
        """Return the task that JSON data describes; raise ValueError if labels do not fit their type."""
        labels = labels_from_json({name: value for name, value in data.items() if name != "threshold"})
        if not (labels[1:] > labels[:-1]).all():
            raise ValueError("labels are not sorted")
        if "threshold" not in data:
            return cls(labels)
        sought, least = data["threshold"]
        if type(sought) is not int or type(least) is not float:
            raise ValueError("a threshold is a position and a number")
        if not (0 <= sought < len(labels) and 0 < least < 1):
            raise ValueError(f"threshold {data['threshold']!r} of {len(labels)} classes")
        return cls(labels, (sought, least))


def labels_to_json(labels: NDArray[Any]) -> dict[str, Any]:
    """Return labels and their type as JSON data."""
    dtype = "str" if labels.dtype.kind == "U" else labels.dtype.name
    if dtype not in _TYPES:
        raise InvalidInputError(
            f"Labels of type {labels.dtype} cannot be saved. Train with strings or integers."
        )
    return {"dtype": dtype, "labels": labels.tolist()}


def labels_from_json(data: Mapping[str, Any]) -> NDArray[Any]:
    """Return the labels in JSON data; raise ValueError if there are fewer than two, or of another type."""
    check_keys("task", data, {"kind": (str,), "dtype": (str,), "labels": (list,)})
    values, convert = data["labels"], _TYPES[data["dtype"]]
    if len(values) < 2 or not all(type(value) is convert for value in values):
        raise ValueError("labels are not all of their type")
    labels = np.array(values, dtype=data["dtype"])
    if labels.tolist() != values:
        raise ValueError("labels do not fit their type")
    return labels

"""Multilabel classification: any number of labels for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.tasks._logits import log_sigmoid, sigmoid
from transferkit.tasks.classes import labels_from_json, labels_to_json


@dataclass(frozen=True, eq=False)
class Labels:
    """Classification with any number of labels per image.

    Heads learn 0 and 1 in one column per label, and return one logit per label.

    Parameters
    ----------
    labels : ndarray, shape (n_labels,)
        Names of at least two labels, in the order of the columns.
    thresholds : ndarray of float64, shape (n_labels,), optional
        Probability in (0, 1) above which each label is predicted; 0.5 by default.
    """

    labels: NDArray[Any]
    thresholds: NDArray[np.float64] | None = None

    kind: ClassVar[str] = "labels"
    regression: ClassVar[bool] = False

    @property
    def n_outputs(self) -> int:
        """Number of logits that a head gives for an image."""
        return len(self.labels)

    def encode(self, indicator: NDArray[Any]) -> NDArray[np.int64]:
        """Return 0 and 1 (n, n_labels)."""
        return np.asarray(indicator, dtype=np.int64)

    def decode(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """Return 0 and 1 (n, n_labels) for logits."""
        return self.decide(outputs)

    def decide(self, outputs: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return 1 where a label is more probable than its threshold."""
        # From probabilities, so that comparing them with the thresholds gives exactly the same result.
        found = outputs > 0 if self.thresholds is None else self.probabilities(outputs) > self.thresholds
        return found.astype(np.int64)

    def decision(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return logits in the shape of scikit-learn's ``decision_function``."""
        return outputs

    def probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each label (n, n_labels)."""
        return sigmoid(outputs)

    def log_probabilities(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithms of the probabilities, finite even if a probability rounds to 0."""
        return log_sigmoid(outputs)

    def likeliest(self, outputs: NDArray[np.float64]) -> NDArray[Any]:
        """Return the label with the largest logit in each row."""
        return self.labels[outputs.argmax(axis=1)]

    def column_of(self, label: Any) -> tuple[int, int]:
        """Return the output column of a label, and 1, the sign with which it favours the label."""
        return self.labels.tolist().index(label), 1

    def strata(self, targets: NDArray[Any]) -> None:
        """Return None: splits are not stratified, because combinations of labels are many and rare."""

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON data."""
        data = {"kind": self.kind, **labels_to_json(self.labels)}
        return data if self.thresholds is None else {**data, "thresholds": self.thresholds.tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Labels:
        """Return the task that JSON data describes; raise ValueError if labels do not fit their type."""
        labels = labels_from_json({name: value for name, value in data.items() if name != "thresholds"})
        if len(np.unique(labels)) < len(labels):
            raise ValueError("a label stands twice")
        if "thresholds" not in data:
            return cls(labels)
        thresholds = data["thresholds"]
        if not isinstance(thresholds, list) or len(thresholds) != len(labels):
            raise ValueError("labels have a threshold each")
        if not all(type(value) is float and 0 < value < 1 for value in thresholds):
            raise ValueError("thresholds are above 0 and below 1")
        return cls(labels, np.array(thresholds))

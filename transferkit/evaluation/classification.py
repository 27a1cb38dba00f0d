"""Evaluation of predicted classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferkit.evaluation._figures import about_intervals, figure_cells, figure_rows, figure_title
from transferkit.evaluation._report import Report, name_of_all, one_of
from transferkit.extraction import Failure
from transferkit.foundation.tables import Table
from transferkit.metrics import Figure, as_outcomes, classification_figures, resampled_figures

__all__ = ["ClassificationEvaluation", "Mistake"]

_MOST_CLASSES = 20  # a wider confusion matrix is no longer readable


@dataclass(frozen=True)
class Mistake:
    """One image with a wrong prediction.

    Attributes
    ----------
    index : int
        Row of the evaluation.
    name : str
        File name or ``"#position"``.
    actual, predicted : label
        True and predicted label.
    probability : float
        Probability of the predicted class; NaN if the model has none.
    """

    index: int
    name: str
    actual: Any
    predicted: Any
    probability: float

    def __str__(self) -> str:
        """Return one line for people."""
        chance = "" if math.isnan(self.probability) else f" ({100 * self.probability:.1f} %)"
        return f"{self.name}: actual {self.actual}, predicted {self.predicted}{chance}"


class ClassificationEvaluation(Report):
    """Evaluation of a classifier, returned by `transferkit.evaluate`; print it for a table.

    Attributes
    ----------
    y_true, y_pred : ndarray, shape (n,)
        True and predicted labels.
    probabilities : ndarray of float64, shape (n, k), or None
        Predicted probabilities, in the order of ``classes``.
    classes : ndarray, shape (k,)
        All labels.
    pos_label : label or None
        The positive class; None for more than two classes.
    names : list of str
        File name of each image, or ``"#position"``.
    images : list or None
        The images; None if X was features.
    groups : ndarray or None
        Group of each image, if passed.
    figures : dict of str to transferkit.metrics.Figure
        Metrics with their intervals; see `transferkit.metrics.classification_figures`.
    class_figures : dict of label to dict of str to Figure
        The same for each class against all others; empty for two classes.
    confusion_matrix : ndarray of int, shape (k, k)
        Numbers of images; rows are true classes, columns predicted ones.
    skipped : list of Failure
        Images that could not be read, and are left out of everything above.
    confidence : float
        Confidence level of the intervals.
    """

    kind: ClassVar[str] = "classes"

    def __init__(
        self,
        y_true: npt.NDArray[Any],
        y_pred: npt.NDArray[Any],
        probabilities: npt.NDArray[np.float64] | None,
        classes: npt.NDArray[Any],
        *,
        pos_label: Any = None,
        names: Sequence[str] | None = None,
        images: list[Any] | None = None,
        groups: npt.NDArray[Any] | None = None,
        skipped: Sequence[Failure] = (),
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        self._outcomes = as_outcomes(y_true, y_pred, probabilities, classes=classes, pos_label=pos_label)
        self.y_true, self.y_pred = y_true, y_pred
        self.probabilities = self._outcomes.probabilities
        self.classes = classes
        positive = self._outcomes.positive
        self.pos_label = None if positive is None else classes.tolist()[positive]
        self.names = [f"#{i}" for i in range(len(y_true))] if names is None else list(names)
        self.images = images
        self.groups = groups
        self.skipped = list(skipped)
        self.confidence = confidence
        self.seed = seed
        self.figures, self.class_figures = classification_figures(
            y_true, y_pred, self.probabilities, classes=classes, pos_label=pos_label, groups=groups,
            confidence=confidence, seed=seed,
        )  # fmt: skip
        k = len(classes)
        cells = self._outcomes.true * k + self._outcomes.predicted
        self.confusion_matrix = np.bincount(cells, minlength=k * k).reshape(k, k)

    def worst(self, n: int = 10) -> list[Mistake]:
        """Return the most confident mistakes, the worst first.

        Parameters
        ----------
        n : int, default=10
            Largest number of mistakes to return.
        """
        wrong = np.flatnonzero(self._outcomes.true != self._outcomes.predicted)
        if self.probabilities is None:
            sure = np.full(len(wrong), np.nan)
        else:
            sure = self.probabilities[wrong, self._outcomes.predicted[wrong]]
        order = np.argsort(-sure, kind="stable")[:n]
        actual, predicted = self.y_true.tolist(), self.y_pred.tolist()
        return [
            Mistake(int(row), self.names[row], actual[row], predicted[row], float(chance))
            for row, chance in zip(wrong[order], sure[order], strict=True)
        ]

    def resampled(self, figure: str) -> npt.NDArray[np.float64]:
        """Return the value of a figure for each of 1,000 resamples of the images.

        Two evaluations of the same images in the same order use the same resamples, so that the difference
        between their values is paired.

        Raises
        ------
        InvalidInputError
            There is no such figure.
        """
        return one_of(resampled_figures(self._outcomes, self.groups, seed=self.seed), figure)

    def to_dict(self) -> dict[str, Any]:
        """Return everything except images and predictions as plain data for JSON, with None for NaN."""
        labels = self.classes.tolist()
        return {
            "task": "classification",
            "n_images": len(self.y_true),
            "n_skipped": len(self.skipped),
            "classes": labels,
            "pos_label": self.pos_label,
            "confidence": self.confidence,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "class_figures": [
                {"label": label, **{name: figure.to_dict() for name, figure in figures.items()}}
                for label, figures in self.class_figures.items()
            ],
            "confusion_matrix": self.confusion_matrix.tolist(),
        }

    def _records(self) -> list[dict[str, Any]]:
        several = bool(self.class_figures)
        tables = [(name_of_all(self.class_figures), self.figures), *self.class_figures.items()]
        return [
            {**({"class": label} if several else {}), "figure": name, **vars(figure)}
            for label, figures in tables
            for name, figure in figures.items()
        ]

    def _tables(self) -> list[Table]:
        labels = [str(label) for label in self.classes.tolist()]
        counts = self.confusion_matrix.sum(axis=1)
        tables = [
            Table(("figure", "value", "interval", ""), figure_rows(self.figures), self._title(), left=(0, 3))
        ]
        if self.class_figures:
            names = list(next(iter(self.class_figures.values())))
            rows = [
                [label, str(count), *(_compact(name, row[name]) for name in names)]
                for label, count, row in zip(labels, counts, self.class_figures.values(), strict=True)
            ]
            header = ("class", "images", *(figure_title(name) for name in names))
            tables.append(Table(header, rows, "Each class against all others; in percent, but AUC"))
        if len(labels) <= _MOST_CLASSES:
            cells = [
                [label, *map(str, row)] for label, row in zip(labels, self.confusion_matrix, strict=True)
            ]
            tables.append(Table(("actual", *labels), cells, "Actual classes by predicted ones"))
        return tables

    def _title(self) -> str:
        labels = self.classes.tolist()
        lines = [f"{len(self.y_true):,} images, {len(labels)} classes"]
        if self.skipped:
            lines[0] += f"; {len(self.skipped):,} images could not be read and are left out"
        if self.pos_label is None:
            means = "Sensitivity, specificity, precision, F1 and AUC are means over the classes"
            lines.append(f"{means}, each against all others")
        else:
            which = ("first", "second")[labels.index(self.pos_label)]
            lines.append(f"Positive class: {self.pos_label!r}, the {which} (pos_label= chooses)")
        lines.append(about_intervals(self.confidence, self.groups))
        return "\n".join(lines)

    def __repr__(self) -> str:
        accuracy, interval = figure_cells("accuracy", self.figures["accuracy"])
        return f"<ClassificationEvaluation of {len(self.y_true)} images: accuracy {accuracy} ({interval})>"


def _compact(name: str, figure: Figure) -> str:
    """Return a value with its interval, without units."""
    value, interval = figure_cells(name, figure)
    return f"{value} ({interval})".replace(" %", "")

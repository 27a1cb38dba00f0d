"""Evaluation of several predicted labels per image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferkit.evaluation._figures import about_intervals, figure_cells, figure_rows, figure_title
from transferkit.evaluation._report import Report, name_of_all, one_of
from transferkit.extraction import Failure
from transferkit.foundation.tables import Table
from transferkit.metrics import EACH_LABEL_FIGURES, check_label_arrays, label_figures, resampled_label_figures

__all__ = ["LabelEvaluation", "LabelMistake"]


@dataclass(frozen=True)
class LabelMistake:
    """One image with wrong labels.

    Attributes
    ----------
    index : int
        Row of the evaluation.
    name : str
        File name or ``"#position"``.
    actual, predicted : tuple of label
    """

    index: int
    name: str
    actual: tuple[Any, ...]
    predicted: tuple[Any, ...]

    def __str__(self) -> str:
        """Return one line for people."""
        actual, predicted = (", ".join(map(str, one)) or "none" for one in (self.actual, self.predicted))
        return f"{self.name}: actual {actual}; predicted {predicted}"


class LabelEvaluation(Report):
    """Evaluation of several labels per image, returned by `transferkit.evaluate`; print it for a table.

    Attributes
    ----------
    y_true, y_pred : ndarray of int, shape (n, k)
        1 where an image has a label, else 0.
    probabilities : ndarray of float64, shape (n, k), or None
        Predicted probability of each label.
    classes : ndarray, shape (k,)
        Names of the labels.
    thresholds : ndarray of float64, shape (k,), or None
        Probability above which the model predicts each label, if known.
    names : list of str
        File name of each image, or ``"#position"``.
    images : list or None
        The images; None if X was features.
    groups : ndarray or None
        Group of each image, if passed.
    figures : dict of str to Figure
        Metrics with their intervals; see `transferkit.metrics.label_figures`.
    label_figures : dict of label to dict of str to Figure
        The same for each label.
    skipped : list of Failure
        Images that could not be read, and are left out of everything above.
    confidence : float
        Confidence level of the intervals.
    """

    kind: ClassVar[str] = "labels"

    def __init__(
        self,
        y_true: npt.NDArray[Any],
        y_pred: npt.NDArray[Any],
        probabilities: npt.NDArray[np.float64] | None,
        classes: npt.NDArray[Any],
        *,
        thresholds: npt.NDArray[np.float64] | None = None,
        names: Sequence[str] | None = None,
        images: list[Any] | None = None,
        groups: npt.NDArray[Any] | None = None,
        skipped: Sequence[Failure] = (),
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        true, predicted, self.probabilities = check_label_arrays(y_true, y_pred, probabilities)
        self.y_true, self.y_pred = true.astype(np.int64), predicted.astype(np.int64)
        self.classes = classes
        self.thresholds = thresholds
        self.names = [f"#{i}" for i in range(len(true))] if names is None else list(names)
        self.images = images
        self.groups = groups
        self.skipped = list(skipped)
        self.confidence = confidence
        self.seed = seed
        self.figures, self.label_figures = label_figures(
            true, predicted, probabilities, labels=classes, groups=groups, confidence=confidence, seed=seed
        )

    def worst(self, n: int = 10) -> list[LabelMistake]:
        """Return images with wrong labels: those with the most wrong labels first, then the most confident.

        Parameters
        ----------
        n : int, default=10
            Largest number of images to return.
        """
        wrong = (self.y_true != self.y_pred).sum(axis=1).astype(float)
        sure = np.zeros(len(wrong))
        if self.probabilities is not None:
            sure = np.abs(self.probabilities - self.y_true).max(axis=1) / 2
        order = [row for row in np.argsort(-(wrong + sure), kind="stable").tolist() if wrong[row]][:n]
        return [
            LabelMistake(row, self.names[row], self._labels(self.y_true[row]), self._labels(self.y_pred[row]))
            for row in order
        ]

    def _labels(self, row: npt.NDArray[np.int64]) -> tuple[Any, ...]:
        return tuple(self.classes[row.astype(bool)].tolist())

    def resampled(self, figure: str) -> npt.NDArray[np.float64]:
        """Return the value of a figure for each of 1,000 resamples of the images.

        Two evaluations of the same images in the same order use the same resamples, so that the difference
        between their values is paired.

        Raises
        ------
        InvalidInputError
            There is no such figure.
        """
        samples = resampled_label_figures(
            self.y_true, self.y_pred, self.probabilities, self.groups, seed=self.seed
        )
        return one_of(samples, figure)

    def to_dict(self) -> dict[str, Any]:
        """Return everything except images and predictions as plain data for JSON, with None for NaN."""
        return {
            "task": "labels",
            "n_images": len(self.y_true),
            "n_skipped": len(self.skipped),
            "labels": self.classes.tolist(),
            "thresholds": None if self.thresholds is None else self.thresholds.tolist(),
            "confidence": self.confidence,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "label_figures": [
                {"label": label, **{name: figure.to_dict() for name, figure in figures.items()}}
                for label, figures in self.label_figures.items()
            ],
        }

    def _records(self) -> list[dict[str, Any]]:
        return [
            {"label": label, "figure": name, **vars(figure)}
            for label, figures in [
                (name_of_all(self.label_figures), self.figures),
                *self.label_figures.items(),
            ]
            for name, figure in figures.items()
        ]

    def _tables(self) -> list[Table]:
        counts = self.y_true.sum(axis=0).tolist()
        rows = [
            [str(label), str(count), *("{} ({})".format(*figure_cells(name, row[name])) for name in row)]
            for (label, row), count in zip(self.label_figures.items(), counts, strict=True)
        ]
        columns = ["label", "images", *map(figure_title, EACH_LABEL_FIGURES)]
        if self.thresholds is not None:
            columns.insert(2, "threshold")
            for row, threshold in zip(rows, self.thresholds.tolist(), strict=True):
                row.insert(2, f"{threshold:.3g}")
        return [
            Table(("figure", "value", "interval", ""), figure_rows(self.figures), self._title(), left=(0, 3)),
            Table(tuple(columns), rows, "Each label by itself"),
        ]

    def _title(self) -> str:
        lines = [f"{len(self.y_true):,} images, {len(self.classes)} labels, of which each may have several"]
        if self.skipped:
            lines[0] += f"; {len(self.skipped):,} images could not be read and are left out"
        lines.append("Micro: all decisions together; macro: means over the labels")
        lines.append(about_intervals(self.confidence, self.groups, proportions=False))
        return "\n".join(lines)

    def __repr__(self) -> str:
        f1, interval = figure_cells("micro_f1", self.figures["micro_f1"])
        return f"<LabelEvaluation of {len(self.y_true)} images: micro F1 {f1} ({interval})>"

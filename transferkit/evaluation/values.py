"""Evaluation of predicted numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.evaluation._figures import about_intervals, figure_cells, figure_rows, figure_title
from transferkit.evaluation._report import Report, name_of_all, one_of
from transferkit.extraction import Failure
from transferkit.foundation.tables import Table
from transferkit.metrics import VALUE_FIGURES, as_value_pair, resampled_value_figures, value_figures
from transferkit.tasks import deviations

__all__ = ["ValueEvaluation", "ValueMistake"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ValueMistake:
    """One image with its error.

    Attributes
    ----------
    index : int
        Row of the evaluation.
    name : str
        File name or ``"#position"``.
    actual, predicted : tuple of float
        True and predicted numbers, one for each output; NaN marks a missing one.
    error : float
        As in ``errors`` of `ValueEvaluation`.
    """

    index: int
    name: str
    actual: tuple[float, ...]
    predicted: tuple[float, ...]
    error: float

    def __str__(self) -> str:
        """Return one line for people."""
        actual, predicted = (", ".join(f"{x:.4g}" for x in one) for one in (self.actual, self.predicted))
        return f"{self.name}: actual {actual}, predicted {predicted}"


class ValueEvaluation(Report):
    """Evaluation of a regression, returned by `transferkit.evaluate`; print it for a table.

    Attributes
    ----------
    true, predicted : ndarray of float64, shape (n, k)
        True and predicted numbers; NaN in ``true`` is a missing number.
    errors : ndarray, shape (n,)
        Absolute error of each image. With several outputs, the mean over those present of the absolute error
        divided by the standard deviation of the true numbers. NaN if none is present.
    names : list of str
        File name of each image, or ``"#position"``.
    images : list or None
        The images; None if X was features.
    groups : ndarray or None
        Group of each image, if passed.
    figures : dict of str to Figure
        Metrics with their intervals; see `transferkit.metrics.value_figures`.
    output_figures : list of dict of str to Figure
        The same for each output; empty for a single output.
    output_names : tuple of str, or None
        Names of the outputs.
    skipped : list of Failure
        Images that could not be read, and are left out of everything above.
    confidence : float
        Confidence level of the intervals.
    """

    kind: ClassVar[str] = "values"

    def __init__(
        self,
        true: npt.ArrayLike,
        predicted: npt.ArrayLike,
        *,
        output_names: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
        images: list[Any] | None = None,
        groups: npt.NDArray[Any] | None = None,
        skipped: Sequence[Failure] = (),
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.true, self.predicted = as_value_pair(true, predicted)
        n_outputs = self.true.shape[1]
        self.output_names = None if output_names is None else tuple(output_names)
        if self.output_names is not None and len(self.output_names) != n_outputs:
            raise InvalidInputError(
                f"output_names must have {n_outputs} names, one for each output. "
                f"Got {len(self.output_names)}."
            )
        self.names = [f"#{i}" for i in range(len(self.true))] if names is None else list(names)
        self.images = images
        self.groups = groups
        self.skipped = list(skipped)
        self.confidence = confidence
        self.seed = seed
        self.errors = _errors(self.true, self.predicted)
        self.figures, self.output_figures = value_figures(
            self.true, self.predicted, groups=groups, confidence=confidence, seed=seed
        )

    def worst(self, n: int = 10) -> list[ValueMistake]:
        """Return the images with the largest errors, the largest first.

        Parameters
        ----------
        n : int, default=10
            Largest number of images to return.
        """
        order = np.argsort(-self.errors, kind="stable")
        return [
            ValueMistake(
                row,
                self.names[row],
                tuple(self.true[row].tolist()),
                tuple(self.predicted[row].tolist()),
                float(self.errors[row]),
            )
            for row in order.tolist()
            if not np.isnan(self.errors[row])
        ][:n]

    def resampled(self, figure: str) -> Floats:
        """Return the value of a figure for each of 1,000 resamples of the images.

        Two evaluations of the same images in the same order use the same resamples, so that the difference
        between their values is paired.

        Raises
        ------
        InvalidInputError
            There is no such figure.
        """
        return one_of(resampled_value_figures(self.true, self.predicted, self.groups, seed=self.seed), figure)

    def to_dict(self) -> dict[str, Any]:
        """Return everything except images and predictions as plain data for JSON, with None for NaN."""
        return {
            "task": "regression",
            "n_images": len(self.true),
            "n_skipped": len(self.skipped),
            "n_outputs": int(self.true.shape[1]),
            "output_names": None if self.output_names is None else list(self.output_names),
            "confidence": self.confidence,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "output_figures": [
                {name: figure.to_dict() for name, figure in figures.items()}
                for figures in self.output_figures
            ],
        }

    def _records(self) -> list[dict[str, Any]]:
        several = bool(self.output_figures)
        names = self._output_names()
        tables = [(name_of_all(names), self.figures), *zip(names, self.output_figures, strict=False)]
        return [
            {**({"output": output} if several else {}), "figure": name, **vars(figure)}
            for output, figures in tables
            for name, figure in figures.items()
        ]

    def _tables(self) -> list[Table]:
        header = ("figure", "value", "interval", "")
        tables = [Table(header, figure_rows(self.figures), self._title(), left=(0, 3))]
        if self.output_figures:
            rows = [
                [
                    str(output),
                    *("{} ({})".format(*figure_cells(name, figures[name])) for name in VALUE_FIGURES),
                ]
                for output, figures in zip(self._output_names(), self.output_figures, strict=True)
            ]
            tables.append(Table(("output", *map(figure_title, VALUE_FIGURES)), rows, "Each output"))
        return tables

    def _output_names(self) -> Sequence[Any]:
        """Return the names of the outputs, or else their positions."""
        return range(self.true.shape[1]) if self.output_names is None else self.output_names

    def _title(self) -> str:
        n_outputs = self.true.shape[1]
        lines = [f"{len(self.true):,} images"]
        if missing := int(np.isnan(self.true).sum()):
            lines[0] += f"; {missing:,} numbers are missing in y and are left out"
        if self.skipped:
            lines[0] += f"; {len(self.skipped):,} images could not be read and are left out"
        if n_outputs > 1:
            lines.append(f"Means over {n_outputs} outputs")
        lines.append(about_intervals(self.confidence, self.groups, proportions=False))
        return "\n".join(lines)

    def __repr__(self) -> str:
        error, interval = figure_cells("mae", self.figures["mae"])
        return f"<ValueEvaluation of {len(self.true)} images: mean absolute error {error} ({interval})>"


def _errors(true: Floats, predicted: Floats) -> Floats:
    """Return the error of each image (n,), as in ``errors`` of `ValueEvaluation`."""
    gaps = np.abs(predicted - true)
    if true.shape[1] == 1:
        return gaps[:, 0]
    present = np.isfinite(gaps)
    gaps = np.where(present, gaps / deviations(true), 0.0).sum(axis=1)
    n = present.sum(axis=1)
    return np.divide(gaps, n, out=np.full(len(gaps), np.nan), where=n > 0)

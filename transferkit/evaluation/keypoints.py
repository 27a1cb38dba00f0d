"""Evaluation of predicted keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.evaluation._figures import about_intervals, figure_cells, figure_rows
from transferkit.evaluation._report import Report, one_of
from transferkit.extraction import Failure
from transferkit.foundation.arguments import is_number
from transferkit.foundation.tables import Table
from transferkit.keypoints import N_FACE_POINTS
from transferkit.metrics import (
    group_errors,
    keypoint_figures,
    mean_error_figures,
    normalized_mean_error,
    resampled_keypoint_figures,
)

__all__ = ["KeypointEvaluation", "KeypointMistake"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KeypointMistake:
    """One image with its error.

    Attributes
    ----------
    index : int
        Row of the evaluation.
    name : str
        File name or ``"#position"``.
    error : float
        Mean distance between its predicted and true points, as a fraction of the normalizer.
    """

    index: int
    name: str
    error: float

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.name}: {100 * self.error:.1f} %"


def default_normalizer(n_points: int) -> str:
    """Return the default normalizer of errors: a distance in the face, or the size of the shape."""
    return "outer_eye_corners" if n_points == N_FACE_POINTS else "box_size"


class KeypointEvaluation(Report):
    """Evaluation of predicted keypoints, returned by `transferkit.evaluate`; print it for a table.

    Attributes
    ----------
    true, predicted : ndarray of float64, shape (n, p, 2)
        Points in pixels of each original image; NaN in ``true`` is a missing point.
    expected_error : ndarray of float64, shape (n, p), or None
        Expected distance between each predicted point and the true one, in pixels.
    distances : ndarray of float64, shape (n, p)
        Actual distance, in pixels.
    errors : ndarray, shape (n,)
        Mean distance of the points of each image, as a fraction of the normalizer; NaN if it has none.
    normalizer : str or float
        See `transferkit.metrics.normalized_mean_error`.
    unit : str
        What errors are a percentage of, in words.
    limit : float
        Upper end of the area under the error curve, and largest error that is not a failure, as a fraction of
        the normalizer.
    names : list of str
        File name of each image, or ``"#position"``.
    images : list or None
        The images; None if X was features.
    groups : ndarray or None
        Group of each image, if passed.
    figures : dict of str to Figure
        Metrics with their intervals; see `transferkit.metrics.keypoint_figures`.
    region_figures : dict of str to Figure
        Mean error of each part of the face; empty unless there are 68 points.
    skipped : list of Failure
        Images that could not be read, and are left out of everything above.
    confidence : float
        Confidence level of the intervals.
    """

    kind: ClassVar[str] = "points"

    def __init__(
        self,
        true: Floats,
        predicted: Floats,
        *,
        expected_error: Floats | None = None,
        normalizer: str | float | None = None,
        limit: float = 0.08,
        names: Sequence[str] | None = None,
        images: list[Any] | None = None,
        groups: npt.NDArray[Any] | None = None,
        skipped: Sequence[Failure] = (),
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.normalizer = default_normalizer(true.shape[1]) if normalizer is None else normalizer
        self.errors = normalized_mean_error(true, predicted, normalizer=self.normalizer, per_image=True)
        self.true, self.predicted = true, predicted
        self.distances = np.linalg.norm(predicted - true, axis=2)
        self.expected_error = expected_error
        if expected_error is not None and np.shape(expected_error) != self.distances.shape:
            raise InvalidInputError(
                f"expected_error must have shape {self.distances.shape}, a number for each point. "
                f"Got {np.shape(expected_error)}."
            )
        self.unit = self.normalizer if isinstance(self.normalizer, str) else f"{self.normalizer:g} pixels"
        self.limit = limit
        self.names = [f"#{i}" for i in range(len(true))] if names is None else list(names)
        self.images = images
        self.groups = groups
        self.skipped = list(skipped)
        self.confidence = confidence
        self.seed = seed
        settings: dict[str, Any] = {"groups": groups, "confidence": confidence, "seed": seed}
        self.figures = keypoint_figures(self.errors, limit=limit, **settings)
        is_face = true.shape[1] == N_FACE_POINTS
        regions = group_errors(true, predicted, normalizer=self.normalizer, per_image=True) if is_face else {}
        self.region_figures = mean_error_figures(regions, **settings)

    def worst(self, n: int = 10) -> list[KeypointMistake]:
        """Return the images with the largest errors, the largest first.

        Parameters
        ----------
        n : int, default=10
            Largest number of images to return.
        """
        order = np.argsort(-self.errors, kind="stable")
        rows = [int(row) for row in order if not np.isnan(self.errors[row])][:n]
        return [KeypointMistake(row, self.names[row], float(self.errors[row])) for row in rows]

    def within(self, coverage: float = 0.9) -> float:
        """Return the multiple of its expected error within which a given share of the points lies.

        Parameters
        ----------
        coverage : float, default=0.9
            Share of the points, above 0 and below 1.

        Returns
        -------
        float
            If errors follow the distribution of :func:`transferkit.keypoints.likelihood_within`: 0.8, 1.9 and
            2.4 for shares of 0.5, 0.9 and 0.95. A larger value means that errors on these images are larger
            than expected, or are much larger more often.

        Raises
        ------
        InvalidInputError
            There are no expected errors or no known points, or ``coverage`` is not in (0, 1).
        """
        if not is_number(coverage, above=0) or coverage >= 1:
            raise InvalidInputError(f"coverage must be above 0 and below 1, such as 0.9. Got {coverage!r}.")
        if self.expected_error is None or not np.isfinite(self.distances).any():
            raise InvalidInputError(
                "within needs expected errors of known points. Pass evaluate(kp, X, y, return_error=True)."
            )
        present = np.isfinite(self.distances)
        ratios = self.distances[present] / np.maximum(self.expected_error[present], 1e-9)
        return float(np.quantile(ratios, coverage))

    def resampled(self, figure: str) -> Floats:
        """Return the value of a figure for each of 1,000 resamples of the images.

        Two evaluations of the same images in the same order use the same resamples, so that the difference
        between their values is paired.

        Raises
        ------
        InvalidInputError
            There is no such figure.
        """
        samples = resampled_keypoint_figures(self.errors, self.groups, limit=self.limit, seed=self.seed)
        return one_of(samples, figure)

    def to_dict(self) -> dict[str, Any]:
        """Return everything except images and points as plain data for JSON, with None for NaN."""
        return {
            "task": "keypoints",
            "n_images": len(self.errors),
            "n_without_error": int(np.isnan(self.errors).sum()),
            "n_skipped": len(self.skipped),
            "n_points": int(self.true.shape[1]),
            "normalizer": self.normalizer,
            "limit": self.limit,
            "confidence": self.confidence,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
            "region_figures": {name: figure.to_dict() for name, figure in self.region_figures.items()},
        }

    def _records(self) -> list[dict[str, Any]]:
        figures = {**self.figures, **self.region_figures}
        return [{"figure": name, **vars(figure)} for name, figure in figures.items()]

    def _tables(self) -> list[Table]:
        header = ("figure", "value", "interval", "")
        tables = [Table(header, figure_rows(self.figures), self._title(), self._notes(), (0, 3))]
        if self.region_figures:
            rows = figure_rows(self.region_figures)
            tables.append(Table(("region", *header[1:]), rows, "Mean error of each region", left=(0, 3)))
        return tables

    def _title(self) -> str:
        n, lost = len(self.errors), int(np.isnan(self.errors).sum())
        first = f"{n:,} images of {self.true.shape[1]} points"
        if lost:
            first += f"; {lost:,} of them lack the points that the normalizer needs and have no error"
        if self.skipped:
            first += f"; {len(self.skipped):,} images could not be read and are left out"
        return "\n".join(
            [
                first,
                f"Errors are in percent of {self.unit} (normalizer= chooses)",
                about_intervals(self.confidence, self.groups),
            ]
        )

    def _notes(self) -> list[str]:
        limit = f"{100 * self.limit:.4g} %"
        notes = [
            f"AUC: area under the cumulative error distribution up to {limit}, 1 is perfect; "
            f"failure: an error above {limit}."
        ]
        if self.expected_error is not None and np.isfinite(self.distances).any():
            present = np.isfinite(self.distances)
            expected, real = self.expected_error[present].mean(), self.distances[present].mean()
            notes.append(f"Mean error of a point: expected {expected:.4g} pixels, real {real:.4g} pixels.")
            notes.append(f"90 % of the points lie within {self.within(0.9):.2g} times their expected error.")
        return notes

    def __repr__(self) -> str:
        error, interval = figure_cells("nme", self.figures["nme"])
        return (
            f"<KeypointEvaluation of {len(self.errors)} images: "
            f"mean error {error} ({interval}) of {self.unit}>"
        )

"""The result of a comparison, as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.evaluation import (
    LOWER_IS_BETTER,
    ClassificationEvaluation,
    Evaluation,
    KeypointEvaluation,
    Report,
    figure_cells,
    figure_title,
)
from transferkit.extraction import Failure
from transferkit.foundation.tables import Table
from transferkit.metrics import Figure

__all__ = ["BEST", "NOISE", "UNKNOWN", "WORSE", "Comparison", "ComparisonRow", "FailedCandidate"]

BEST, WORSE, NOISE, UNKNOWN = "best", "worse", "no surer than noise", "cannot be told"


@dataclass(frozen=True)
class ComparisonRow:
    """One candidate.

    Attributes
    ----------
    name : str
    score : Figure
        Cross-validated score: each image was predicted by a model trained without it.
    difference : Figure
        Score minus that of the best candidate, on the same resamples of the same images.
    verdict : str
        ``"best"``; ``"worse"`` if the interval of the difference excludes 0; else ``"no surer than noise"``.
    ms_per_image : float
        Time of the backbone for all views of an image, in milliseconds; NaN if there is no backbone, or it
        was not timed.
    seconds : float
        Time for features, folds and timing; features that were cached before are not included. The first
        candidate includes loading TensorFlow.
    n_cached : int
        Images whose features were cached before, not counting exact copies of others.
    bytes_per_image : int or None
        Size of the features in the cache, without those of a closer look at keypoints.
    parameters : int or None
        Number of parameters of the backbone.
    engine : str or None
        Library that ran the backbone.
    evaluation : ClassificationEvaluation, KeypointEvaluation or ValueEvaluation
        All metrics, and the worst mistakes.
    """

    name: str
    score: Figure
    difference: Figure
    verdict: str
    ms_per_image: float
    seconds: float
    n_cached: int
    bytes_per_image: int | None
    parameters: int | None
    engine: str | None
    evaluation: Evaluation

    def record(self) -> dict[str, Any]:
        """Return a flat row that includes all figures."""
        return {
            "name": self.name,
            "score": self.score.value,
            "low": self.score.low,
            "high": self.score.high,
            "difference": self.difference.value,
            "difference_low": self.difference.low,
            "difference_high": self.difference.high,
            "verdict": self.verdict,
            "ms_per_image": self.ms_per_image,
            "seconds": self.seconds,
            "n_cached": self.n_cached,
            "bytes_per_image": self.bytes_per_image,
            "parameters": self.parameters,
            "engine": self.engine,
            **{name: figure.value for name, figure in self.evaluation.figures.items()},
        }


@dataclass(frozen=True)
class FailedCandidate:
    """A candidate that could not be compared, and why."""

    name: str
    reason: str


class Comparison(Report):
    """Comparison of candidates, returned by `transferkit.compare`; print it for a table.

    Attributes
    ----------
    rows : list of ComparisonRow
        Candidates, the best first.
    failed : list of FailedCandidate
        Candidates that could not be compared, and why.
    metric : str
        Metric that the rows are sorted by.
    greater_is_better : bool
        Whether a larger metric is better.
    n_images, n_folds : int
        Numbers of images and of folds.
    n_groups : int or None
        Number of groups, if passed.
    n_copies : int
        Images that are exact copies of an image in another group.
    skipped : list of Failure
        Images that could not be read, and are left out for all candidates.
    confidence : float
        Confidence level of the intervals.
    """

    def __init__(
        self,
        rows: Sequence[ComparisonRow],
        failed: Sequence[FailedCandidate],
        metric: str,
        *,
        n_images: int,
        n_folds: int,
        n_groups: int | None,
        n_copies: int,
        skipped: Sequence[Failure],
        confidence: float,
    ) -> None:
        self.rows = list(rows)
        self.failed = list(failed)
        self.metric = metric
        self.greater_is_better = metric not in LOWER_IS_BETTER
        self.n_images = n_images
        self.n_folds = n_folds
        self.n_groups = n_groups
        self.n_copies = n_copies
        self.skipped = list(skipped)
        self.confidence = confidence

    @property
    def best(self) -> str:
        """Name of the best candidate."""
        return self.rows[0].name

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data for JSON, with None for NaN."""
        records = [row.record() for row in self.rows]
        return {
            "metric": self.metric,
            "greater_is_better": self.greater_is_better,
            "n_images": self.n_images,
            "n_skipped": len(self.skipped),
            "n_folds": self.n_folds,
            "n_groups": self.n_groups,
            "n_copies": self.n_copies,
            "confidence": self.confidence,
            "rows": [
                {
                    name: None if isinstance(value, float) and math.isnan(value) else value
                    for name, value in record.items()
                }
                for record in records
            ],
            "failed": [vars(candidate) for candidate in self.failed],
        }

    def _records(self) -> list[dict[str, Any]]:
        return [row.record() for row in self.rows]

    def _tables(self) -> list[Table]:
        header = ("", figure_title(self.metric), "interval", "difference", "interval", "",
                  "ms/image", "seconds", "KB/image", "parameters")  # fmt: skip
        rows = [self._cells(row) for row in self.rows]
        return [Table(header, rows, self._title(), self._notes(), left=(0, 5))]

    def _cells(self, row: ComparisonRow) -> list[str]:
        gap = ("", "") if row.verdict == BEST else figure_cells(self.metric, row.difference, signed=True)
        return [
            row.name,
            *figure_cells(self.metric, row.score),
            *gap,
            row.verdict,
            "–" if math.isnan(row.ms_per_image) else f"{row.ms_per_image:,.1f}",
            f"{row.seconds:,.1f}",
            "–" if row.bytes_per_image is None else f"{row.bytes_per_image / 1000:,.1f}",
            "–" if row.parameters is None else f"{row.parameters:,}",
        ]

    def _title(self) -> str:
        first = self.rows[0].evaluation
        of = f" in percent of {first.unit}" if isinstance(first, KeypointEvaluation) else ""
        if isinstance(first, ClassificationEvaluation) and first.pos_label is not None:
            of = f" (positive class: {first.pos_label!r})"
        drawn = "images" if self.n_groups is None else f"{self.n_groups:,} groups"
        return (
            f"{figure_title(self.metric)}{of} on {self.n_images:,} images, "
            f"each predicted without it in {self.n_folds} folds, the same for all\n"
            f"Differences are paired with the best; {100 * self.confidence:.4g} % intervals by "
            f"drawing {drawn} again"
        )

    def _notes(self) -> list[str]:
        notes = [f"{candidate.name} failed: {candidate.reason}" for candidate in self.failed]
        if self.skipped:
            notes.append(f"{len(self.skipped):,} images could not be read and are left out (.skipped)")
        if self.n_copies:
            notes.append(
                f"{self.n_copies:,} images are exact copies of others, which flatters all where they lie on "
                "both sides of a fold: drop them, or give them one group"
            )
        warm = [f"{row.name} ({row.n_cached:,})" for row in self.rows if row.n_cached]
        if warm:
            notes.append(f"Seconds are without images that were in the cache already: {', '.join(warm)}")
        return notes

    def __repr__(self) -> str:
        value, interval = figure_cells(self.metric, self.rows[0].score)
        title = figure_title(self.metric)
        return f"<Comparison of {len(self.rows)}: best {self.best!r}, {title} {value} ({interval})>"

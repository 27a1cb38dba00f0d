"""The report of ``drift``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.evaluation import Report
from transferkit.extraction import Failure
from transferkit.foundation.arguments import check, is_count
from transferkit.foundation.tables import Table


@dataclass(frozen=True)
class DriftCheck:
    """One check for drift.

    Attributes
    ----------
    name : {"novelty", "strangers", "probability", "classes"}
        What is compared: the distribution of novelty; the number of very strange images; the probability of
        a label (``label``); or the share of each label, measured by its mean probability.
    label : label or None
        The label, for "probability".
    effect : float
        Size of the difference, from 0 to 1. "novelty": Kolmogorov's distance; "strangers": their share beyond
        the usual one; "probability": the mean distance between quantiles (Wasserstein's); "classes": the
        largest difference of a share.
    p_value : float
        Probability of at least this effect if nothing has changed and images are independent.
    drifted : bool
        Whether the p-value is below the level of this check (``alpha`` divided among the checks), and the
        effect is large enough to matter.
    what : str
        Description of the result.
    """

    name: str
    label: Any
    effect: float
    p_value: float
    drifted: bool
    what: str


@dataclass(frozen=True, repr=False)
class DriftReport(Report):
    """Whether new images resemble the training images, returned by `transferkit.drift`; print it for a table.

    Attributes
    ----------
    drifted : bool
        Whether any check has found drift.
    checks : list of DriftCheck
    n_images : int
        Images that could be read and that the model has not learned from.
    alpha : float
        Probability of a false alarm if nothing has changed.
    novelty : ndarray of float64, shape (n_images,)
        Novelty of each image; uniform over 0..1 if nothing has changed.
    rows : ndarray of int64, shape (n_images,)
        Positions of these images in X.
    images : list
        X, as a list.
    classes : ndarray or None
        Labels of the model, if it has any.
    shares, shares_before : dict from label to float
        Mean probability of each label for the new images, and for held-out training images; empty without
        labels.
    skipped : list of Failure
        Images that could not be read.
    """

    drifted: bool
    checks: list[DriftCheck]
    n_images: int
    alpha: float
    novelty: NDArray[np.float64] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    images: list[Any] = field(repr=False)
    classes: NDArray[Any] | None
    shares: dict[Any, float]
    shares_before: dict[Any, float]
    skipped: list[Failure] = field(repr=False)

    def strangest(self, n: int = 12) -> list[Any]:
        """Return the n images with the largest novelty, the strangest first."""
        check([] if is_count(n) else [f"n must be a positive integer. Got {n!r}."])
        order = np.argsort(-self.novelty, kind="stable")[:n]
        return [self.images[self.rows[row]] for row in order]

    def __repr__(self) -> str:
        """Return the verdict."""
        return f"<DriftReport: {'drifted' if self.drifted else 'no drift'}, {self.n_images:,} images>"

    def _tables(self) -> Sequence[Table]:
        rows = [
            (
                check.name if check.label is None else f"{check.name} of {check.label!r}",
                "drifted" if check.drifted else "as before",
                f"{check.effect:.3f}",
                f"{check.p_value:.2g}",
                check.what,
            )
            for check in self.checks
        ]
        verdict = "These images are not like those to train on" if self.drifted else "No drift was found"
        notes = [f"One false alarm in {1 / self.alpha:,.0f} looks, if images are independent."]
        if self.skipped:
            notes.append(f"{len(self.skipped):,} images could not be read.")
        if learned := len(self.images) - self.n_images - len(self.skipped):
            notes.append(f"{learned:,} images are left out, since the model has learned from them.")
        table = Table(
            ("", "", "effect", "p", ""), rows, f"{verdict}: {self.n_images:,} images", notes, left=(0, 1, 4)
        )
        return [table]

    def _records(self) -> list[dict[str, Any]]:
        return [asdict(check) for check in self.checks]

    def to_dict(self) -> dict[str, Any]:
        """Return verdict, checks and shares as JSON data."""
        return {
            "drifted": self.drifted,
            "n_images": self.n_images,
            "n_skipped": len(self.skipped),
            "alpha": self.alpha,
            "checks": [{**record, "label": _plain(record["label"])} for record in self._records()],
            "shares": {str(label): share for label, share in self.shares.items()},
            "shares_before": {str(label): share for label, share in self.shares_before.items()},
        }


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label

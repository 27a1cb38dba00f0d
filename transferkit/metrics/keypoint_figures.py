"""Keypoint metrics with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.metrics.error_distribution import area_under_ced, failure_rate, present_errors
from transferkit.metrics.figure import Figure, check_confidence, percentile_figure
from transferkit.metrics.proportions import wilson_interval
from transferkit.metrics.resampling import Resampling, medians, ratio

__all__ = ["KEYPOINT_FIGURES", "keypoint_figures", "mean_error_figures", "resampled_keypoint_figures"]

Floats = npt.NDArray[np.float64]
KEYPOINT_FIGURES = ("nme", "median", "auc", "failure_rate")


def keypoint_figures(
    errors: npt.ArrayLike,
    *,
    limit: float = 0.08,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """Return mean, median, area under the CED and failure rate, each with a confidence interval.

    Parameters
    ----------
    errors : array-like, shape (n,)
        One error per image, as a fraction, as from ``normalized_mean_error(..., per_image=True)``; NaN is
        ignored.
    limit : float, default=0.08
        As for `area_under_ced` and `failure_rate`.
    groups : array-like, shape (n,), optional
        Group of each image. Images of one group, such as the frames of one person, are resampled together.
    confidence : float, default=0.95
        Confidence level of the intervals.
    n_resamples : int, default=1000
        Number of bootstrap resamples.
    seed : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    dict of str to Figure
        ``nme`` (the mean), ``median``, ``auc`` (area under the cumulative error distribution) and
        ``failure_rate``, in fractions. Intervals are bootstrap percentiles; for the failure rate of
        independent images, Wilson's.

    Raises
    ------
    InvalidInputError
        All errors are NaN, one is negative or infinite, or a parameter is invalid.

    Examples
    --------
    >>> figures = keypoint_figures([0.02, 0.03, 0.05, 0.1])
    >>> print(figures["nme"])
    0.050 (0.025 to 0.083)
    """
    confidence = check_confidence(confidence)
    values = np.asarray(errors, dtype=np.float64)
    if np.isinf(values).any():
        raise InvalidInputError(
            "errors must be finite, or NaN for an image without an error. "
            f"Image {int(np.argmax(np.isinf(values)))} has an infinite one. "
            "Only area_under_ced() and failure_rate() accept images without a prediction."
        )
    measured = {
        "nme": float(present_errors(values).mean()),
        "median": float(np.median(present_errors(values))),
        "auc": area_under_ced(values, limit=limit),
        "failure_rate": failure_rate(values, limit=limit),
    }
    samples = resampled_keypoint_figures(
        values, groups, limit=limit, n_resamples=n_resamples, seed=seed, in_order=False
    )
    figures = {
        name: percentile_figure(value, samples[name], confidence=confidence)
        for name, value in measured.items()
    }
    if groups is None:
        present = present_errors(values)
        value = measured["failure_rate"]
        low, high = wilson_interval(int((present > limit).sum()), len(present), confidence=confidence)
        figures["failure_rate"] = Figure(value, min(low, value), max(high, value))
    return figures


def resampled_keypoint_figures(
    errors: Floats,
    groups: npt.ArrayLike | None = None,
    *,
    limit: float = 0.08,
    n_resamples: int = 1000,
    seed: int = 0,
    in_order: bool = True,
) -> dict[str, Floats]:
    """Return the figures for each resample, shape (n_resamples,).

    Resamples depend on the order of the images, so that two models evaluated on the same images get the same;
    with ``in_order=False`` images are sorted first, so that their order does not matter.
    """
    order = np.arange(len(errors)) if in_order else np.argsort(errors, kind="stable")
    errors = errors[order]
    present = ~np.isnan(errors)
    filled = np.where(present, errors, 0.0)
    earned = np.where(present, np.clip(1 - filled / limit, 0.0, None), 0.0)
    failed = present & (filled > limit)
    by_size = np.argsort(errors, kind="stable")[: int(present.sum())]

    def statistic(weights: Floats) -> Floats:
        total = weights @ present.astype(float)
        sums = [weights @ column for column in (filled, earned, failed.astype(float))]
        mean, area, failures = (ratio(part, total) for part in sums)
        return np.stack([mean, medians(weights[:, by_size], errors[by_size]), area, failures], axis=1)

    ordered = groups
    if groups is not None and np.shape(groups) == errors.shape:
        ordered = np.asarray(groups)[order]
    resampling = Resampling(len(errors), groups=ordered, n_resamples=n_resamples, seed=seed)
    return dict(zip(KEYPOINT_FIGURES, resampling.apply(statistic).T, strict=True))


def mean_error_figures(
    errors: Mapping[str, Floats],
    *,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """Return the means of several arrays of errors (n,) of the same images, ignoring NaN."""
    if not errors:
        return {}
    columns = np.stack(list(errors.values()), axis=1)
    present = ~np.isnan(columns)
    filled = np.where(present, columns, 0.0)

    def statistic(weights: Floats) -> Floats:
        return ratio(weights @ filled, weights @ present.astype(float))

    values = statistic(np.ones((1, len(columns))))[0]
    samples = Resampling(len(columns), groups=groups, n_resamples=n_resamples, seed=seed).apply(statistic)
    return {
        name: percentile_figure(
            values[i],
            samples[:, i],
            confidence=confidence,
            note="" if present[:, i].any() else "no image shows it",
        )
        for i, name in enumerate(errors)
    }

"""Regression metrics with confidence intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import check
from transferkit.metrics.figure import Figure, check_confidence, percentile_figure
from transferkit.metrics.resampling import Resampling, mean_of_defined, medians, ratio
from transferkit.tasks import as_values

__all__ = ["VALUE_FIGURES", "ValueFigures", "as_value_pair", "resampled_value_figures", "value_figures"]

Floats = npt.NDArray[np.float64]
VALUE_FIGURES = ("r2", "mae", "rmse", "median_error")


class ValueFigures(NamedTuple):
    """Means over the outputs, and figures of each output.

    Attributes
    ----------
    whole : dict of str to Figure
        Means over the outputs, by name.
    by_output : list of dict of str to Figure
        Figures of each output; empty for a single output.
    """

    whole: dict[str, Figure]
    by_output: list[dict[str, Figure]]


def value_figures(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> ValueFigures:
    """Return R^2 and the mean, root mean square and median of absolute errors, with confidence intervals.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n,) or (n, k)
        True and predicted numbers. NaN in `y_true` is a missing number, and is ignored.
    groups : array-like, shape (n,), optional
        Group of each image. Images of one group, such as one person, are resampled together, as they are not
        independent.
    confidence : float, default=0.95
        Confidence level of the intervals.
    n_resamples : int, default=1000
        Number of bootstrap resamples.
    seed : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    ValueFigures
        ``r2``, and ``mae``, ``rmse`` and ``median_error`` (of absolute errors) in the unit of `y_true`. With
        several outputs, overall figures are means over the outputs, as in scikit-learn. R^2 of an output
        that does not vary, and all figures of an output without numbers, are undefined and left out of the
        mean.

    Raises
    ------
    InvalidInputError
        Shapes differ, a prediction is not finite, no number is present, or a parameter is invalid.

    Notes
    -----
    Intervals are percentiles of a bootstrap. The order of the images does not matter.

    Examples
    --------
    >>> figures = value_figures([20, 30, 40, 50], [22, 30, 41, 49])
    >>> print(figures.whole["mae"])
    1.000 (0.250 to 1.500)
    """
    confidence = check_confidence(confidence)
    true, predicted = as_value_pair(y_true, y_pred)
    order = np.lexsort([*predicted.T, *true.T])
    true, predicted = true[order], predicted[order]
    ordered = groups
    if groups is not None and np.shape(groups) == order.shape:
        ordered = np.asarray(groups)[order]
    resampling = Resampling(len(true), groups=ordered, n_resamples=n_resamples, seed=seed)
    statistic = _Statistic(true, predicted)
    values = statistic(np.ones((1, len(true))))[0]  # (figures, 1 + k)
    samples = resampling.apply(statistic)
    by_place = [
        {
            name: percentile_figure(
                values[i, place],
                samples[:, i, place],
                confidence=confidence,
                note=_note(name, values[i], place),
            )
            for i, name in enumerate(VALUE_FIGURES)
        }
        for place in range(values.shape[1])
    ]
    return ValueFigures(by_place[0], by_place[1:] if true.shape[1] > 1 else [])


def resampled_value_figures(
    true: Floats, predicted: Floats, groups: npt.ArrayLike | None = None, *, seed: int = 0
) -> dict[str, Floats]:
    """Return the overall figures of each of 1,000 resamples.

    Resamples depend on the order of the images, so that two models evaluated on the same images get the same.
    """
    samples = Resampling(len(true), groups=groups, seed=seed).apply(_Statistic(true, predicted))
    return {name: samples[:, i, 0] for i, name in enumerate(VALUE_FIGURES)}


def as_value_pair(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return true and predicted numbers (n, k), validated; errors as for `value_figures`."""
    problems: list[str] = []
    true, predicted = as_values(y_true, problems, "y_true"), as_values(y_pred, problems, "y_pred")
    check(problems)
    if true.shape[1:] == (1,) or predicted.shape[1:] == (1,):  # one output has two shapes
        true, predicted = (one.reshape(-1) if one.shape[1:] == (1,) else one for one in (true, predicted))
    if true.shape != predicted.shape or not len(true):
        raise InvalidInputError(
            f"y_true and y_pred must have the same shape, (n,) or (n, n_outputs), n >= 1. "
            f"Got {true.shape} and {predicted.shape}."
        )
    if np.isnan(predicted).any():
        row = int(np.isnan(predicted.reshape(len(predicted), -1)).any(axis=1).argmax())
        raise InvalidInputError(f"y_pred must be finite. Got NaN in row {row}.")
    if np.isnan(true).all():
        raise InvalidInputError("y_true must have a number in one image at least. All are missing.")
    return true.reshape(len(true), -1), predicted.reshape(len(predicted), -1)


class _Statistic:
    """Figures (b, 4, 1 + k) under weights (b, n): means over the outputs, then each output."""

    def __init__(self, true: Floats, predicted: Floats) -> None:
        self.present = np.isfinite(true)
        # Squares of numbers far from 0, such as years, would hide their spread.
        centre = [column[there].mean() if there.any() else 0.0 for column, there in self._columns(true)]
        self.centred = np.where(self.present, true - centre, 0.0)
        self.errors = np.abs(np.where(self.present, predicted - true, 0.0))
        self.by_size = [
            np.flatnonzero(there)[np.argsort(column[there], kind="stable")]
            for column, there in self._columns(self.errors)
        ]

    def _columns(self, values: Floats) -> list[tuple[Floats, npt.NDArray[np.bool_]]]:
        return list(zip(values.T, self.present.T, strict=True))

    def __call__(self, weights: Floats) -> Floats:
        total = weights @ self.present.astype(float)
        squares, products = weights @ self.errors**2, weights @ self.centred**2
        spread = products - ratio((weights @ self.centred) ** 2, total)
        spread = np.where(spread > 1e-12 * products, spread, 0.0)  # the rest is rounding
        columns = zip(self.errors.T, self.by_size, strict=True)
        middle = [medians(weights[:, rows], errors[rows]) for errors, rows in columns]
        figures = np.stack(
            [
                1 - ratio(squares, spread),
                ratio(weights @ self.errors, total),
                np.sqrt(ratio(squares, total)),
                np.stack(middle, axis=1),
            ],
            axis=1,
        )
        means = mean_of_defined(figures.reshape(-1, figures.shape[2])).reshape(figures.shape[:2])
        return np.concatenate([means[:, :, None], figures], axis=2)


def _note(name: str, values: Floats, place: int) -> str:
    """Return why a figure is undefined, or how many outputs it averages; usually an empty string."""
    defined, n_outputs = int(np.isfinite(values[1:]).sum()), len(values) - 1
    if np.isnan(values[place]):
        return "needs images with different numbers" if name == "r2" else "no image has a number"
    averages = place == 0 and defined < n_outputs
    return f"mean of the {defined} of {n_outputs} outputs where it is defined" if averages else ""

"""Compare actual errors of keypoints with expected ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.plots._axes import COLOURS, new_axes
from transferkit.plots._text import use_fonts

_BINS = 10
_FEWEST = 5  # points in a bin for a meaningful mean


def plot_expected_error(evaluation: Any, distances: Any = None, *, ax: Any = None) -> Any:
    """Plot the actual error of each keypoint against the expected one.

    Parameters
    ----------
    evaluation : evaluation or array-like, shape (n, k)
        Result of ``evaluate(kp, X, y, return_error=True)``, or expected errors in pixels.
    distances : array-like of the same shape, optional
        Actual distance of each point from the true one, in pixels; NaN is ignored. Required with expected
        errors.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes
        A dot for each point, and the mean of each tenth of them, ordered by the expected error. If expected
        errors are right, means are on the line. Both axes are logarithmic.

    Raises
    ------
    InvalidInputError
        There are no errors, shapes differ, or an expected error is not positive.
    MissingDependencyError
        matplotlib is not installed.
    """
    expected, real = _checked(evaluation, distances)
    ax = new_axes(ax, width=4.4, height=4.2)
    # A logarithmic axis has no 0.
    low = max(min(expected.min(), np.quantile(real, 0.01)), expected.max() * 1e-4)
    sides = np.array([expected.min() / 1.2, expected.max() * 1.2])
    ax.plot(sides, sides, color="0.4", linewidth=1)
    ax.scatter(expected, np.maximum(real, low), s=6, alpha=0.25, color=COLOURS[0], linewidths=0)
    order = np.argsort(expected, kind="stable")
    n_bins = min(_BINS, len(order) // _FEWEST)
    if n_bins > 1:
        bins = np.array_split(order, n_bins)
        means = [(expected[rows].mean(), max(real[rows].mean(), low)) for rows in bins]
        ax.plot(*np.transpose(means), "o-", color=COLOURS[1], label="mean of each part")
        ax.legend(loc="upper left", fontsize="small")
    ax.set(
        xscale="log",
        yscale="log",
        xlim=sides,
        ylim=(low / 1.2, max(sides[1], real.max() * 1.2)),
        xlabel="Expected error (pixels)",
        ylabel="Real error (pixels)",
    )
    from matplotlib.ticker import LogLocator

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    use_fonts([ax])
    return ax


def _checked(evaluation: Any, distances: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return expected and actual errors (m,) of the points that are present."""
    pair = evaluation, distances
    if distances is None:
        pair = getattr(evaluation, "expected_error", None), getattr(evaluation, "distances", None)
        if pair[0] is None or pair[1] is None:
            raise InvalidInputError(
                "evaluation must have expected errors. Pass evaluate(kp, X, y, return_error=True), or "
                "expected and real errors."
            )
    expected, real = (np.asarray(part, dtype=np.float64) for part in pair)
    if expected.shape != real.shape:
        raise InvalidInputError(f"distances must have shape {expected.shape}. Got {real.shape}.")
    present = np.isfinite(expected) & np.isfinite(real)
    if not present.any():
        raise InvalidInputError("evaluation has no errors: there is no point. Pass points that are known.")
    if (expected[present] <= 0).any():
        raise InvalidInputError("evaluation must have expected errors above 0, in pixels.")
    return expected[present], real[present]

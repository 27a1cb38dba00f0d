"""Cumulative error distributions of keypoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.metrics import area_under_ced, cumulative_error_distribution, failure_rate
from transferkit.plots._axes import add_legend, by_name, curve_style, new_axes
from transferkit.plots._text import as_texts, use_fonts


def plot_error_curve(errors: Any, *, limit: float = 0.08, ax: Any = None) -> Any:
    """Plot the cumulative distribution of errors over the images.

    Parameters
    ----------
    errors : evaluation, dict or array-like of shape (n,)
        Result of :func:`transferkit.evaluate` for keypoints; or errors as fractions, one per image, as from
        ``normalized_mean_error(..., per_image=True)``; or several of these by name. NaN is ignored, ``inf``
        is an image without a detection.
    limit : float, default=0.08
        End of the horizontal axis. The legend gives the area under the curve up to here, and the share of
        images beyond.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes
        Both axes are in percent.

    Raises
    ------
    InvalidInputError
        There are no errors, one is negative, or the limit is not positive.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    transferkit.metrics.area_under_ced, transferkit.metrics.failure_rate : The figures in the legend.
    """
    named = by_name(errors, "array of errors")
    curves = []
    for name, text, one in zip(named, as_texts(named), named.values(), strict=True):
        if hasattr(one, "output_figures"):
            raise InvalidInputError(
                "errors must be fractions, as those of keypoints. Got an evaluation of numbers, which have a "
                "unit of their own. Use plot_values."
            )
        values = getattr(one, "errors", one)
        area, failures = area_under_ced(values, limit=limit), failure_rate(values, limit=limit)
        figures = f"AUC@{limit:.3g} {area:.3f}, {failures:.1%} beyond"
        curves.append((f"{text}: {figures}" if name != "" else figures, values))
    units = {str(getattr(one, "unit", "")) for one in named.values()}
    unit = units.pop().replace("_", " ") if len(units) == 1 else ""
    ax = new_axes(ax, width=5.4, height=4.0)
    drawn: list[Any] = []
    for i, (label, values) in enumerate(curves):
        thresholds, shares = cumulative_error_distribution(values)
        drawn += ax.step(
            100 * np.append(thresholds, max(thresholds[-1], limit)),
            100 * np.append(shares, shares[-1]),
            where="post",
            label=label,
            **curve_style(i, i),
        )
    ax.set(
        xlim=(0, 100 * limit),
        ylim=(0, 101),
        xlabel=f"Error (% of {unit})" if unit else "Error (%)",
        ylabel="Share of images (%)",
    )
    ax.grid(alpha=0.3)
    # Above the plot: the long entries would hide the curves.
    add_legend(ax, drawn, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize="small")
    use_fonts([ax])
    return ax

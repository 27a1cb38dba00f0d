"""How the errors of keypoints are distributed over the images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.metrics import area_under_ced, cumulative_error_distribution, failure_rate
from transferkit.plots._axes import COLOURS, LINE_STYLES, new_axes
from transferkit.plots._text import as_text, use_fonts


def plot_error_curve(errors: Any, *, limit: float = 0.08, ax: Any = None) -> Any:
    """Draw the share of images whose error is at most what the horizontal axis says.

    Parameters
    ----------
    errors : evaluation, dict or array-like of shape (n,)
        What :func:`transferkit.evaluate` returns for keypoints; or errors as fractions, one for each image,
        as of ``normalized_mean_error(..., per_image=True)``; or a dictionary of several of these by name.
        NaN is left out, ``inf`` is an image where nothing was found.
    limit : float, default=0.08
        Where the curve ends. The legend has the area under the curve up to here, and the share of images
        beyond.
    ax : matplotlib Axes, optional
        By default one of a new figure.

    Returns
    -------
    matplotlib Axes
        In percent, both ways.

    Raises
    ------
    InvalidInputError
        No error, a negative one, or a limit that is not positive.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    transferkit.metrics.area_under_ced, transferkit.metrics.failure_rate : The two figures.
    """
    named: Mapping[Any, Any] = errors if isinstance(errors, Mapping) else {"": errors}
    if not named:
        raise InvalidInputError("Expected errors of one model or more by name. Got an empty dictionary.")
    curves = []
    for name, one in named.items():
        values = getattr(one, "errors", one)
        area, failures = area_under_ced(values, limit=limit), failure_rate(values, limit=limit)
        figures = f"AUC@{limit:.3g} {area:.3f}, {failures:.1%} beyond"
        curves.append((f"{as_text(name)}: {figures}" if name != "" else figures, values))
    units = {str(getattr(one, "unit", "")) for one in named.values()}
    unit = units.pop().replace("_", " ") if len(units) == 1 else ""
    ax = new_axes(ax, width=5.4, height=4.0)
    for i, (label, values) in enumerate(curves):
        thresholds, shares = cumulative_error_distribution(values)
        ax.step(
            100 * np.append(thresholds, max(thresholds[-1], limit)),
            100 * np.append(shares, shares[-1]),
            where="post",
            label=label,
            color=COLOURS[i % len(COLOURS)],
            linestyle=LINE_STYLES[i % len(LINE_STYLES)],
        )
    ax.set(
        xlim=(0, 100 * limit),
        ylim=(0, 101),
        xlabel=f"Error (% of {unit})" if unit else "Error (%)",
        ylabel="Share of images (%)",
    )
    ax.grid(alpha=0.3)
    # Above: a legend of whole sentences would hide a curve wherever it lies.
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize="small")
    use_fonts([ax])
    return ax

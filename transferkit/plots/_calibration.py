"""Calibration curves."""

from __future__ import annotations

from typing import Any

from transferkit.plots._answers import curves_of
from transferkit.plots._axes import check_count, finish_unit_square, new_axes


def plot_calibration(
    evaluation: Any,
    probabilities: Any = None,
    *,
    classes: Any = None,
    pos_label: Any = None,
    n_bins: int = 10,
    ax: Any = None,
) -> Any:
    """Plot the share of images of a class against their predicted probability.

    Parameters
    ----------
    evaluation, probabilities, classes, pos_label
        As for :func:`plot_roc`.
    n_bins : int, default=10
        Number of bins, with the same number of images in each, so that no point depends on few images.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        There are no labels, or shapes do not fit.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : Used for the curves.
    """
    curves = curves_of(evaluation, probabilities, classes, pos_label)
    n_bins = check_count(n_bins, "n_bins")
    ax = new_axes(ax, width=4.6, height=4.6)
    from sklearn.calibration import CalibrationDisplay

    drawn = []
    for curve in curves:
        # At least five images per bin: the edges of bins with equal probabilities would coincide.
        display = CalibrationDisplay.from_predictions(
            curve.is_positive,
            curve.probability,
            n_bins=max(1, min(n_bins, len(curve.probability) // 5)),
            strategy="quantile",
            pos_label=True,
            ref_line=False,
            ax=ax,
            markersize=4,
            **curve.style,
        )
        display.line_.set_label(curve.name)
        drawn.append(display.line_)
    finish_unit_square(
        ax,
        drawn,
        "Mean predicted probability",
        "Share of images of the class",
        margin=0.02,
        legend="upper left",
        diagonal="perfect",
    )
    return ax

"""Whether probabilities mean what they say."""

from __future__ import annotations

from typing import Any

from transferkit.plots._answers import curves_of
from transferkit.plots._axes import check_count, new_axes
from transferkit.plots._text import use_fonts


def plot_calibration(
    evaluation: Any,
    probabilities: Any = None,
    *,
    classes: Any = None,
    pos_label: Any = None,
    n_bins: int = 10,
    ax: Any = None,
) -> Any:
    """Draw how often a class was right among images that were given about the same probability.

    Parameters
    ----------
    evaluation, probabilities, classes, pos_label
        As for :func:`plot_roc`.
    n_bins : int, default=10
        Each holds the same number of images, so that no point stands for two or three of them.
    ax : matplotlib Axes, optional
        By default one of a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        Nothing to draw: no labels, or shapes that do not fit.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : Draws it.
    """
    curves = curves_of(evaluation, probabilities, classes, pos_label)
    n_bins = check_count(n_bins, "n_bins")
    ax = new_axes(ax, width=4.6, height=4.6)
    from sklearn.calibration import CalibrationDisplay

    for curve in curves:
        # Ends of bins where many images are alike coincide: no more bins than leave five images in each.
        CalibrationDisplay.from_predictions(
            curve.is_positive,
            curve.probability,
            n_bins=max(1, min(n_bins, len(curve.probability) // 5)),
            strategy="quantile",
            pos_label=True,
            name=curve.name,
            ref_line=False,
            ax=ax,
            markersize=4,
            **curve.style,
        )
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0, label="perfect")
    ax.set(
        xlabel="Mean predicted probability",
        ylabel="Share of images of the class",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )
    ax.legend(loc="upper left", fontsize="small")
    use_fonts([ax])
    return ax

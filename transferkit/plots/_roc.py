"""Receiver operating characteristic."""

from __future__ import annotations

from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.plots._answers import curves_of
from transferkit.plots._axes import new_axes
from transferkit.plots._text import use_fonts


def plot_roc(
    evaluation: Any, probabilities: Any = None, *, classes: Any = None, pos_label: Any = None, ax: Any = None
) -> Any:
    """Draw the ROC curve of each evaluation, with the area under it.

    Parameters
    ----------
    evaluation : evaluation, dict or array-like of shape (n,)
        What :func:`transferkit.evaluate` returns; or true labels; or a dictionary of several by name, such as
        ``{"train": ..., "validation": ...}``, with evaluations or tuples ``(y_true, probabilities)``.
    probabilities : array-like of shape (n, k) or (n,), optional
        Needed with true labels: a column for each class in their order, or of two classes the
        probability of ``pos_label``.
    classes : array-like of shape (k,), optional
        Labels of the columns, by default the sorted true labels.
    pos_label : label, optional
        Class that is looked for: by default that of the evaluation, or the second of two. Of more classes,
        each has a curve against the rest unless one is asked for.
    ax : matplotlib Axes, optional
        By default one of a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        Nothing to draw: no labels, shapes that do not fit, or labels of one class only.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    sklearn.metrics.RocCurveDisplay : Draws it.
    """
    curves = curves_of(evaluation, probabilities, classes, pos_label)
    drawable = [curve for curve in curves if 0 < curve.is_positive.sum() < len(curve.is_positive)]
    if not drawable:
        raise InvalidInputError(
            "A ROC curve needs images of the class that is looked for, and others. All labels are the same, "
            "or none is of that class. Pass labels of both kinds."
        )
    ax = new_axes(ax, width=4.6, height=4.6)
    from sklearn.metrics import RocCurveDisplay

    for curve in drawable:
        n_lines = len(ax.lines)
        display = RocCurveDisplay.from_predictions(curve.is_positive, curve.probability, ax=ax)
        for line in ax.lines[n_lines:]:
            line.set(label=f"{curve.name}: AUC {display.roc_auc:.3f}", **curve.style)
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0)
    ax.set(
        xlabel="False positive rate (1 - specificity)",
        ylabel="True positive rate (sensitivity)",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    ax.legend(loc="lower right", fontsize="small")
    use_fonts([ax])
    return ax

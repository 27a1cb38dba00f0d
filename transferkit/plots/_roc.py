"""Receiver operating characteristic (ROC)."""

from __future__ import annotations

from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.plots._answers import curves_of
from transferkit.plots._axes import finish_unit_square, new_axes


def plot_roc(
    evaluation: Any, probabilities: Any = None, *, classes: Any = None, pos_label: Any = None, ax: Any = None
) -> Any:
    """Plot the ROC curve of each evaluation, with the area under it.

    Parameters
    ----------
    evaluation : evaluation, dict or array-like of shape (n,)
        Result of :func:`transferkit.evaluate`; or true labels; or several by name, such as
        ``{"train": ..., "validation": ...}``, as evaluations or tuples ``(y_true, probabilities)``.
    probabilities : array-like of shape (n, k) or (n,), optional
        Required with true labels: one column per class in the order of ``classes``, or for two classes the
        probability of ``pos_label``.
    classes : array-like of shape (k,), optional
        Labels of the columns, by default the sorted true labels.
    pos_label : label, optional
        The positive class; by default that of the evaluation, or the second of two. With more than two
        classes, each has a curve against the rest unless this is given.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        There are no labels or only labels of one class, or shapes do not fit.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    sklearn.metrics.RocCurveDisplay : Used for the curves.
    """
    curves = curves_of(evaluation, probabilities, classes, pos_label)
    drawable = [curve for curve in curves if 0 < curve.is_positive.sum() < len(curve.is_positive)]
    if not drawable:
        raise InvalidInputError(
            "A ROC curve needs images of the positive class and others. All labels are the same, "
            "or none is of that class. Pass labels of both kinds."
        )
    ax = new_axes(ax, width=4.6, height=4.6)
    from sklearn.metrics import RocCurveDisplay

    drawn: list[Any] = []
    for curve in drawable:
        n_lines = len(ax.lines)
        display = RocCurveDisplay.from_predictions(curve.is_positive, curve.probability, ax=ax)
        for line in ax.lines[n_lines:]:
            line.set(label=f"{curve.name}: AUC {display.roc_auc:.3f}", **curve.style)
            drawn.append(line)
    finish_unit_square(
        ax,
        drawn,
        "False positive rate (1 - specificity)",
        "True positive rate (sensitivity)",
        margin=0.01,
        legend="lower right",
    )
    return ax

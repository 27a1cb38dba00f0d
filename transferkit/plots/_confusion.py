"""Confusion matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._answers import distinct, refuse_several_labels
from transferkit.plots._axes import new_axes
from transferkit.plots._text import as_texts, use_fonts

_LONG_LABEL = 10  # characters; longer labels below the columns are rotated


def plot_confusion_matrix(evaluation: Any, y_pred: Any = None, *, classes: Any = None, ax: Any = None) -> Any:
    """Plot the confusion matrix, with counts and shares of the row.

    Parameters
    ----------
    evaluation : evaluation or array-like of shape (n,)
        Result of :func:`transferkit.evaluate`, or true labels.
    y_pred : array-like of shape (n,), optional
        Predicted labels; required with true labels.
    classes : array-like of shape (k,), optional
        Order of the classes, by default sorted; only with true labels.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes
        Rows are true classes, columns predicted classes; the colour is the share of the row.

    Raises
    ------
    InvalidInputError
        There are no labels or missing ones, or the numbers of true and predicted labels differ.
    MissingDependencyError
        matplotlib is not installed.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Used for the matrix.
    """
    counts, labels = _counts(evaluation, y_pred, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.6, 1.2 + 0.75 * len(labels))
    ax = new_axes(ax, width=side, height=side)
    from sklearn.metrics import ConfusionMatrixDisplay

    names = as_texts(labels)
    display = ConfusionMatrixDisplay(shares, display_labels=names).plot(
        ax=ax,
        cmap="Blues",
        colorbar=False,
        xticks_rotation=45 if max(map(len, names)) > _LONG_LABEL else "horizontal",
        im_kw={"vmin": 0.0, "vmax": 1.0},
    )
    for place, text in np.ndenumerate(display.text_):
        text.set(
            text=f"{counts[place]}\n{shares[place]:.0%}",
            color="white" if shares[place] > 0.5 else "black",
            fontsize="small" if len(labels) > 5 else "medium",
        )
    for label in ax.get_xticklabels():
        label.set(ha="right" if label.get_rotation() else "center", rotation_mode="anchor")
    ax.set(xlabel="Predicted", ylabel="Actual")
    use_fonts([ax])
    return ax


def _counts(evaluation: Any, y_pred: Any, classes: Any) -> tuple[Any, Any]:
    """Return counts (k, k), with true classes in rows and predicted classes in columns, and the classes."""
    refuse_several_labels(evaluation, "plot_confusion_matrix")
    if hasattr(evaluation, "confusion_matrix"):
        return np.asarray(evaluation.confusion_matrix), np.asarray(evaluation.classes)
    y_true, found = np.asarray(evaluation), np.asarray(y_pred)
    if y_true.ndim != 1 or not len(y_true) or y_true.shape != found.shape:
        raise InvalidInputError(
            "Expected an evaluation, or at least one true label and as many predicted labels. "
            f"Got shapes {y_true.shape} and {found.shape}."
        )
    from sklearn.metrics import confusion_matrix

    for given in (y_true, found):
        distinct(given)
    occurring = distinct(np.concatenate([y_true, found]))
    labels = occurring if classes is None else np.asarray(classes)
    if unknown := sorted(set(occurring.tolist()) - set(labels.tolist()), key=str):
        raise InvalidInputError(f"classes must contain all labels. Missing: {unknown}.")
    return confusion_matrix(y_true, found, labels=labels), labels

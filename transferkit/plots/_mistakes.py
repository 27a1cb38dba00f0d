"""The images that were answered wrongly, the worst first."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._answers import as_answers
from transferkit.plots._axes import check_count, new_grid
from transferkit.plots._pictures import pair_up, show_image
from transferkit.plots._text import as_name, as_text, use_fonts


def plot_mistakes(
    evaluation: Any,
    probabilities: Any = None,
    *,
    images: Any = None,
    names: Any = None,
    classes: Any = None,
    n: int = 12,
    columns: int = 4,
    ax: Any = None,
) -> Any:
    """Draw the images that were answered wrongly, the least probability of the truth first.

    Parameters
    ----------
    evaluation : evaluation or array-like of shape (n_images,)
        What :func:`transferkit.evaluate` returns, or true labels.
    probabilities : array-like of shape (n_images, k), optional
        Needed with true labels: a column for each class in their order.
    images : sequence of images, optional
        By default those of the evaluation.
    names : sequence of str, optional
        File names or the like; by default those of the evaluation.
    classes : array-like of shape (k,), optional
        Labels of the columns, by default the sorted true labels.
    n : int, default=12
        How many to draw at most.
    columns : int, default=4
    ax : array of matplotlib Axes, optional
        One for each panel; by default those of a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        Where there are no mistakes, one panel says so.

    Raises
    ------
    InvalidInputError
        No labels, shapes that do not fit, or no images, as of ``backbone="precomputed"``.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed.
    """
    images = getattr(evaluation, "images", None) if images is None else images
    names = getattr(evaluation, "names", None) if names is None else names
    answers = as_answers(evaluation, probabilities, classes, None)
    if images is None:
        raise InvalidInputError("There are no images to draw. Pass images=, one for each label.")
    items, truth = pair_up(images, answers.y_true, "y_true")
    if names is not None:
        pair_up(images, names, "names")
    n, columns = check_count(n, "n"), check_count(columns, "columns")
    predicted = answers.classes[answers.probabilities.argmax(axis=1)]
    of_truth = (answers.probabilities * (answers.classes == answers.y_true[:, None])).sum(axis=1)
    wrong = np.flatnonzero(predicted != answers.y_true)
    worst = wrong[np.argsort(of_truth[wrong], kind="stable")][:n]
    if not len(worst):
        axes = new_grid(1, ax, columns=1, width=3.6, height=1.2)
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, f"No mistakes among {len(items)} images", ha="center", va="center")
        return axes
    axes = new_grid(len(worst), ax, columns=columns, width=2.4, height=2.9)
    for panel, i in zip(axes, worst, strict=True):
        show_image(panel, items[i])
        lines = [
            f"Actual: {as_text(truth[i], 18)}",
            f"Predicted: {as_text(predicted[i], 14)} ({answers.probabilities[i].max():.0%})",
        ]
        panel.set_title("\n".join(lines), fontsize="small")
        if names is not None:
            panel.set_xlabel(as_name(names[i]), fontsize="x-small")
    use_fonts(axes)
    return axes

"""Misclassified images."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._answers import as_answers, refuse_several_labels
from transferkit.plots._axes import check_count, message_panel, new_grid
from transferkit.plots._panels import pair_up, show_images
from transferkit.plots._text import as_name, as_text


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
    """Plot misclassified images, those with the lowest probability of the true class first.

    Parameters
    ----------
    evaluation : evaluation or array-like of shape (n_images,)
        Result of :func:`transferkit.evaluate`, or true labels.
    probabilities : array-like of shape (n_images, k), optional
        Required with true labels: one column per class in the order of ``classes``. The most probable label
        is taken as the predicted one; an evaluation has its own predictions.
    images : sequence of images, optional
        By default those of the evaluation, read as the model read them.
    names : sequence of str, optional
        Captions such as file names; by default those of the evaluation.
    classes : array-like of shape (k,), optional
        Labels of the columns, by default the sorted true labels.
    n : int, default=12
        Maximum number of images.
    columns : int, default=4
        Number of images in a row.
    ax : array of matplotlib Axes, optional
        One per image; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        A single panel with a message if there are no mistakes.

    Raises
    ------
    InvalidInputError
        There are no labels or images (as with ``backbone="precomputed"``), or shapes do not fit.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed.
    """
    of = evaluation if images is None else None
    images = getattr(evaluation, "images", None) if images is None else images
    names = getattr(evaluation, "names", None) if names is None else names
    refuse_several_labels(evaluation, "plot_mistakes")
    answers = as_answers(evaluation, probabilities, classes, None)
    if images is None:
        raise InvalidInputError("There are no images to plot. Pass images=, one per label.")
    items, truth = pair_up(images, answers.y_true, "y_true")
    if names is not None:
        pair_up(images, names, "names")
    n, columns = check_count(n, "n"), check_count(columns, "columns")
    likeliest = answers.classes[answers.probabilities.argmax(axis=1)]
    predicted = np.asarray(getattr(evaluation, "y_pred", likeliest))
    of_truth, of_predicted = (
        (answers.probabilities * (answers.classes == labels[:, None])).sum(axis=1)
        for labels in (answers.y_true, predicted)
    )
    wrong = np.flatnonzero(predicted != answers.y_true)
    worst = wrong[np.argsort(of_truth[wrong], kind="stable")][:n]
    if not len(worst):
        return message_panel(ax, f"No mistakes among {len(items)} images")
    axes = new_grid(len(worst), ax, columns=columns, width=2.4, height=2.9)
    titles = [
        f"Actual: {as_text(truth[i], 18)}\nPredicted: {as_text(predicted[i], 14)} ({of_predicted[i]:.0%})"
        for i in worst
    ]
    captions = None if names is None else [as_name(names[i]) for i in worst]
    show_images(axes, [items[i] for i in worst], titles, captions, of=of)
    return axes

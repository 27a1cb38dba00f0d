"""Classification metrics with confidence intervals; undefined ones are NaN, with a note."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.metrics._notes import note_of
from transferkit.metrics._outcomes import Outcomes, as_outcomes
from transferkit.metrics._weighted import CLASS_FIGURES, CLASSIFICATION_FIGURES, weighted_figures
from transferkit.metrics.figure import Figure, check_confidence, percentile_figure
from transferkit.metrics.proportions import wilson_interval
from transferkit.metrics.resampling import Resampling

__all__ = ["CLASSIFICATION_FIGURES", "ClassificationFigures", "classification_figures", "resampled_figures"]

_NEEDS_PROBABILITIES = ("auc", "log_loss", "brier")


class ClassificationFigures(NamedTuple):
    """Overall figures, and figures of each class.

    Attributes
    ----------
    whole : dict of str to Figure
        Overall figures by name.
    by_class : dict of label to dict of str to Figure
        Each class against all others; empty for two classes.
    """

    whole: dict[str, Figure]
    by_class: dict[Any, dict[str, Figure]]


def classification_figures(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    probabilities: npt.ArrayLike | None = None,
    *,
    classes: npt.ArrayLike | None = None,
    pos_label: Any = None,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> ClassificationFigures:
    """Return accuracy, sensitivity, AUC and other metrics, each with a confidence interval.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n,)
        True and predicted labels.
    probabilities : array-like, shape (n, k), optional
        One column per class, in the order of `classes`. Needed for AUC, log loss and Brier score.
    classes : array-like, shape (k,), optional
        All labels; by default those that occur, sorted.
    pos_label : label, optional
        For two classes, the positive class, to which sensitivity, specificity, precision, F1 and AUC refer;
        by default the second. For more classes, these are means over the classes, each against all others.
    groups : array-like, shape (n,), optional
        Group of each image. Images of one group, such as one person, are resampled together, as they are not
        independent.
    confidence : float, default=0.95
        Confidence level of the intervals.
    n_resamples : int, default=1000
        Number of bootstrap resamples.
    seed : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    ClassificationFigures
        ``accuracy``, ``balanced_accuracy`` (mean sensitivity of the classes), ``error_rate``,
        ``sensitivity``, ``specificity``, ``precision``, ``f1``, ``mcc``, ``auc`` in fractions,
        ``log_loss`` in nats, and ``brier`` (of the positive class; the sum over more than two classes).

    Raises
    ------
    InvalidInputError
        Lengths differ, a label is not in `classes`, or probabilities or a parameter are invalid.

    Notes
    -----
    Proportions of independent images have Wilson's interval. All other figures, and all figures with
    groups, have the percentile interval of a bootstrap in which no class disappears. There is no interval if
    a class has only one group. The order of the images does not matter.

    As in scikit-learn, the precision of a class that has images but was never predicted is 0, with a note.
    Sensitivity and F1 of a class without images are undefined. Means ignore undefined figures, with a note,
    like scikit-learn's ``balanced_accuracy_score`` (``recall_score`` counts them as 0).

    See Also
    --------
    transferkit.evaluate : Evaluate a fitted model on labelled images.

    Examples
    --------
    >>> figures = classification_figures(["a", "a", "b", "b"], ["a", "b", "b", "b"])
    >>> print(figures.whole["accuracy"])
    0.750 (0.301 to 0.954)
    >>> figures.whole["auc"].note
    'needs probabilities'
    """
    confidence = check_confidence(confidence)
    outcomes = as_outcomes(y_true, y_pred, probabilities, classes=classes, pos_label=pos_label)
    outcomes, order = outcomes.in_canonical_order()
    if groups is not None and np.shape(groups) == outcomes.true.shape:
        groups = np.asarray(groups)[order]
    resampling = _resampling(outcomes, groups, n_resamples, seed)
    names, values = _in_columns(*weighted_figures(np.ones((1, len(outcomes.true))), outcomes))
    samples = resampling.apply(lambda weights: _in_columns(*weighted_figures(weights, outcomes))[1])
    never_predicted = outcomes.never_predicted()
    proportions = {} if groups is not None else _proportions(outcomes)
    found: dict[tuple[str, int | None], Figure] = {}
    for column, (name, place) in enumerate(names):
        value, note = float(values[0, column]), note_of(name, place, outcomes, values[0], names)
        trials = proportions.get((name, place), (0, 0))[1]
        label = outcomes.positive if place is None else place
        if name == "precision" and label in never_predicted:
            found[name, place] = Figure(value, note=note)  # no predictions to resample
        elif trials > 0 and not math.isnan(value):
            low, high = wilson_interval(*proportions[name, place], confidence=confidence)
            found[name, place] = Figure(value, min(low, value), max(high, value), note)
        else:
            found[name, place] = percentile_figure(
                value, samples[:, column], confidence=confidence, note=note
            )
    if outcomes.probabilities is None:
        places = (None, *range(outcomes.n_classes))
        missing = Figure(math.nan, note="needs probabilities")
        found |= {(name, place): missing for name in _NEEDS_PROBABILITIES for place in places}
    return _arranged(found, outcomes)


def resampled_figures(
    outcomes: Outcomes, groups: npt.ArrayLike | None, *, n_resamples: int = 1000, seed: int = 0
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the overall figures for each resample, shape (n_resamples,).

    Resamples depend on the order of the images, so that two models evaluated on the same images get the same.
    """
    resampling = _resampling(outcomes, groups, n_resamples, seed)
    names: list[str] = []

    def statistic(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        whole, _ = weighted_figures(weights, outcomes)
        names[:] = whole
        return np.stack(list(whole.values()), axis=1)

    samples = resampling.apply(statistic)
    return {name: samples[:, column] for column, name in enumerate(names)}


def _resampling(outcomes: Outcomes, groups: npt.ArrayLike | None, n_resamples: int, seed: int) -> Resampling:
    n = len(outcomes.true)
    return Resampling(n, groups=groups, strata=outcomes.true, n_resamples=n_resamples, seed=seed)


def _in_columns(
    whole: dict[str, npt.NDArray[np.float64]], by_class: dict[str, npt.NDArray[np.float64]]
) -> tuple[list[tuple[str, int | None]], npt.NDArray[np.float64]]:
    """Return all figures as columns (b, m), and the name and class position of each."""
    names: list[tuple[str, int | None]] = [(name, None) for name in whole]
    columns = [values[:, None] for values in whole.values()]
    for name, values in by_class.items():
        names += [(name, place) for place in range(values.shape[1])]
        columns.append(values)
    return names, np.concatenate(columns, axis=1)


def _proportions(outcomes: Outcomes) -> dict[tuple[str, int | None], tuple[int, int]]:
    """Return hits and trials of the figures that are proportions of images."""
    true, predicted = outcomes.true, outcomes.predicted
    right = int((true == predicted).sum())
    counts: dict[tuple[str, int | None], tuple[int, int]] = {
        ("accuracy", None): (right, len(true)),
        ("error_rate", None): (len(true) - right, len(true)),
    }
    for place in range(outcomes.n_classes):
        is_true, is_predicted = true == place, predicted == place
        both = int((is_true & is_predicted).sum())
        counts["sensitivity", place] = both, int(is_true.sum())
        counts["specificity", place] = int((~is_true & ~is_predicted).sum()), int((~is_true).sum())
        counts["precision", place] = both, int(is_predicted.sum())
    if outcomes.positive is not None:
        for name in ("sensitivity", "specificity", "precision"):
            counts[name, None] = counts[name, outcomes.positive]
    return counts


def _arranged(found: dict[tuple[str, int | None], Figure], outcomes: Outcomes) -> ClassificationFigures:
    """Return the overall figures by name, and those of each class by label."""
    whole = {name: found[name, None] for name in CLASSIFICATION_FIGURES}
    if outcomes.positive is not None:
        return ClassificationFigures(whole, {})
    labels = outcomes.classes.tolist()
    by_class = {
        label: {name: found[name, place] for name in CLASS_FIGURES} for place, label in enumerate(labels)
    }
    return ClassificationFigures(whole, by_class)

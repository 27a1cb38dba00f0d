"""Figures of a classification, each with an interval; undefined ones are NaN and say why."""

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
    """Figures of the whole, and of each class.

    Attributes
    ----------
    whole : dict of str to Figure
    by_class : dict of label to dict of str to Figure
        Each class against all others; empty for two classes, whose figures are those of the whole.
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
    """Return accuracy, sensitivity, AUC and their kin, each with its interval.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n,)
        Labels.
    probabilities : array-like, shape (n, k), optional
        Of each class, in the order of `classes`. Without them there is no AUC, log loss or Brier score.
    classes : array-like, shape (k,), optional
        All labels there are; by default those that occur, sorted.
    pos_label : label, optional
        The class that sensitivity, specificity, precision, F1 and AUC are of, for two classes; by default
        the second. For more classes they are means over the classes, each against all others.
    groups : array-like, shape (n,), optional
        Images of one group, such as one person, are drawn together, since they are not independent.
    confidence : float, default=0.95
        Of the intervals.
    n_resamples : int, default=1000
    seed : int, default=0

    Returns
    -------
    ClassificationFigures
        ``accuracy``, ``balanced_accuracy`` (mean of the classes' sensitivities), ``error_rate``,
        ``sensitivity``, ``specificity``, ``precision``, ``f1``, ``mcc``, ``auc`` in fractions,
        ``log_loss`` in nats, and ``brier`` (of the positive class; of several classes the sum over them).

    Raises
    ------
    InvalidInputError
        Lengths differ, a label is none of the classes, probabilities are none, or a parameter is wrong.

    Notes
    -----
    Proportions of independent images have Wilson's interval. Everything else, and everything where
    there are groups, has the percentile interval of a bootstrap stratified by class. The order
    of the images does not matter.

    As in scikit-learn, the precision of a class that has images and was never answered is 0, and its note
    says so. A class without images has no sensitivity and no F1; means leave it out, as does scikit-learn's
    ``balanced_accuracy_score`` (``recall_score`` counts 0 where it was answered), and say of how many classes
    they are.

    See Also
    --------
    transferkit.evaluate : The same for a fitted model and its test images.

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
    never_answered = outcomes.never_answered()
    proportions = {} if groups is not None else _proportions(outcomes)
    found: dict[tuple[str, int | None], Figure] = {}
    for column, (name, place) in enumerate(names):
        value, note = float(values[0, column]), note_of(name, place, outcomes, values[0], names)
        trials = proportions.get((name, place), (0, 0))[1]
        label = outcomes.positive if place is None else place
        if name == "precision" and label in never_answered:
            found[name, place] = Figure(value, note=note)  # of no answers there is nothing to draw from
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
    """Return the figures of the whole under each resample, (n_resamples,).

    Images stay in their order, so that two models asked about the same images see the same resamples.
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
    """Return all figures side by side, (b, m), and what each column is: name, and place of the class."""
    names: list[tuple[str, int | None]] = [(name, None) for name in whole]
    columns = [values[:, None] for values in whole.values()]
    for name, values in by_class.items():
        names += [(name, place) for place in range(values.shape[1])]
        columns.append(values)
    return names, np.concatenate(columns, axis=1)


def _proportions(outcomes: Outcomes) -> dict[tuple[str, int | None], tuple[int, int]]:
    """Return hits and trials of what is a proportion of images."""
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
    """Return the figures under their names, and those of each class under its label."""
    whole = {name: found[name, None] for name in CLASSIFICATION_FIGURES}
    if outcomes.positive is not None:
        return ClassificationFigures(whole, {})
    labels = outcomes.classes.tolist()
    by_class = {
        label: {name: found[name, place] for name in CLASS_FIGURES} for place, label in enumerate(labels)
    }
    return ClassificationFigures(whole, by_class)

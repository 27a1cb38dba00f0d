"""Classification figures for many sample weights at once.

The formulas are those of scikit-learn with ``sample_weight``, vectorised over a block of weights (b, n).
Undefined figures are NaN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.metrics._outcomes import Outcomes
from transferkit.metrics.resampling import mean_of_defined, ratio

__all__ = ["CLASSIFICATION_FIGURES", "CLASS_FIGURES", "weighted_figures"]

Floats = npt.NDArray[np.float64]
CLASS_FIGURES = ("sensitivity", "specificity", "precision", "f1", "auc")
"""Figures of each class against all others."""
CLASSIFICATION_FIGURES = (
    "accuracy", "balanced_accuracy", "error_rate", "sensitivity", "specificity", "precision", "f1", "mcc",
    "auc", "log_loss", "brier",
)  # fmt: skip
"""Figures of a classification, in the order of the report."""


def weighted_figures(weights: Floats, outcomes: Outcomes) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the overall figures (b,) and the figures of the classes (b, k), by name."""
    k = outcomes.n_classes
    by_class = _confusion_figures(_confusions(weights, outcomes.true * k + outcomes.predicted, k))
    accuracy, mcc = by_class.pop("accuracy")[:, 0], by_class.pop("mcc")[:, 0]
    losses = {}
    if outcomes.probabilities is not None:
        # Two classes have the same AUC.
        asked = range(k) if outcomes.positive is None else [outcomes.positive]
        areas = [areas_under_roc(weights, outcomes.probabilities[:, c], outcomes.true == c) for c in asked]
        by_class["auc"] = np.stack(areas * (k // len(areas)), axis=1)
        total = weights.sum(axis=1)
        losses = {name: weights @ loss / total for name, loss in _row_losses(outcomes).items()}
    return _summary(by_class, accuracy, mcc, losses, outcomes.positive), by_class


def _summary(
    by_class: dict[str, Floats],
    accuracy: Floats,
    mcc: Floats,
    losses: dict[str, Floats],
    positive: int | None,
) -> dict[str, Floats]:
    """Return the overall figures: those of the positive class, or means over all classes."""
    whole = {"accuracy": accuracy, "error_rate": 1 - accuracy, "mcc": mcc, **losses}
    whole["balanced_accuracy"] = mean_of_defined(by_class["sensitivity"])
    for name, values in by_class.items():
        whole[name] = mean_of_defined(values) if positive is None else values[:, positive]
    return {name: whole[name] for name in CLASSIFICATION_FIGURES if name in whole}


def _confusion_figures(confusions: Floats) -> dict[str, Floats]:
    """Return the figures of confusion matrices (b, k, k): by class (b, k), accuracy and MCC (b, 1).

    The precision of a class that has images but was never predicted is 0, as in scikit-learn: leaving it out
    of the mean would favour models that ignore a class. Sensitivity and F1 of a class without images are
    undefined, whatever the model predicts.

    MCC is that of Gorodkin (2004), as in scikit-learn: 0 if all predictions are the same, but NaN if all true
    labels are.
    """
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    true, predicted = confusions.sum(axis=2), confusions.sum(axis=1)
    total = true.sum(axis=1, keepdims=True)
    covariance = total * hits.sum(axis=1, keepdims=True) - (true * predicted).sum(axis=1, keepdims=True)
    spread_true = total**2 - (true**2).sum(axis=1, keepdims=True)
    spread_predicted = total**2 - (predicted**2).sum(axis=1, keepdims=True)
    correlation = ratio(covariance, np.sqrt(spread_true * spread_predicted))
    return {
        "accuracy": ratio(hits.sum(axis=1, keepdims=True), total),
        "mcc": np.where((spread_true > 0) & (spread_predicted <= 0), 0.0, correlation),
        "sensitivity": ratio(hits, true),
        "specificity": ratio(total - true - predicted + hits, total - true),
        "precision": np.where((true > 0) & (predicted <= 0), 0.0, ratio(hits, predicted)),
        "f1": np.where(true > 0, ratio(2 * hits, true + predicted), np.nan),
    }


def _row_losses(outcomes: Outcomes) -> dict[str, Floats]:
    """Return log loss and Brier score of each image (n,).

    The Brier score is the squared error of the probability of the positive class; for more than two classes,
    the sum over all of them (Brier 1950).
    """
    chances = outcomes.probabilities
    assert chances is not None
    truth = np.eye(outcomes.n_classes)[outcomes.true]
    of_truth = chances[np.arange(len(chances)), outcomes.true]
    halves = 2 if outcomes.n_classes == 2 else 1
    return {
        "log_loss": -np.log(np.maximum(of_truth, np.finfo(np.float64).eps)),
        "brier": np.square(chances - truth).sum(axis=1) / halves,
    }


def _confusions(weights: Floats, cells: npt.NDArray[np.int64], k: int) -> Floats:
    """Return the weighted confusion matrices (b, k, k)."""
    order = np.argsort(cells, kind="stable")
    there, starts = np.unique(cells[order], return_index=True)
    sums = np.zeros((len(weights), k * k))
    sums[:, there] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums.reshape(-1, k, k)


def areas_under_roc(weights: Floats, scores: Floats, positive: npt.NDArray[np.bool_]) -> Floats:
    """Return the area under the ROC curve: the probability that a positive scores above a negative.

    By the rank sum of Mann and Whitney (1947), where ties count half: the ranks of the positives count the
    negatives below them, and the positives, which sum to half the square of their weight.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    reached = np.zeros((len(weights), len(scores) + 1))
    np.cumsum(weights[:, order], axis=1, out=reached[:, 1:])
    drawn = weights[:, positive]
    first = np.searchsorted(ranked, scores[positive], side="left")
    last = np.searchsorted(ranked, scores[positive], side="right")
    ranks = (drawn * (reached[:, first] + reached[:, last])).sum(axis=1) / 2
    n_positive = drawn.sum(axis=1)
    return ratio(ranks - n_positive**2 / 2, n_positive * (reached[:, -1] - n_positive))

"""The linear head: logistic regression or ridge regression, by scikit-learn; no TensorFlow."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.heads._base import Maps, TrainingData, flatten
from transferkit.heads._reduction import Reduction
from transferkit.heads._ridge import choose_ridge_penalty, fit_ridge

# Per row, for rows of mean squared norm 1; a factor of about 3 between neighbours.
_LOGISTIC_PENALTIES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
_FOLDS = 5


@dataclass(frozen=True)
class LinearHead:
    """Logistic regression for classes, ridge regression for values, with an L2 penalty.

    Trains in seconds on maps of any width, without TensorFlow.

    Parameters
    ----------
    penalty : float, optional
        Weight of the squared norm of the coefficients against the mean loss of a row, where
        features are scaled so that a row has mean squared norm 1; more is smoother. By default
        the best of a grid, chosen by 5-fold cross-validation on the training rows.

    Notes
    -----
    Features are centred by column and levelled by channel; both are learned from training rows.

    Examples
    --------
    >>> from transferkit.heads import LinearHead
    >>> LinearHead(penalty=0.01)
    LinearHead(penalty=0.01)
    """

    penalty: float | None = None

    layers: ClassVar[str] = "auto"
    grid: ClassVar[int | None] = 4
    uses_validation: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what cannot be a penalty."""
        if self.penalty is not None and not self.penalty > 0:
            raise InvalidInputError(f"penalty must be positive, or None to choose it. Got {self.penalty!r}.")

    def fit(self, data: TrainingData) -> FittedLinear:
        """Return the fitted head; see :class:`TrainingData`."""
        reduction = Reduction.fit(data.maps)
        if data.n_classes is None:
            penalty, history = self.penalty, []
            if penalty is None:
                penalty, history = choose_ridge_penalty(reduction.rows, data.targets, data.groups)
            coefficients, intercept = fit_ridge(reduction.rows, data.targets, penalty)
        else:
            penalty, history = self.penalty, []
            if penalty is None:
                penalty, history = _choose_logistic_penalty(reduction.rows, data)
            model = _logistic(reduction.rows, data.targets, data.sample_weight, penalty)
            coefficients, intercept = model.coef_.T, model.intercept_
        weights, intercept = reduction.expand(coefficients, intercept)
        return FittedLinear(weights, intercept, float(penalty), history)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedLinear:
        """Return the fitted head that was saved."""
        return FittedLinear(tensors["weights"], tensors["intercept"], float(facts["penalty"]), [])


@dataclass
class FittedLinear:
    """Weights of a linear head, for raw features."""

    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    penalty: float
    history: list[dict[str, float]] = field(default_factory=list)

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return logits or values, (n, k); (n, 1) for two classes."""
        return (flatten(maps) @ self.weights).astype(np.float64) + self.intercept

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"weights": self.weights, "intercept": self.intercept}

    def facts(self) -> dict[str, Any]:
        """Return what else to save."""
        return {"penalty": self.penalty}


def _logistic(
    rows: NDArray[np.float64], targets: NDArray[Any], weight: NDArray[np.float64], penalty: float
) -> Any:
    """Fit scikit-learn's logistic regression; its C counts against the sum of the losses."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / (penalty * weight.sum()), max_iter=1000, tol=1e-4)
    with warnings.catch_warnings():
        # With hardly any penalty on separable rows the loss has no minimum; where it stops is as good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, targets, sample_weight=weight)


def _choose_logistic_penalty(
    rows: NDArray[np.float64], data: TrainingData
) -> tuple[float, list[dict[str, float]]]:
    """Return the penalty with the least held-out log loss, and the table of all that were tried."""
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedGroupKFold

    smallest = min(len(np.unique(data.groups[data.targets == label])) for label in np.unique(data.targets))
    if smallest < 2:
        return 1e-2, []  # a class with one image cannot be held out
    folds = StratifiedGroupKFold(min(_FOLDS, smallest), shuffle=True, random_state=data.random_state)
    splits = list(folds.split(rows, data.targets, data.groups))
    history = []
    for penalty in _LOGISTIC_PENALTIES:
        losses, hits = [], []
        for train, test in splits:
            model = _logistic(rows[train], data.targets[train], data.sample_weight[train], penalty)
            probabilities = model.predict_proba(rows[test])
            losses.append(
                log_loss(
                    data.targets[test],
                    probabilities,
                    labels=model.classes_,
                    sample_weight=data.sample_weight[test],
                )
            )
            hits.append(float(np.mean(model.classes_[probabilities.argmax(axis=1)] == data.targets[test])))
        history.append(
            {
                "penalty": penalty,
                "log_loss": float(np.mean(losses)),
                "accuracy": float(np.mean(hits)),
                "standard_error": float(np.std(losses, ddof=1) / np.sqrt(len(losses))),
            }
        )
        if len(history) > 2 and history[-1]["log_loss"] > history[-2]["log_loss"] > history[-3]["log_loss"]:
            break  # the loss is convex enough in the penalty: two rises in a row, and it only gets slower
    best = min(history, key=lambda row: row["log_loss"])
    return best["penalty"], history

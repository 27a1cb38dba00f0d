"""The linear head: ridge regression in closed form, calibrated for classes; no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number
from transferkit.heads._base import Maps, TrainingData, check_arrays, flatten
from transferkit.heads._reduction import Reduction
from transferkit.heads._ridge import PENALTIES, Ridge, patterns

Solution = tuple[NDArray[np.float64], NDArray[np.float64]]

_PREDICT_ROWS = 256  # at a time: bounds the copy


class Tried(NamedTuple):
    """What the search for the penalty found.

    ``row_errors`` (n,) are the mean errors of held-out rows at the best penalty, squared for classes and
    absolute for values; ``held_out`` (n, k) the predictions themselves: scores of classes, or values.
    """

    penalty: float
    history: list[dict[str, Any]]
    row_errors: NDArray[np.float64]
    held_out: NDArray[np.float64]


@dataclass(frozen=True)
class LinearHead:
    """Ridge regression on all layers at once; for classes, its scores become calibrated logits.

    Takes seconds for maps of any width, without TensorFlow.

    Parameters
    ----------
    penalty : float, optional
        Weight of the squared norm of the coefficients against the mean squared error of a row,
        where features are scaled so that a row has mean squared norm 1; more is smoother. By
        default the one with the least error on held-out groups of training rows, all of which are
        tried in closed form.

    Notes
    -----
    Features are centred by column and levelled by channel, learned from training rows. Classes are
    coded as -1 and 1 (one column for two classes, else one per class), which on wide features of
    frozen backbones is at least as accurate as a logistic loss. Logits come from a logistic
    regression on the *held-out* scores (Platt 1999, "Probabilistic outputs for support vector
    machines"), so that probabilities are not those of a model that has seen its answers.

    Examples
    --------
    >>> from transferkit.heads import LinearHead
    >>> LinearHead(penalty=0.01)
    LinearHead(penalty=0.01)
    """

    penalty: float | None = None

    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False
    averages_views: ClassVar[bool] = True
    half: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what cannot be a penalty."""
        if self.penalty is not None and not is_number(self.penalty, above=0):
            raise InvalidInputError(f"penalty must be positive, or None to choose it. Got {self.penalty!r}.")

    def fit(self, data: TrainingData, *, shares: Sequence[float] | None = None) -> FittedLinear:
        """Return the fitted head; see :class:`TrainingData`.

        ``shares`` are those of the layers in the variance of a row, the same by default.
        """
        reduction = Reduction.fit(data.maps, data.random_state, shares)
        (coefficients, intercept), tried = self.fit_rows(reduction.rows, data)
        weights, intercept = reduction.expand(coefficients, intercept)
        return FittedLinear(weights, intercept, tried.penalty, tried.history, tried.held_out)

    def fit_rows(self, rows: NDArray[np.float64], data: TrainingData) -> tuple[Solution, Tried]:
        """Return coefficients and intercept for reduced rows (n, r), and how the penalty was chosen."""
        return self._fit_values(rows, data) if data.n_classes is None else self._fit_classes(rows, data)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedLinear:
        """Return the fitted head that was saved; ValueError where arrays do not belong together."""
        weights, intercept = tensors["weights"], tensors["intercept"]
        check_arrays(tensors, {"weights": ("f4", 2), "intercept": ("f8", 1)})
        if set(facts) != {"penalty"} or not is_number(facts["penalty"], above=0):
            raise ValueError(f"facts of a linear head {facts!r}")
        if weights.shape[1] != len(intercept):
            raise ValueError(f"weights {weights.shape} and intercept {intercept.shape}")
        return FittedLinear(weights, intercept, float(facts["penalty"]), [])

    def _fit_classes(self, rows: NDArray[np.float64], data: TrainingData) -> tuple[Solution, Tried]:
        """Fit class codes, and calibrate held-out scores into logits."""
        weight = _level(data.sample_weight)
        ideal = 2 * np.eye(data.n_classes or 0) - 1
        ideal = ideal[:, 1:] if data.n_classes == 2 else ideal
        codes = ideal[data.targets]
        ridge = Ridge.decompose(rows, weight)
        history: list[dict[str, Any]] = []
        best: tuple[float, NDArray[np.float64], float, NDArray[np.float64]] | None = None
        for penalty in self._penalties():
            scores = ridge.held_out(codes, penalty, data.groups)
            guess = (scores[:, 0] > 0).astype(int) if data.n_classes == 2 else scores.argmax(axis=1)
            row_errors = np.square(scores - codes).mean(axis=1)
            squares = np.average(row_errors, weights=weight)
            hits = np.average(guess == data.targets, weights=weight)
            history.append({"penalty": penalty, "squared_error": float(squares), "accuracy": float(hits)})
            if best is None or squares < best[0]:
                best = float(squares), scores, penalty, row_errors
        assert best is not None
        _, scores, penalty, row_errors = best
        coefficients, intercept = ridge.solve(codes, penalty)
        # The mean of the other rows leans against a row's own class: calibrate without it.
        centre = weight @ codes / weight.sum()
        slope, offset = _calibrate(
            scores - _centres_without(codes, weight, data.groups),
            data.targets,
            weight,
            ideal - centre,
        )
        solution = coefficients @ slope, (intercept - centre) @ slope + offset
        return solution, Tried(penalty, history, row_errors, scores)

    def _fit_values(self, rows: NDArray[np.float64], data: TrainingData) -> tuple[Solution, Tried]:
        """Fit values; columns that miss the same rows share one decomposition, and all share the penalty."""
        parts = [
            (columns, present, Ridge.decompose(rows[present], _level(data.sample_weight[present])))
            for columns, present in patterns(data.targets)
            if len(present)
        ]
        history = []
        for penalty in self._penalties():
            errors = [
                np.abs(
                    ridge.held_out(data.targets[np.ix_(present, columns)], penalty, data.groups[present])
                    - data.targets[np.ix_(present, columns)]
                ).ravel()
                for columns, present, ridge in parts
            ]
            history.append(
                {
                    "penalty": penalty,
                    "absolute_error": float(np.mean(np.concatenate(errors or [np.zeros(1)]))),
                }
            )
        penalty = min(history, key=lambda row: row["absolute_error"])["penalty"]
        coefficients = np.zeros((rows.shape[1], data.n_outputs))
        intercept = np.zeros(data.n_outputs)
        held_out = np.full(data.targets.shape, np.nan)
        for columns, present, ridge in parts:
            chosen = np.ix_(present, columns)
            coefficients[:, columns], intercept[columns] = ridge.solve(data.targets[chosen], penalty)
            held_out[chosen] = ridge.held_out(data.targets[chosen], penalty, data.groups[present])
        # Rows without a target were not seen by the fit: its own prediction is a held-out one.
        missing = np.isnan(held_out)
        held_out[missing] = (rows @ coefficients + intercept)[missing]
        gaps = np.where(missing, 0.0, np.abs(held_out - np.where(missing, 0.0, data.targets)))
        row_errors = gaps.sum(axis=1) / np.maximum((~missing).sum(axis=1), 1)
        return (coefficients, intercept), Tried(penalty, history, row_errors, held_out)

    def _penalties(self) -> tuple[float, ...]:
        return PENALTIES if self.penalty is None else (self.penalty,)


@dataclass
class FittedLinear:
    """Weights of a linear head, for raw features.

    ``held_out`` (n, k) are the predictions of the training rows by the model without their group: values, or
    scores of classes before calibration; not saved.
    """

    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    penalty: float
    history: list[dict[str, Any]] = field(default_factory=list)
    held_out: NDArray[np.float64] | None = field(default=None, repr=False)

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return logits or values, (n, k); (n, 1) for two classes."""
        # In double precision, so that how a product is blocked, by the number of rows, does not show.
        weights = self.weights.astype(np.float64)
        outputs = np.empty((len(maps[0]), weights.shape[1]))
        for start in range(0, len(outputs), _PREDICT_ROWS):
            rows = slice(start, start + _PREDICT_ROWS)
            outputs[rows] = flatten([array[rows] for array in maps]).astype(np.float64) @ weights
        return outputs + self.intercept

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"weights": self.weights, "intercept": self.intercept}

    def facts(self) -> dict[str, Any]:
        """Return what else to save."""
        return {"penalty": self.penalty}


def _level(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights with mean 1."""
    return weight * (len(weight) / weight.sum())


def _centres_without(
    codes: NDArray[np.float64], weight: NDArray[np.float64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return for each row the mean code (n, k) of all rows that are not of its group."""
    _, group = np.unique(groups, return_inverse=True)
    members = np.zeros((group.max() + 1, codes.shape[1] + 1))
    values = np.column_stack([codes, np.ones(len(codes))]) * weight[:, None]
    np.add.at(members, group, values)
    others = values.sum(axis=0) - members[group]
    return others[:, :-1] / np.maximum(others[:, -1:], 1e-12)


def _calibrate(
    scores: NDArray[np.float64],
    targets: NDArray[Any],
    weight: NDArray[np.float64],
    ideal: NDArray[np.float64],
) -> Solution:
    """Return slope (k, k) and offset (k,) that turn held-out scores into logits."""
    from sklearn.linear_model import LogisticRegression

    # The perfect score of each class counts as one row in all: where held-out rows say nothing, as
    # those of classes with one row each, the slope still has the right sign.
    n_classes = len(ideal)
    scores = np.concatenate([scores, ideal])
    targets = np.concatenate([targets, np.arange(n_classes)])
    weight = np.concatenate([weight, np.full(n_classes, 1 / n_classes)])
    # The weak penalty only bounds the slope where classes are separable.
    model = LogisticRegression(C=100.0, max_iter=1000).fit(scores, targets, sample_weight=weight)
    return model.coef_.T, model.intercept_

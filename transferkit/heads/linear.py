"""``LinearHead``: ridge regression in closed form, calibrated for classification, without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number
from transferkit.foundation.blas import small_product
from transferkit.heads._base import (
    ALL_KINDS,
    Maps,
    TrainingData,
    check_arrays,
    flatten,
    level,
    uneven,
)
from transferkit.heads._calibration import calibrate, calibrate_each
from transferkit.heads._cross_fit import cross_fitted
from transferkit.heads._reduction import Reduction
from transferkit.heads._ridge import PENALTIES, Ridge, patterns
from transferkit.tasks import Classes, Labels, Values, deviations

Solution = tuple[NDArray[np.float64], NDArray[np.float64]]

_PREDICT_ROWS = 256  # rows processed at a time, which limits the size of the copy
_FEW_ROWS = 8
_FEW_WEIGHTS = 2**16  # weights converted to double precision at a time, for few rows


class Tried(NamedTuple):
    """Results of the search for the penalty.

    ``row_errors`` (n,) are the errors on held-out rows at the best penalty: squared for classification,
    absolute for regression. ``held_out`` (n, k) are the held-out predictions: scores of classes, or values.
    ``logits`` (n, k) are the scores after calibration.
    """

    penalty: float
    history: list[dict[str, Any]]
    row_errors: NDArray[np.float64]
    held_out: NDArray[np.float64]
    logits: NDArray[np.float64] | None = None


class LinearTraits:
    """Attributes of linear heads that estimators use; see :class:`transferkit.heads.Head`."""

    kinds: ClassVar[frozenset[str]] = ALL_KINDS
    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False
    averages_views: ClassVar[bool] = True
    half: ClassVar[bool] = False
    refinement: ClassVar[str | None] = "cascade"
    weighs_labels: ClassVar[bool] = True


@dataclass(frozen=True)
class LinearHead(LinearTraits):
    """Ridge regression on all layers together, with calibrated logits for classification.

    Training takes seconds for maps of any size, without TensorFlow.

    Parameters
    ----------
    penalty : float, optional
        Weight of the squared norm of the coefficients relative to the mean squared error, for features
        scaled so that rows have mean squared norm 1; a larger penalty gives a smoother model. By default,
        the penalty with the least error on held-out groups of training rows, computed exactly and in closed
        form.

    Notes
    -----
    The penalty is chosen by the error on held-out groups: the squared error of class codes, which rewards
    scores near the truth, or the absolute error of values, which is robust to a few large errors. Several
    values are measured in units of their standard deviations, points in a common unit.

    Columns are centred, and channels scaled to equal variance, except those with less than a thousandth of
    the usual variance, which are nearly always 0. Classes are coded as -1 and 1, which on wide
    features of frozen backbones is at least as accurate as a logistic loss. Logits come from a logistic
    regression on the *held-out* scores (Platt 1999, "Probabilistic outputs for support vector machines"), so
    that probabilities are not overconfident. With ``TrainingData.calibrate`` they are also divided by a
    temperature, since few held-out scores look more separable than new ones are. With several labels per
    image, each label is learned as two classes, all with the same penalty. With class weights, the weights of
    rows differ between labels; then each label has its own penalty, and training time is multiplied by the
    number of labels.

    A sample of weight 0 is equivalent to leaving it out. Only the ratios of weights matter: a sample of
    weight 2 is equivalent to two samples in one group, except for the strength of the weak priors of the
    calibration, which depends on the number of samples.

    Examples
    --------
    >>> from transferkit.heads import LinearHead
    >>> LinearHead(penalty=0.01)
    LinearHead(penalty=0.01)
    """

    penalty: float | None = None

    def __post_init__(self) -> None:
        """Check the penalty."""
        if self.penalty is not None and not is_number(self.penalty, above=0):
            raise InvalidInputError(f"penalty must be positive, or None to choose it. Got {self.penalty!r}.")

    def fit(self, data: TrainingData, *, shares: Sequence[float] | None = None) -> FittedLinear:
        """Return the fitted head.

        ``shares`` are the shares of the layers in the variance of a row, equal by default.
        """
        if data.label_weight is not None:
            return self._fit_each_label(data, data.label_weight, shares)
        reduction = Reduction.fit(data.maps, data.random_state, shares, uneven(data.sample_weight))
        (coefficients, intercept), tried = self.fit_rows(reduction.rows, data)
        weights, intercept = reduction.expand(coefficients, intercept)
        return FittedLinear(weights, intercept, tried.penalty, tried.history, tried.held_out, tried.logits)

    def fit_rows(
        self, rows: NDArray[np.float64], data: TrainingData, *, calibrated: bool = True
    ) -> tuple[Solution, Tried]:
        """Return coefficients and intercept for reduced rows (n, r), and how the penalty was chosen.

        Without calibration, which takes time for each label, the outputs for classification are scores.
        """
        if isinstance(data.task, Classes | Labels):
            return self._fit_classes(rows, data, data.task, calibrated)
        return self._fit_values(rows, data)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedLinear:
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""
        weights, intercept = tensors["weights"], tensors["intercept"]
        check_arrays(tensors, {"weights": ("f4", 2), "intercept": ("f8", 1)})
        penalty: Any = facts.get("penalty")
        each = penalty if isinstance(penalty, list) else [penalty]
        if set(facts) != {"penalty"} or not all(is_number(one, above=0) for one in each):
            raise ValueError(f"facts of a linear head {facts!r}")
        if weights.shape[1] != len(intercept) or (each is penalty and len(each) != len(intercept)):
            raise ValueError(f"weights {weights.shape}, intercept {intercept.shape}, penalty {penalty!r}")
        return FittedLinear(weights, intercept, each if each is penalty else float(each[0]), [])

    def _fit_each_label(
        self, data: TrainingData, label_weight: NDArray[np.float64], shares: Sequence[float] | None
    ) -> FittedLinear:
        """Fit each label as two classes, with its own weights of rows."""
        assert isinstance(data.task, Labels)
        weights, intercepts, penalties, tries = [], [], [], []
        for i, targets in enumerate(data.targets.T):
            weight = data.sample_weight * label_weight[targets, i]
            two = Classes(np.array([0, 1]))
            one = replace(data, targets=targets, task=two, sample_weight=weight, label_weight=None)
            reduction = Reduction.fit(data.maps, data.random_state, shares, uneven(weight))
            solution, tried = self.fit_rows(reduction.rows, one)
            raw, intercept = reduction.expand(*solution)
            weights.append(raw)
            intercepts.append(intercept)
            penalties.append(tried.penalty)
            tries.append(tried)
        history = [  # one row per penalty, with means over the labels
            {
                name: value if name == "penalty" else float(np.mean([row[name] for row in rows]))
                for name, value in rows[0].items()
            }
            for rows in zip(*(tried.history for tried in tries), strict=True)
        ]
        return FittedLinear(
            np.hstack(weights),
            np.concatenate(intercepts),
            penalties,
            history,
            np.hstack([tried.held_out for tried in tries]),
            np.hstack([tried.logits for tried in tries if tried.logits is not None]),
        )

    def _fit_classes(
        self, rows: NDArray[np.float64], data: TrainingData, task: Classes | Labels, calibrated: bool
    ) -> tuple[Solution, Tried]:
        """Fit class codes, and calibrate held-out scores into logits."""
        weight = level(data.sample_weight)
        codes = task.codes()[data.targets] if isinstance(task, Classes) else 2.0 * data.targets - 1
        ridge = Ridge.decompose(rows, weight)
        history: list[dict[str, Any]] = []
        best: tuple[float, NDArray[np.float64], float, NDArray[np.float64]] | None = None
        for penalty in self._penalties():
            scores = ridge.held_out(codes, penalty, data.groups)
            row_errors = np.square(scores - codes).mean(axis=1)
            squares = np.average(row_errors, weights=weight)
            right = (task.decide(scores) == data.targets).reshape(len(weight), -1)
            hits = np.average(right.mean(axis=1), weights=weight)
            history.append({"penalty": penalty, "squared_error": float(squares), "accuracy": float(hits)})
            if best is None or squares < best[0]:
                best = float(squares), scores, penalty, row_errors
        assert best is not None
        _, scores, penalty, row_errors = best
        coefficients, intercept = ridge.solve(codes, penalty)
        if not calibrated:
            return (coefficients, intercept), Tried(penalty, history, row_errors, scores)
        # Leaving a row out moves the mean code away from the class of this row; remove this bias.
        centre = weight @ codes / weight.sum()
        scores_without = scores - _centres_without(codes, weight, data.groups)

        def fit(rows: Any = slice(None)) -> Solution:
            seen = scores_without[rows], data.targets[rows], weight[rows]
            if isinstance(task, Classes):
                return calibrate(*seen, task.codes() - centre, data.calibrate)
            return calibrate_each(*seen, centre, data.calibrate)

        slope, offset = fit()
        solution = coefficients @ slope, (intercept - centre) @ slope + offset
        logits = cross_fitted(fit, scores_without, data.groups, data.random_state)
        return solution, Tried(penalty, history, row_errors, scores, logits)

    def _fit_values(self, rows: NDArray[np.float64], data: TrainingData) -> tuple[Solution, Tried]:
        """Fit values; columns with the same missing rows share a decomposition, and all share the penalty."""
        parts = [
            (columns, present, Ridge.decompose(rows[present], level(data.sample_weight[present])))
            for columns, present in patterns(data.targets)
            if data.sample_weight[present].any()
        ]
        units = np.ones(data.task.n_outputs)
        if isinstance(data.task, Values) and len(units) > 1:  # each may have its own unit
            units = deviations(data.targets, data.sample_weight)
        weights = [np.repeat(data.sample_weight[present], len(columns)) for columns, present, _ in parts]
        weight = uneven(np.concatenate(weights or [np.ones(1)]))
        history = []
        for penalty in self._penalties():
            errors = [
                np.abs(
                    (
                        ridge.held_out(data.targets[np.ix_(present, columns)], penalty, data.groups[present])
                        - data.targets[np.ix_(present, columns)]
                    )
                    / units[columns]
                ).ravel()
                for columns, present, ridge in parts
            ]
            error = np.average(np.concatenate(errors or [np.zeros(1)]), weights=weight)
            history.append({"penalty": penalty, "absolute_error": float(error)})
        penalty = min(history, key=lambda row: row["absolute_error"])["penalty"]
        coefficients = np.zeros((rows.shape[1], data.task.n_outputs))
        intercept = np.zeros(data.task.n_outputs)
        held_out = np.full(data.targets.shape, np.nan)
        for columns, present, ridge in parts:
            chosen = np.ix_(present, columns)
            coefficients[:, columns], intercept[columns] = ridge.solve(data.targets[chosen], penalty)
            held_out[chosen] = ridge.held_out(data.targets[chosen], penalty, data.groups[present])
        # The fit has not seen rows without a target, so its own predictions of these are held-out ones.
        missing = np.isnan(held_out)
        held_out[missing] = (rows @ coefficients + intercept)[missing]
        gaps = np.where(missing, 0.0, np.abs(held_out - np.where(missing, 0.0, data.targets)) / units)
        row_errors = gaps.sum(axis=1) / np.maximum((~missing).sum(axis=1), 1)
        return (coefficients, intercept), Tried(penalty, history, row_errors, held_out)

    def _penalties(self) -> tuple[float, ...]:
        return PENALTIES if self.penalty is None else (self.penalty,)


@dataclass
class FittedLinear:
    """Weights of a linear head, for raw features.

    ``held_out`` (n, k) are predictions for the training rows, each by the model trained without its group:
    values, or scores of classes before calibration. ``held_out_logits`` are these scores after a calibration
    on other groups. Neither is saved or pickled. ``penalty`` is a list if each label has its own.
    """

    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    penalty: float | list[float]
    history: list[dict[str, Any]] = field(default_factory=list)
    held_out: NDArray[np.float64] | None = field(default=None, repr=False)
    held_out_logits: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def n_outputs(self) -> int:
        """Number of values predicted for a row."""
        return len(self.intercept)

    @property
    def n_inputs(self) -> int:
        """Number of features in a row, over all layers."""
        return len(self.weights)

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return logits or values, (n, n_outputs)."""
        # In double precision, so that results hardly depend on the number of rows in the product.
        if 0 < len(maps[0]) <= _FEW_ROWS:
            return _few_rows(flatten(maps), self.weights) + self.intercept
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
        """Return everything else to save."""
        return {"penalty": self.penalty}

    def __getstate__(self) -> dict[str, Any]:
        """Drop the held-out predictions when pickling."""
        return self.__dict__ | {"held_out": None, "held_out_logits": None}


def _few_rows(rows: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the product of a few rows in double precision, without a copy of all weights."""
    product = np.zeros((len(rows), weights.shape[1]))
    step = max(1, _FEW_WEIGHTS // max(1, weights.shape[1]))
    for start in range(0, len(weights), step):
        part = slice(start, start + step)
        product += small_product(rows[:, part].astype(np.float64), weights[part].astype(np.float64))
    return product


def _centres_without(
    codes: NDArray[np.float64], weight: NDArray[np.float64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return for each row the mean code (n, k) of all rows outside its group."""
    _, group = np.unique(groups, return_inverse=True)
    members = np.zeros((group.max() + 1, codes.shape[1] + 1))
    values = np.column_stack([codes, np.ones(len(codes))]) * weight[:, None]
    np.add.at(members, group, values)
    others = values.sum(axis=0) - members[group]
    return others[:, :-1] / np.maximum(others[:, -1:], 1e-12)

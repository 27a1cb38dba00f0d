"""Compare features by the errors of linear models on held-out training rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.heads._base import TrainingData, uneven
from transferkit.heads._reduction import Reduction
from transferkit.heads.linear import LinearHead


def held_out_gain(reference: TrainingData, other: TrainingData) -> tuple[float, float]:
    """Return by how much other maps of the same rows reduce the error of a linear model, with standard error.

    Errors are those on held-out groups at the best penalty: squared for classes, absolute for values. The
    standard error is that of the paired difference.
    """
    before, after = (_row_errors(data) for data in (reference, other))
    return mean_and_error(before - after, uneven(reference.sample_weight))


def _row_errors(data: TrainingData) -> NDArray[np.float64]:
    reduction = Reduction.fit(data.maps, data.random_state, weight=uneven(data.sample_weight))
    _, tried = LinearHead().fit_rows(reduction.rows, data, calibrated=False)
    return tried.row_errors


def mean_and_error(values: NDArray[np.float64], weight: NDArray[np.float64] | None) -> tuple[float, float]:
    """Return the weighted mean and its standard error."""
    mean = np.average(values, weights=weight)
    if weight is None:
        return float(mean), float(values.std() / np.sqrt(len(values)))
    return float(mean), float(np.linalg.norm(weight * (values - mean)) / weight.sum())


def sample_rows(data: TrainingData, n_rows: int) -> NDArray[np.int64]:
    """Return at most about ``n_rows`` rows with a weight and a target: whole groups, stratified by class."""
    n = len(data.targets)
    if n <= n_rows:
        return np.arange(n)
    generator = np.random.default_rng(data.random_state)
    strata = data.task.strata(data.targets)
    strata = np.zeros(n, dtype=np.int64) if strata is None else strata
    counted = data.sample_weight > 0
    if data.task.regression:
        counted &= np.isfinite(data.targets).any(axis=1)
    n = int(np.count_nonzero(counted))
    groups: list[NDArray[np.int64]] = []
    for label in np.unique(strata):
        rows = generator.permutation(np.flatnonzero((strata == label) & counted))
        groups.append(data.groups[rows[: max(2, round(n_rows * len(rows) / n))]])
    kept: NDArray[np.int64] = np.flatnonzero(np.isin(data.groups, np.concatenate(groups)))
    if len(kept) > 2 * n_rows:  # the groups are large: keep a part of each
        kept = np.sort(generator.permutation(kept)[: 2 * n_rows])
    return kept

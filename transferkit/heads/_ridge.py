"""Ridge regression of many targets at once, some of them missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_PENALTIES = tuple(10.0 ** np.arange(-5, 1.01, 0.5))
_FOLDS = 5


def fit_ridge(
    rows: NDArray[np.float64], targets: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients (r, k) and intercept (k,) that minimise mean squared error + penalty * norm^2.

    Targets that are NaN are left out, exactly: columns that miss the same rows share one solution.
    """
    coefficients = np.zeros((rows.shape[1], targets.shape[1]))
    intercept = np.zeros(targets.shape[1])
    for columns, present in _patterns(targets):
        if not present.any():
            continue
        x, y = rows[present], targets[np.ix_(present, columns)]
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        values, left, right = _decompose(x - x_mean)
        solved = right @ ((left.T @ (y - y_mean)) * (values / (values**2 + penalty * len(x)))[:, None])
        coefficients[:, columns] = solved
        intercept[columns] = y_mean - x_mean @ solved
    return coefficients, intercept


def choose_ridge_penalty(
    rows: NDArray[np.float64], targets: NDArray[np.float64], groups: NDArray[np.int64]
) -> tuple[float, list[dict[str, float]]]:
    """Return the penalty with the least held-out absolute error, and the table of all that were tried."""
    from sklearn.model_selection import GroupKFold

    n_groups = len(np.unique(groups))
    if n_groups < 2:
        return 1e-2, []
    errors = np.zeros((len(_PENALTIES), min(_FOLDS, n_groups)))
    folds = GroupKFold(errors.shape[1]).split(rows, groups=groups)
    for fold, (train, test) in enumerate(folds):
        total, count = np.zeros(len(_PENALTIES)), 0
        for columns, present in _patterns(targets):
            kept, held = train[present[train]], test[present[test]]
            if not len(kept) or not len(held):
                continue
            x, y = rows[kept], targets[np.ix_(kept, columns)]
            x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
            values, left, right = _decompose(x - x_mean)
            projected, seen = left.T @ (y - y_mean), (rows[held] - x_mean) @ right
            truth = targets[np.ix_(held, columns)] - y_mean
            count += truth.size
            for i, penalty in enumerate(_PENALTIES):
                shrunk = projected * (values / (values**2 + penalty * len(x)))[:, None]
                total[i] += np.abs(seen @ shrunk - truth).sum()
        errors[:, fold] = total / max(count, 1)
    history = [
        {
            "penalty": float(penalty),
            "mean_absolute_error": float(row.mean()),
            "standard_error": float(row.std(ddof=1) / np.sqrt(len(row))),
        }
        for penalty, row in zip(_PENALTIES, errors, strict=True)
    ]
    return min(history, key=lambda row: row["mean_absolute_error"])["penalty"], history


def _patterns(targets: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield the columns that miss the same rows, with the rows that are present."""
    present = np.isfinite(targets)
    masks, which = np.unique(present, axis=1, return_inverse=True)
    for i in range(masks.shape[1]):
        yield np.flatnonzero(which.ravel() == i), masks[:, i]


def _decompose(
    x: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return singular values, left and right vectors, by the smaller of the two Gram matrices."""
    n, r = x.shape
    values, vectors = np.linalg.eigh(x.T @ x if r <= n else x @ x.T)
    kept = values > 1e-12 * max(values[-1], np.finfo(float).tiny)
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    if r <= n:
        return roots, (x @ vectors) / roots, vectors
    return roots, vectors, (x.T @ vectors) / roots

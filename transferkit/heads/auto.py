"""``AutoHead``: a linear head that chooses layers by cross-validation on the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.heads._base import TrainingData, uneven
from transferkit.heads._held_out import mean_and_error, sample_rows
from transferkit.heads._reduction import products_of, rows_of
from transferkit.heads.linear import FittedLinear, LinearHead, LinearTraits

Shares = dict[int, float]  # position of a layer -> its share in the variance of a row

# Enough to compare layers, few enough to try all candidates in seconds.
_SELECTION_ROWS = 1000
# Variance of an emphasised layer, relative to that of each other layer.
_EMPHASES = (4.0, 16.0)
# How many of the best candidates are averaged: the mean is at least as good as the best, partly a lucky one.
_AVERAGED = 3


@dataclass(frozen=True)
class AutoHead(LinearTraits):
    """A linear head on the mixture of layers with the least error on held-out training rows.

    The best layers depend on the images: early layers with fine maps for faces, the last one for cats and
    dogs. The candidates are all layers in equal shares, each layer alone, each with the last one, and each
    emphasised over all others. They are compared by their exact held-out errors, by group (see
    :class:`LinearHead`). The head is fitted on all rows with the mean shares of the best three candidates,
    since the best one is partly the best by luck. Only training rows are used.

    Notes
    -----
    Candidates are compared on a random sample of about 1,000 rows at most, stratified by class, so that the
    time does not grow with the data. The inner products of the rows of each layer are computed once; those of
    a candidate are their weighted sum. ``history`` has a row for each candidate: ``"layers"`` are positions,
    ``"shares"`` the shares of these in the variance of a row, ``"gain"`` the error of equal shares minus that
    of the candidate, with the ``"standard_error"`` of the paired difference. The last row is the mixture that
    is fitted: it is ``"chosen"``, and ``"why"`` explains the choice. Errors are weighted by
    ``sample_weight``.

    Examples
    --------
    >>> from transferkit.heads import AutoHead
    >>> AutoHead()
    AutoHead()
    """

    def fit(self, data: TrainingData) -> FittedLinear:
        """Return the fitted head."""
        n_layers = len(data.maps)
        if n_layers == 1:
            return LinearHead().fit(data)
        history = _try_all(data, _candidates(n_layers))
        winner = next(row for row in history if row["chosen"])
        chosen = winner["layers"]
        part = replace(data, maps=[data.maps[i] for i in chosen])
        fitted = LinearHead().fit(part, shares=winner["shares"])
        weights = _widen(fitted.weights, data, chosen)
        held_out = fitted.held_out, fitted.held_out_logits
        return FittedLinear(weights, fitted.intercept, fitted.penalty, history, *held_out)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedLinear:
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""
        return LinearHead().rebuild(tensors, facts)


def _try_all(data: TrainingData, candidates: Sequence[Shares]) -> list[dict[str, Any]]:
    """Compare all candidates with the first one, then the mean of the best; return the history."""
    sample = data.take(sample_rows(data, _SELECTION_ROWS))
    weight = uneven(sample.sample_weight)
    products = [products_of(array, weight) for array in sample.maps]
    key = "absolute_error" if data.task.regression else "squared_error"
    reference: NDArray[np.float64] | None = None
    history: list[dict[str, Any]] = []

    def attempt(shares: Shares) -> None:
        nonlocal reference
        mixed, _ = rows_of(sum((share * products[i] for i, share in shares.items()), np.zeros(())), weight)
        _, tried = LinearHead().fit_rows(mixed, sample, calibrated=False)
        reference = tried.row_errors if reference is None else reference
        gain, error = mean_and_error(reference - tried.row_errors, weight)
        best = min(tried.history, key=lambda row: row[key])
        mixture = {"layers": tuple(shares), "shares": tuple(shares.values())}
        history.append({**mixture, **best, "gain": gain, "standard_error": error, "chosen": False})

    for shares in candidates:
        attempt(shares)
    best = sorted(range(len(history)), key=lambda i: history[i][key])[:_AVERAGED]
    attempt(_mean_shares([candidates[i] for i in best]))
    history[-1] |= {"chosen": True, "why": f"the mean of the {len(best)} with the least error"}
    return history


def _mean_shares(several: Sequence[Shares]) -> Shares:
    """Return the mean share of each layer that any of them has."""
    layers = sorted(set().union(*several))
    return {i: sum(shares.get(i, 0.0) for shares in several) / len(several) for i in layers}


def _candidates(n_layers: int) -> list[Shares]:
    """Return the mixtures of layers to try, equal shares of all first."""
    everything, last = range(n_layers), n_layers - 1
    sets = [tuple(everything)]
    sets += [(i, last) for i in everything if i != last] if n_layers > 2 else []
    sets += [(i,) for i in everything]
    equal = [dict.fromkeys(chosen, 1 / len(chosen)) for chosen in sets]
    before_others = [
        {i: (times if i == first else 1) / (times + last) for i in everything}
        for times in _EMPHASES
        for first in everything
    ]
    return equal + before_others


def _widen(weights: NDArray[np.float32], data: TrainingData, layers: tuple[int, ...]) -> NDArray[np.float32]:
    """Return weights for all layers, 0 for those not chosen."""
    widths = [int(np.prod(array.shape[1:])) for array in data.maps]
    wide = np.zeros((sum(widths), weights.shape[1]), dtype=np.float32)
    source = 0
    for i, width in enumerate(widths):
        if i in layers:
            start = sum(widths[:i])
            wide[start : start + width] = weights[source : source + width]
            source += width
    return wide

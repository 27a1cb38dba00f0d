"""The head that looks for the layers worth using, on held-out rows of the training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.heads._base import TrainingData
from transferkit.heads.linear import FittedLinear, LinearHead

# Enough to tell layers apart, few enough that eight tries take seconds.
_SELECTION_ROWS = 1000


@dataclass(frozen=True)
class AutoHead:
    """A linear head on the layers that do best on held-out training rows.

    Which layers are best depends on the pictures: fine and early ones for faces, the last one for cats
    and dogs. Tried are all layers together, each alone, and each with the last one, by their errors on
    rows that the fit did not see (exact, by group, see :class:`LinearHead`). All layers win unless
    others are better by more than one standard error of the *paired* difference; among those, the best.
    The winner is then fitted on all rows. Nothing but training rows is looked at.

    Notes
    -----
    Layers are compared on at most 1,000 rows, drawn at random with the shares of the classes kept, so
    that time does not grow with the data: one small fit for each try, and one fit on all rows.
    ``history`` has a row for each try: ``"layers"`` are their positions, ``"gain"`` is the error of all
    layers less that of these, with its ``"standard_error"``, and ``"chosen"`` marks the winner.

    Examples
    --------
    >>> from transferkit.heads import AutoHead
    >>> AutoHead()
    AutoHead()
    """

    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False
    averages_views: ClassVar[bool] = True

    def fit(self, data: TrainingData) -> FittedLinear:
        """Return the fitted head; see :class:`TrainingData`."""
        candidates = _candidates(len(data.maps))
        sample = _sample(data) if len(candidates) > 1 else np.arange(len(data.targets))
        best = candidates[0]
        history: list[dict[str, Any]] = []
        if len(candidates) > 1:
            best, history = _choose(data, candidates, sample)
        fitted = LinearHead().fit(_part(data, best, np.arange(len(data.targets))))
        weights = _widen(fitted.weights, data, best)
        return FittedLinear(weights, fitted.intercept, fitted.penalty, history or fitted.history)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedLinear:
        """Return the fitted head that was saved; ValueError where arrays do not belong together."""
        return LinearHead().rebuild(tensors, facts)


def _choose(
    data: TrainingData, candidates: list[tuple[int, ...]], sample: NDArray[np.int64]
) -> tuple[tuple[int, ...], list[dict[str, Any]]]:
    """Return the winner and the table of all tries; the first candidate is the one to beat."""
    key = "absolute_error" if data.n_classes is None else "squared_error"
    history: list[dict[str, Any]] = []
    reference: NDArray[np.float64] | None = None
    for chosen in candidates:
        fitted = LinearHead().fit(_part(data, chosen, sample))
        assert fitted.row_errors is not None
        reference = fitted.row_errors if reference is None else reference
        gains = reference - fitted.row_errors
        history.append(
            {
                "layers": chosen,
                **min(fitted.history, key=lambda row: row[key]),
                "gain": float(gains.mean()),
                "standard_error": float(gains.std() / np.sqrt(len(gains))),
            }
        )
    better = [row for row in history if row["gain"] > row["standard_error"]]
    winner = max(better, key=lambda row: row["gain"]) if better else history[0]
    for row in history:
        row["chosen"] = row is winner
    return winner["layers"], history


def _candidates(n_layers: int) -> list[tuple[int, ...]]:
    """Return the sets of layers to try, the widest first."""
    last = n_layers - 1
    singles = [(i,) for i in range(n_layers)]
    pairs = [(i, last) for i in range(last)] if n_layers > 2 else []
    return list(dict.fromkeys([tuple(range(n_layers)), *pairs, *singles]))


def _sample(data: TrainingData) -> NDArray[np.int64]:
    """Return at most about 1,000 rows, of whole groups, with a share of every class."""
    n = len(data.targets)
    if n <= _SELECTION_ROWS:
        return np.arange(n)
    generator = np.random.default_rng(data.random_state)
    strata = data.targets if data.n_classes is not None else np.zeros(n, dtype=np.int64)
    groups: list[NDArray[np.int64]] = []
    for label in np.unique(strata):
        rows = generator.permutation(np.flatnonzero(strata == label))
        groups.append(data.groups[rows[: max(2, round(_SELECTION_ROWS * len(rows) / n))]])
    kept: NDArray[np.int64] = np.flatnonzero(np.isin(data.groups, np.concatenate(groups)))
    if len(kept) > 2 * _SELECTION_ROWS:  # large groups bring many rows: keep some of each
        kept = np.sort(generator.permutation(kept)[: 2 * _SELECTION_ROWS])
    return kept


def _part(data: TrainingData, layers: tuple[int, ...], rows: NDArray[np.int64]) -> TrainingData:
    """Return some layers of some rows."""
    everything = len(rows) == len(data.targets)
    return replace(
        data,
        maps=[data.maps[i] if everything else data.maps[i][rows] for i in layers],
        targets=data.targets[rows],
        sample_weight=data.sample_weight[rows],
        groups=data.groups[rows],
    )


def _widen(weights: NDArray[np.float32], data: TrainingData, layers: tuple[int, ...]) -> NDArray[np.float32]:
    """Return weights for all layers, zero for those that were not chosen."""
    widths = [int(np.prod(array.shape[1:])) for array in data.maps]
    wide = np.zeros((sum(widths), weights.shape[1]), dtype=np.float32)
    source = 0
    for i, width in enumerate(widths):
        if i in layers:
            start = sum(widths[:i])
            wide[start : start + width] = weights[source : source + width]
            source += width
    return wide

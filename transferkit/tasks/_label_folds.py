"""Stratified folds for several labels per image, which keep groups together.

Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, "On the stratification of multi-label data"):
the rarest label is distributed first, each of its rows to the fold that still needs most of that label. Here
groups are distributed instead of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label_folds(
    indicator: NDArray[np.int64], groups: NDArray[np.int64], n_folds: int, seed: int
) -> NDArray[np.int64]:
    """Return the fold of each row, in 0..n_folds - 1.

    ``indicator`` (n, n_labels) has 0 and 1. Rows of a group share a fold; with fewer groups than folds, some
    folds are empty.
    """
    generator = np.random.default_rng(seed)
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    # The absence of a label can be rare, too. Rows are counted like a label, so that folds have equal sizes.
    rare = np.where(indicator.mean(axis=0) > 0.5, 1 - indicator, indicator)
    counts = np.zeros((n_groups, rare.shape[1] + 1))
    np.add.at(counts, group, np.column_stack([rare, np.ones(len(rare))]))
    wanted = np.tile(counts.sum(axis=0) / n_folds, (n_folds, 1))
    fold = np.full(n_groups, -1)
    while (fold < 0).any():
        left = np.flatnonzero(fold < 0)
        totals = counts[left].sum(axis=0)
        totals[:-1][totals[:-1] == 0] = np.inf
        totals[-1] = np.inf if np.isfinite(totals[:-1]).any() else totals[-1]
        label = int(totals.argmin())
        members = generator.permutation(left[counts[left, label] > 0])
        for one in members[
            np.argsort(-counts[members, label], kind="stable")
        ]:  # large groups first, because they fit nowhere later
            place = _neediest(wanted, label, generator)
            fold[one] = place
            wanted[place] -= counts[one]
    return fold[group]


def _neediest(wanted: NDArray[np.float64], label: int, generator: np.random.Generator) -> int:
    """Return the fold that needs most of a label; break ties by the rows needed, then at random."""
    best = np.arange(len(wanted))
    for column in (label, -1):
        values = wanted[best, column]
        best = best[values > values.max() - 1e-9]
    return int(generator.choice(best)) if len(best) > 1 else int(best[0])

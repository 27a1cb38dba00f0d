"""Quantiles with a promise for one image more: those of conformal prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


def conformal_quantile(scores: Floats, weight: Floats, groups: NDArray[np.int32], share: float) -> float:
    """Return what a new score does not exceed with a probability of at least ``share`` [1]_; maybe infinity.

    Of n scores of equal weight, that is the one at position ``ceil((n + 1) * share)`` in ascending order: the
    new one is as likely at each of n + 1 positions among them. If that is more than n, no score is large
    enough.

    Parameters
    ----------
    scores, weight : ndarray of float64, shape (n,)
        Weights above 0; the new score has their mean.
    groups : ndarray of int, shape (n,)
        Scores of one group count as one together: the new one is of another [2]_.
    share : float
        In (0, 1).

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic learning in a random world", 2005.
    .. [2] Y. Lee, R. Barber and R. Willett, "Distribution-free inference with hierarchical data", 2023.
    """
    if not len(scores):
        return float("inf")
    group, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    weight = weight / sizes[group]  # a group has the mean weight of its scores
    n_groups = len(sizes)
    weight = weight * (n_groups / weight.sum())
    order = np.argsort(scores, kind="stable")
    needed = share * (n_groups + 1) * (1 - _ROUNDING)
    position = int(np.searchsorted(np.cumsum(weight[order]), needed))
    return float(scores[order][position]) if position < len(scores) else float("inf")

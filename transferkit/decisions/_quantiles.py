"""Quantiles of conformal prediction, which hold for a new image with a guaranteed probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


def conformal_quantile(scores: Floats, weight: Floats, groups: NDArray[np.int32], share: float) -> float:
    """Return a bound that a new score does not exceed with a probability of at least ``share`` [1]_.

    Of n scores of equal weight, it is the one at position ``ceil((n + 1) * share)`` in ascending order, since
    the new score is equally likely to be at each of n + 1 positions among them. If this position is more than
    n, no score is large enough, and the bound is infinite.

    Parameters
    ----------
    scores, weight : ndarray of float64, shape (n,)
        Weights are above 0; that of the new score is their mean.
    groups : ndarray of int, shape (n,)
        Scores of one group together count as one; the new score is of another group [2]_.
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

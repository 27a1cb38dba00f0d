"""Bootstrap resamples as sample weights.

A resample is a vector of how often each row was drawn. Weighted figures are a few sums, so that thousands are
computed at once, and two models can be evaluated on the *same* resamples for a paired difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation import arguments

__all__ = ["Resampling", "mean_of_defined", "medians", "ratio"]

Floats = npt.NDArray[np.float64]
_BLOCK = 1_000_000  # weights computed at a time: 8 MB
_TRIES = 100  # for resamples that have all strata; of one that a single row of two has, a quarter lack it


class Resampling:
    """Seeded bootstrap resamples of n rows [1]_.

    Parameters
    ----------
    n : int
        Number of rows.
    groups : array-like, shape (n,), optional
        Rows in one group, such as the images of one person, are drawn together, as they are not
        independent. By default each row is its own group.
    strata : ndarray of int, shape (n,), optional
        Classes, none of which may disappear: a resample that lacks one is drawn again. The number of rows of
        each class varies, as in new images; keeping it fixed would make intervals of accuracy and losses too
        narrow.
    n_resamples : int, default=1000
    seed : int, default=0

    Raises
    ------
    InvalidInputError
        ``groups`` does not have one entry per row, or ``n_resamples`` or ``seed`` is invalid.

    References
    ----------
    .. [1] B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993.

    Examples
    --------
    >>> weights = next(iter(Resampling(5, n_resamples=2)))
    >>> weights.shape, weights.sum(axis=1).tolist()
    ((2, 5), [5.0, 5.0])
    """

    def __init__(
        self,
        n: int,
        *,
        groups: npt.ArrayLike | None = None,
        strata: npt.NDArray[np.int64] | None = None,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        problems = arguments.seed("seed", seed)
        if not arguments.is_count(n_resamples):
            problems.append(f"n_resamples must be a positive integer. Got {n_resamples!r}.")
        arguments.check(problems)
        self.n = n
        self.n_resamples = n_resamples
        self.seed = seed
        self._grouped = groups is not None
        self._group = _numbered(groups, n)
        self.n_groups = int(self._group.max()) + 1 if n else 0
        self._has = _presence(self._group, self.n_groups, strata)

    def __iter__(self) -> Iterator[Floats]:
        """Yield the weights of the resamples in blocks of shape (block, n)."""
        generator = np.random.default_rng(self.seed)
        size = max(1, _BLOCK // max(1, self.n))
        for start in range(0, self.n_resamples, size):
            counts = self._drawn(generator, min(size, self.n_resamples - start))
            for _ in range(_TRIES):
                lacking = np.flatnonzero((counts @ self._has <= 0).any(axis=1))
                if not len(lacking):
                    break
                counts[lacking] = self._drawn(generator, len(lacking))
            yield counts[:, self._group]

    def _drawn(self, generator: np.random.Generator, some: int) -> Floats:
        """Return how often each group is drawn in some resamples."""
        drawn = generator.integers(0, self.n_groups, (some, self.n_groups))
        drawn += np.arange(some)[:, None] * self.n_groups
        counts = np.bincount(drawn.ravel(), minlength=some * self.n_groups)
        return counts.reshape(some, self.n_groups).astype(np.float64)

    @property
    def is_known(self) -> bool:
        """Whether there are enough groups to estimate variation: two, and two of each stratum.

        Without groups, a stratum may have a single row.
        """
        alone = self._grouped & (self._has.sum(axis=0) < 2)
        return self.n_groups > 1 and not bool(alone.any())

    def apply(self, statistic: Callable[[Floats], Any]) -> Floats:
        """Return the statistic of all resamples.

        Parameters
        ----------
        statistic : callable
            Maps weights (b, n) to values (b,) or (b, m).

        Returns
        -------
        ndarray, shape (n_resamples,) or (n_resamples, m)
            All NaN if there is only one group, or one of a stratum, as its variation is unknown.
        """
        if not self.is_known:
            return np.asarray(statistic(np.ones((self.n_resamples, self.n)))) * np.nan
        return np.concatenate([np.asarray(statistic(weights)) for weights in self])


def _numbered(groups: npt.ArrayLike | None, n: int) -> npt.NDArray[np.int64]:
    """Return the group of each row as an index into the sorted labels."""
    if groups is None:
        return np.arange(n)
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InvalidInputError(
            f"groups has shape {labels.shape} but there are {n} images. Pass one group per image."
        )
    return np.unique(labels, return_inverse=True)[1]


def _presence(group: npt.NDArray[np.int64], n_groups: int, strata: npt.NDArray[np.int64] | None) -> Floats:
    """Return which groups have rows of which stratum, (n_groups, n_strata)."""
    if strata is None:
        return np.zeros((n_groups, 0))
    found, stratum = np.unique(strata, return_inverse=True)
    has = np.zeros((n_groups, len(found)))
    has[group, stratum] = 1
    return has


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide; 0 / 0 gives NaN."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def medians(weights: Floats, values: Floats) -> Floats:
    """Return the median of sorted values repeated by integer weights; NaN if all weights are 0."""
    if not len(values):
        return np.full(len(weights), np.nan)
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1]
    middle = [
        values[np.minimum((reached <= place[:, None]).sum(axis=1), len(values) - 1)]
        for place in ((total - 1) // 2, total // 2)
    ]
    return np.where(total > 0, np.mean(middle, axis=0), np.nan)


def mean_of_defined(values: Floats) -> Floats:
    """Return the mean of each row, ignoring NaN; NaN if nothing is left."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(float))

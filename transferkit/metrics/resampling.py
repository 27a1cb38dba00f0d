"""The bootstrap: the same images drawn again, with replacement, as weights of rows.

A resample is a vector that says how often each row was drawn. A figure of merit under weights is
a few sums, so that a thousand of them are computed at once, and two models can be asked about the *same*
resamples: the difference of their figures is then paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation import arguments as checks

__all__ = ["Resampling", "ratio"]

Floats = npt.NDArray[np.float64]
_BLOCK = 1_000_000  # weights at a time: 8 MB


class Resampling:
    """Seeded bootstrap resamples of n rows [1]_.

    Parameters
    ----------
    n : int
        Number of rows.
    groups : array-like, shape (n,), optional
        Rows of one group, such as the pictures of one person, are drawn together, since they are not
        independent. By default each row is its own group.
    strata : ndarray of int, shape (n,), optional
        As many groups of each stratum are drawn as there are, so that no class vanishes. Left aside where a
        group has rows of several strata.
    n_resamples : int, default=1000
    seed : int, default=0

    Raises
    ------
    InvalidInputError
        ``groups`` has not one entry for each row, or ``n_resamples`` is below 1, or a seed is none.

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
        problems = checks.seed("seed", seed)
        if not checks.is_count(n_resamples):
            problems.append(f"n_resamples must be 1 or more. Got {n_resamples!r}.")
        checks.check(problems)
        self.n = n
        self.n_resamples = n_resamples
        self.seed = seed
        self._group = _numbered(groups, n)
        self.n_groups = int(self._group.max()) + 1 if n else 0
        self._members = _split_by_stratum(self._group, self.n_groups, strata)

    def __iter__(self) -> Iterator[Floats]:
        """Yield the weights of some resamples at a time, shape (some, n)."""
        generator = np.random.default_rng(self.seed)
        size = max(1, _BLOCK // max(1, self.n))
        for start in range(0, self.n_resamples, size):
            some = min(size, self.n_resamples - start)
            counts = np.zeros((some, self.n_groups))
            offsets = np.arange(some)[:, None]
            for members in self._members:
                drawn = generator.integers(0, len(members), (some, len(members))) + offsets * len(members)
                counts[:, members] = np.bincount(drawn.ravel(), minlength=some * len(members)).reshape(
                    some, -1
                )
            yield counts[:, self._group]

    def apply(self, statistic: Callable[[Floats], Any]) -> Floats:
        """Return the statistics of all resamples.

        Parameters
        ----------
        statistic : callable
            From weights (b, n) to values (b,) or (b, m).

        Returns
        -------
        ndarray, shape (n_resamples,) or (n_resamples, m)
            NaN throughout where there is one group only, which says nothing of others.
        """
        if self.n_groups < 2:
            return np.asarray(statistic(np.ones((self.n_resamples, self.n)))) * np.nan
        return np.concatenate([np.asarray(statistic(weights)) for weights in self])


def _numbered(groups: npt.ArrayLike | None, n: int) -> npt.NDArray[np.int64]:
    """Return the number of the group of each row, in the sorted order of their labels."""
    if groups is None:
        return np.arange(n)
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise InvalidInputError(
            f"groups has shape {labels.shape} but there are {n} images. Each image needs one group."
        )
    return np.unique(labels, return_inverse=True)[1]


def _split_by_stratum(
    group: npt.NDArray[np.int64], n_groups: int, strata: npt.NDArray[np.int64] | None
) -> list[npt.NDArray[np.int64]]:
    """Return the groups of each stratum, or all in one where they do not lie within strata."""
    everything = [np.arange(n_groups)]
    if strata is None or n_groups == 0:
        return everything
    pairs = np.unique(np.stack([group, strata]), axis=1)
    if pairs.shape[1] > n_groups:
        return everything
    return [pairs[0, pairs[1] == stratum] for stratum in np.unique(strata)]


def ratio(part: Floats, whole: Floats) -> Floats:
    """Divide, with NaN for nothing of nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)

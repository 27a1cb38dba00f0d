"""Find fitted images with exactly the same content as a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SameContent:
    """The contents of queries and of fitted images as numbers; -1 if no fitted image has a query's content.

    Called with rows of fitted images (n, any), it returns which of them have the content of the query.
    """

    of_queries: Rows
    of_fitted: Rows

    @property
    def most(self) -> int:
        """Largest number of fitted images that have the content of one query."""
        counts = np.bincount(self.of_fitted)
        return int(counts[self.of_queries[self.of_queries >= 0]].max(initial=0))

    def __call__(self, rows: Rows) -> NDArray[np.bool_]:
        """Return True for fitted images with the content of the query."""
        same: NDArray[np.bool_] = self.of_fitted[rows] == self.of_queries[:, None]
        return same


def same_content(queries: Sequence[str | None], fitted: Sequence[str | None]) -> SameContent:
    """Return an object that compares these digests."""
    numbers = {digest: number for number, digest in enumerate(dict.fromkeys(fitted))}
    return SameContent(
        np.array([-1 if digest is None else numbers.get(digest, -1) for digest in queries]),
        np.array([numbers[digest] for digest in fitted]),
    )

"""Which fitted images have the content of a query, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class SameContent:
    """The content of queries and of fitted images, as numbers; -1 for a query that is none of these.

    Called with rows of fitted images (n, any), it returns which of them have the content of the query.
    """

    of_queries: Rows
    of_fitted: Rows

    @property
    def most(self) -> int:
        """How many fitted images have the content of one query, at most."""
        counts = np.bincount(self.of_fitted)
        return int(counts[self.of_queries[self.of_queries >= 0]].max(initial=0))

    def __call__(self, rows: Rows) -> NDArray[np.bool_]:
        """Compare."""
        same: NDArray[np.bool_] = self.of_fitted[rows] == self.of_queries[:, None]
        return same


def same_content(queries: Sequence[str | None], fitted: Sequence[str | None]) -> SameContent:
    """Return the comparison of these digests."""
    numbers = {digest: number for number, digest in enumerate(dict.fromkeys(fitted))}
    return SameContent(
        np.array([-1 if digest is None else numbers.get(digest, -1) for digest in queries]),
        np.array([numbers[digest] for digest in fitted]),
    )

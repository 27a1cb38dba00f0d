"""Find groups of things that are linked directly or through others (connected components)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def linked_groups(n: int, first: Rows, second: Rows) -> Rows:
    """Return the group number of each of n things, shape (n,), given pairs of linked ones."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(n, n))
    groups: Rows = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups

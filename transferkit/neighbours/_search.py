"""Find the nearest of many vectors: a library finds candidates, then exact distances are computed.

scikit-learn compares each query with all vectors, faiss with those of the nearest cells. Both only find
candidates: the distances between a query and its candidates are computed here from differences, so that they
do not depend on the library or on other queries, and equal vectors are at distance 0.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from transferkit.errors import MissingDependencyError
from transferkit.foundation.forks import was_forked

logger = logging.getLogger("transferkit")

METRICS = ("cosine", "euclidean")
METHODS = ("auto", "exact", "approximate")
EXACT_UP_TO = 100_000  # images; comparing one image with so many takes an eighth of a second
_SPARE = 8  # additional candidates, because rounding decides among the last ones
_BLOCK = 1 << 24  # numbers that are compared at a time
_ROUNDING = 1e-6  # rounding of distances from products, which are not exactly 0 for equal vectors
_SAME = 1e-12  # rounding of 1 - cosine for vectors of the same direction
_CELLS_VISITED = 32  # out of 2 sqrt(n) cells; see benchmarks/neighbours.py
_FEWEST_IN_CELL = 40  # vectors per cell that k-means needs

Vectors = NDArray[np.float32]
Rows = NDArray[np.int64]


class Search:
    """The vectors of a collection, ready to be searched.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
        Features of the images.
    metric : {"cosine", "euclidean"}
        Distance to use.
    method : {"auto", "exact", "approximate"}
        Whether to search all vectors; "auto" is "exact" for up to 100,000 vectors.

    Raises
    ------
    MissingDependencyError
        The method is "approximate", and faiss is not installed.
    """

    def __init__(self, vectors: Vectors, metric: str, method: str) -> None:
        self._cosine = metric == "cosine"
        self._points = self._place(vectors)
        self._all = NearestNeighbors(algorithm="brute").fit(self._points)
        self._cells = None
        many = method == "approximate" or (method == "auto" and len(vectors) > EXACT_UP_TO)
        if many and not was_forked():  # the threads of faiss would wait forever
            self._cells = _cells(self._points, required=method == "approximate")

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self._points)

    def nearest(
        self, vectors: Vectors, k: int, left_out: Callable[[Rows], NDArray[np.bool_]], n_left_out: int
    ) -> tuple[Rows, NDArray[np.float64]]:
        """Return rows and distances (n, k) of the nearest vectors, nearest first; ties are in row order.

        Parameters
        ----------
        vectors : ndarray of float32, shape (n, d)
            Features of the queries.
        k : int
            Number of neighbours.
        left_out : callable
            Returns True for candidates (n, any) to leave out of the result.
        n_left_out : int
            Largest number of candidates that are left out for one query.
        """
        queries = self._place(vectors)
        wanted = min(k + n_left_out + _SPARE, len(self._points))
        candidates = self._compared if self._cells is None or was_forked() else self._visited
        found = candidates(queries, wanted)
        short = np.flatnonzero((~left_out(found) & (found >= 0)).sum(axis=1) < k)
        if len(short):
            found[short] = self._compared(queries[short], wanted)
        distances = self._distances(queries, found)
        distances[left_out(found) | (found < 0)] = np.inf
        order = np.lexsort((found, distances), axis=1)[:, :k]
        return np.take_along_axis(found, order, 1), np.take_along_axis(distances, order, 1)

    def _compared(self, queries: Vectors, k: int) -> Rows:
        """Return candidates from a search of all vectors."""
        with _without_threads():
            found: Rows = self._all.kneighbors(queries, k, return_distance=False).astype(np.int64)
        return found

    def _visited(self, queries: Vectors, k: int) -> Rows:
        """Return candidates from the cells around each query; -1 if there are fewer than k."""
        assert self._cells is not None
        found: Rows = self._cells.search(queries, k)[1]
        return found

    def pairs(self, threshold: float) -> tuple[Rows, Rows]:
        """Return the pairs of vectors whose distance is at most the threshold, up to rounding."""
        radius = math.sqrt(2 * threshold) if self._cosine else threshold
        longest = float(np.sqrt(np.square(self._points, dtype=np.float64).sum(axis=1).max(initial=0.0)))
        with _without_threads():  # errors of distances from products are proportional to the vectors' lengths
            graph = self._all.radius_neighbors_graph(radius=radius * (1 + _ROUNDING) + _ROUNDING * longest)
        first, second = (half.astype(np.int64) for half in graph.nonzero())
        first, second = first[first < second], second[first < second]
        if not len(first):
            return first, second
        blocks = np.array_split(np.arange(len(first)), -(-len(first) // self._step(1)))
        distances = [self._distances(self._points[first[rows]], second[rows, None])[:, 0] for rows in blocks]
        near = np.concatenate(distances) <= threshold * (1 + _ROUNDING) + _SAME
        return first[near], second[near]

    def _place(self, vectors: Vectors) -> Vectors:
        """Return points whose Euclidean distances rank like the metric.

        Half the squared distance of two vectors of length 1 is 1 - cosine. A vector of zeros has no
        direction, and gets one of its own, at distance 1 from all others.
        """
        if not self._cosine:
            return vectors
        lengths = np.sqrt(np.square(vectors, dtype=np.float64).sum(axis=1, keepdims=True))
        points = np.zeros((len(vectors), vectors.shape[1] + 1), np.float32)
        np.divide(vectors, lengths, out=points[:, :-1], where=lengths > 0, casting="same_kind")
        points[:, -1] = lengths[:, 0] == 0
        return points

    def _step(self, n_candidates: int) -> int:
        """Return the number of queries to compare at a time."""
        return max(1, _BLOCK // max(1, n_candidates * self._points.shape[1]))

    def _distances(self, queries: Vectors, found: Rows) -> NDArray[np.float64]:
        """Return the distances of each query to its candidates."""
        squares = np.empty(found.shape)
        step = self._step(found.shape[1])
        for i in range(0, len(found), step):
            near = self._points[found[i : i + step]].astype(np.float64)
            squares[i : i + step] = np.square(near - queries[i : i + step, None]).sum(axis=2)
        return squares / 2 if self._cosine else np.sqrt(squares)


def _cells(points: Vectors, *, required: bool) -> Any:
    """Return a faiss index, or None if faiss is neither installed nor required."""
    try:
        import faiss
    except ImportError as error:
        if required:
            raise MissingDependencyError("faiss-cpu", "neighbours", 'method="approximate"') from error
        logger.info("%d images are compared one by one: faiss is not installed.", len(points))
        return None
    # Each vector belongs to the nearest of some centres, found by k-means with a fixed seed; for a query,
    # only the cells around it are visited. Unlike a graph index, the result is the same in each process.
    n_cells = max(1, min(int(2 * math.sqrt(len(points))), len(points) // _FEWEST_IN_CELL))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(points.shape[1]), points.shape[1], n_cells)
    index.cp.seed, index.cp.max_points_per_centroid = 0, 64
    index.train(points)
    index.add(points)
    index.nprobe = _CELLS_VISITED
    return index


def _without_threads() -> Any:
    """Make scikit-learn use matrix products, because its own threads would wait forever in a forked child."""
    return sklearn.config_context(enable_cython_pairwise_dist=False)

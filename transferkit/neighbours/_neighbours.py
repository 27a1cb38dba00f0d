"""The result of a query for nearest images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.tables import Table, render_html, render_text
from transferkit.images import Reader


@dataclass(frozen=True)
class Neighbours:
    """The k nearest images of each of n queries, nearest first.

    Attributes
    ----------
    indices : ndarray of int64, shape (n, k)
        Positions in the list that was passed to ``fit``, whether or not all of it could be read.
    distances : ndarray of float64, shape (n, k)
        Cosine distances, from 0 (the same features) to 2; or lengths in feature space for "euclidean".
    paths : ndarray of object, shape (n, k)
        Files of the neighbours, as passed to ``fit``; None for images that were not files.
    rows : ndarray of int64, shape (n,)
        Position of each query in X. If all fitted images were queried, those that could not be read are
        missing.
    queries : sequence of images
        The queried images, one for each row.
    own : bool
        Whether all fitted images were queried.
    reader : transferkit.images.Reader
        How the images were read, so that plots show the same pictures.

    Examples
    --------
    >>> neighbours = nearest.query("new.jpg", k=3)  # doctest: +SKIP
    >>> neighbours.paths[0]  # doctest: +SKIP
    array(['cats/12.jpg', 'cats/7.jpg', 'dogs/3.jpg'], dtype=object)
    """

    indices: NDArray[np.int64]
    distances: NDArray[np.float64]
    paths: NDArray[np.object_]
    rows: NDArray[np.int64]
    queries: Sequence[Any] = field(repr=False)
    own: bool = False
    reader: Reader = field(default=Reader(), repr=False)

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.indices)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each neighbour, such as for ``pandas.DataFrame``.

        Returns
        -------
        list of dict
            ``query`` (its position), ``rank`` (from 1), ``index``, ``distance``, ``path``.
        """
        return [
            {
                "query": int(self.rows[i]),
                "rank": rank + 1,
                "index": int(self.indices[i, rank]),
                "distance": float(self.distances[i, rank]),
                "path": self.paths[i, rank],
            }
            for i in range(len(self))
            for rank in range(self.indices.shape[1])
        ]

    def _table(self) -> Table:
        header = ("query", "rank", "index", "distance", "path")
        rows = [{**row, "distance": f"{row['distance']:.4g}"} for row in self.to_rows()]
        return Table(header, [[str(row[name]) for name in header] for row in rows], left=(4,))

    def __str__(self) -> str:
        """Return an aligned table."""
        return render_text(self._table())

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        return render_html(self._table())

"""Novelty: how different an image is from the training images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_ROWS = 1024  # largest number of training images that are kept for comparison: 2 MB in a model file
FEWEST_ROWS = 8
_BLOCK = 1024
_ROUNDING = 1e-12  # rounding of the distance between equal vectors


@dataclass(frozen=True, eq=False)
class Novelty:
    """Training images as unit vectors, and the distance of each to its nearest one.

    Attributes
    ----------
    vectors : ndarray of float16, shape (n, d)
        Features of length 1.
    distances : ndarray of float32, shape (n,)
        Distance of each to the nearest one of another group, sorted in ascending order.
    n_groups : int
        Number of their groups; several images of one group tell little more than one of them.

    Notes
    -----
    The cosine distance to the nearest training image (Sun et al. 2022, "Out-of-distribution detection with
    deep nearest neighbors", ICML) assumes no distribution of the features, and needs only few images.
    """

    vectors: NDArray[np.float16]
    distances: NDArray[np.float32]
    n_groups: int

    @classmethod
    def fit(cls, vectors: NDArray[Any], groups: NDArray[np.int64]) -> Novelty | None:
        """Return the record of these images (n, d); None if they are too few, or all of one group.

        Each image is compared with those of other groups only, since a new image is of a new group, too.
        """
        if len(vectors) < FEWEST_ROWS or len(np.unique(groups)) < 2:
            return None
        kept = _directions(vectors)
        unit = _unit(kept)
        distances = np.concatenate(
            [
                _nearest(unit[rows], unit, groups[rows, None] == groups[None])
                for rows in np.array_split(np.arange(len(kept)), -(-len(kept) // _BLOCK))
            ]
        )
        return cls(kept, np.sort(distances).astype(np.float32), len(np.unique(groups)))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state; earlier versions had no groups, so count each image as one."""
        self.__dict__.update({"n_groups": len(state["distances"])} | state)

    def score(self, vectors: NDArray[Any]) -> Floats:
        """Return for each vector (m, d) the share of training images that are nearer to the others."""
        known = _unit(self.vectors)
        blocks = np.array_split(_unit(_directions(vectors)), max(1, -(-len(vectors) // _BLOCK)))
        distances = np.concatenate([_nearest(block, known) for block in blocks]).astype(np.float32)
        below: Floats = np.searchsorted(self.distances, distances) / len(self.distances)
        return below

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        n_groups = np.array([self.n_groups], np.int64)
        return {"vectors": self.vectors, "distances": self.distances, "n_groups": n_groups}

    def facts(self) -> dict[str, Any]:
        """Return what else to save: nothing."""
        return {}


def rebuild_novelty(tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> Novelty:
    """Return the saved record; raise ValueError if the arrays do not fit together."""
    one_each = np.array([len(tensors["distances"])], np.int64)
    tensors = {"n_groups": one_each, **tensors}  # earlier versions had none
    if set(tensors) != {"vectors", "distances", "n_groups"} or facts:
        raise ValueError(f"a novelty of {sorted(tensors)} and {facts!r}")
    vectors, distances, n_groups = tensors["vectors"], tensors["distances"], tensors["n_groups"]
    fits = (
        (vectors.dtype, vectors.ndim, distances.dtype) == (np.float16, 2, np.float32)
        and distances.shape == (len(vectors),)
        and len(vectors) >= FEWEST_ROWS
        and (n_groups.dtype, n_groups.shape) == (np.int64, (1,))
        and 2 <= n_groups[0] <= len(vectors)
        and bool(np.isfinite(vectors).all() and np.isfinite(distances).all())
        and bool((np.diff(distances) >= 0).all())
    )
    if not fits:
        raise ValueError(f"a novelty of vectors {vectors.shape}, distances {distances.shape}, {n_groups!r}")
    return Novelty(vectors, distances, int(n_groups[0]))


def _directions(vectors: NDArray[Any]) -> NDArray[np.float16]:
    """Return vectors as they are stored; new ones are rounded in the same way before they are compared."""
    return _unit(vectors).astype(np.float16)


def _unit(vectors: NDArray[Any]) -> Floats:
    """Scale vectors to length 1; zeros stay."""
    vectors = vectors.astype(np.float64)
    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _nearest(queries: Floats, vectors: Floats, hidden: NDArray[np.bool_] | None = None) -> Floats:
    """Return the cosine distance (m,) of each query to the nearest vector that is not hidden (m, n)."""
    similar = queries @ vectors.T
    if hidden is not None:
        similar[hidden] = -np.inf
    # Computed again for the nearest only: a matrix product may be rounded differently in another batch.
    distances = 1 - (queries * vectors[similar.argmax(axis=1)]).sum(axis=1)
    found: Floats = np.where(distances < _ROUNDING, 0.0, distances)
    return found

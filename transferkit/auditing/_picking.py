"""Which images to label next: those that a model is unsure of, and that differ from each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def uncertainty(probabilities: Floats, *, several: bool) -> Floats:
    """Return how unsure a model is of each image (n,), from 0 to 1.

    Of classes, 1 less the margin between the two most probable ones; of several labels for each image, the
    same of the least sure label, which is there or is not.
    """
    if several:
        return (1 - np.abs(2 * probabilities - 1)).max(axis=1)
    two = np.sort(probabilities, axis=1)[:, -2:]
    unsure: Floats = 1 - (two[:, 1] - two[:, 0])
    return unsure


def pick(
    unsure: Floats, vectors: NDArray[np.float32], n: int, repeats: Callable[[int, list[int]], bool]
) -> list[int]:
    """Return up to n rows, one after the other: each time that of the largest uncertainty times distance.

    The distance is that to the nearest image that was picked before, so the first is the one that the model
    is least sure of. With equal uncertainties, this is farthest-first traversal [1]_.

    Parameters
    ----------
    unsure : ndarray of float64, shape (n_images,)
    vectors : ndarray of float32, shape (n_images, d)
        Features; distances are those of their directions from the mean of all.
    n : int
    repeats : callable
        Given a row and those that were picked: whether it shows the same as one of them. It is left out.

    References
    ----------
    .. [1] T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
       Science 38, 1985.
    """
    directions = vectors - vectors.mean(axis=0)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    chosen: list[int] = []
    worth = unsure + 1e-9  # also what the model is sure of, once nothing else is left
    nearest = np.full(len(unsure), 2.0)  # no distance is larger
    left = np.ones(len(unsure), bool)
    while left.any() and len(chosen) < n:
        row = int(np.where(left, worth * nearest, -1).argmax())
        left[row] = False
        if not repeats(row, chosen):
            chosen.append(row)
            cosines = directions @ directions[row]
            nearest = np.minimum(nearest, np.sqrt(np.maximum(2 - 2 * cosines, 0)))
    return chosen

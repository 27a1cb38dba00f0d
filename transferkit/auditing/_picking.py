"""Pick images that a model is unsure of and that differ from each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def uncertainty(probabilities: Floats, *, several: bool) -> Floats:
    """Return the uncertainty of each image (n,), from 0 to 1.

    For classes, it is 1 minus the margin between the two most probable ones. For several labels per image, it
    is the same for the least certain label, where the two classes are its presence and its absence.
    """
    if several:
        return (1 - np.abs(2 * probabilities - 1)).max(axis=1)
    two = np.sort(probabilities, axis=1)[:, -2:]
    unsure: Floats = 1 - (two[:, 1] - two[:, 0])
    return unsure


def pick(
    unsure: Floats, vectors: NDArray[np.float32], n: int, repeats: Callable[[int, list[int]], bool]
) -> list[int]:
    """Return up to n rows; each is the one with the largest uncertainty times distance.

    The distance is that to the nearest image picked before; the first image is the most uncertain one. With
    equal uncertainties, this is farthest-first traversal [1]_.

    Parameters
    ----------
    unsure : ndarray of float64, shape (n_images,)
    vectors : ndarray of float32, shape (n_images, d)
        Features; distances are between their directions as seen from the mean.
    n : int
    repeats : callable
        Given a row and the rows picked before, returns whether it shows the same as one of them; such rows
        are left out.

    References
    ----------
    .. [1] T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer
       Science 38, 1985.
    """
    directions = vectors - vectors.mean(axis=0)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    chosen: list[int] = []
    worth = unsure + 1e-9  # so that certain images are picked, too, once no others are left
    nearest = np.full(len(unsure), 2.0)  # the largest possible distance
    left = np.ones(len(unsure), bool)
    while left.any() and len(chosen) < n:
        row = int(np.where(left, worth * nearest, -1).argmax())
        left[row] = False
        if not repeats(row, chosen):
            chosen.append(row)
            cosines = directions @ directions[row]
            nearest = np.minimum(nearest, np.sqrt(np.maximum(2 - 2 * cosines, 0)))
    return chosen

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
    unsure: Floats,
    vectors: NDArray[np.float32],
    n: int,
    generator: np.random.Generator,
    repeats: Callable[[int, list[int]], bool],
) -> list[int]:
    """Return up to n rows, drawn one after the other as k-means++ draws its centres [1]_.

    The chance of an image is its uncertainty times its squared distance to the nearest one that was drawn
    before. The first is the one that the model is least sure of.

    Parameters
    ----------
    unsure : ndarray of float64, shape (n_images,)
    vectors : ndarray of float32, shape (n_images, d)
        Features; distances are those of their directions from the mean of all.
    n : int
    generator : numpy.random.Generator
    repeats : callable
        Given a row and those that were picked: whether it shows the same as one of them. It is left out.

    References
    ----------
    .. [1] D. Arthur and S. Vassilvitskii, "k-means++: The advantages of careful seeding", SODA 2007.
    """
    directions = vectors - vectors.mean(axis=0)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    chosen: list[int] = []
    chance = unsure + 1e-9  # also of what the model is sure of, once nothing else is left
    nearest = np.full(len(unsure), np.inf)
    row = int(unsure.argmax())
    while True:
        chance[row] = 0
        if not repeats(row, chosen):
            chosen.append(row)
            nearest = np.minimum(nearest, np.maximum(2 - 2 * (directions @ directions[row]), 0))
        weight = chance * nearest if chosen else chance
        if len(chosen) == n or not weight.any():
            return chosen
        row = int(generator.choice(len(weight), p=weight / weight.sum()))

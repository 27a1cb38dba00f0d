"""Wide squares around the subjects of training images, from which a network learns to find them anywhere.

In most images of a dataset the subject is in the middle and has the same size. A network trained on these
only misses subjects that are small and far from the middle.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.refinement import has_place
from transferkit.keypoints import Pairs
from transferkit.views import Crops

Floats = NDArray[np.float64]

# Smallest and largest side, in sizes of the shape. On faces, of which whole images show about 2.7 sizes.
_SIDES = (1.6, 4.5)


def wide_squares(
    points: Floats, mirror: bool, pairs: Pairs | None, random_state: int
) -> tuple[Crops, Floats]:
    """Return an upright square for each shape, with the shape in a random place, and its target points.

    A square depends only on its own shape and on the seed, not on other rows.

    Parameters
    ----------
    points : ndarray, shape (n, k, 2)
        True points in pixels; NaN is a missing point.
    mirror : bool
        Whether half of the squares, drawn at random, are mirrored.
    pairs : tuple of (int, int) or None
    random_state : int

    Returns
    -------
    Crops
        The squares.
    ndarray, shape (n, k, 2)
        Points in pixels; NaN if too few are known to determine the size of the shape.
    """
    present = np.isfinite(points)
    low = np.where(present, points, np.inf).min(axis=1)
    high = np.where(present, points, -np.inf).max(axis=1)
    low, high = (np.where(np.isfinite(edge), edge + 0.5, 0.0) for edge in (low, high))
    drawn = np.stack([_generator(row, random_state).random(4) for row in points])
    smallest, largest = np.log(_SIDES)
    sides = np.maximum((high - low).max(axis=1), 1.0) * np.exp(smallest + (largest - smallest) * drawn[:, 0])
    away = (drawn[:, 1:3] - 0.5) * (sides[:, None] - (high - low))
    frames = np.column_stack([(low + high) / 2 + away, sides, np.zeros(len(points))])
    crops = Crops(frames, drawn[:, 3] < 0.5 if mirror else False, pairs)
    return crops, np.where(has_place(points)[:, None, None], points, np.nan)


def _generator(shape: Floats, random_state: int) -> np.random.Generator:
    return np.random.default_rng([random_state, zlib.crc32(shape.tobytes())])

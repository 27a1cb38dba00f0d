"""A look between the first and the closer one: at a wide square around what the first one found.

Where a picture is wide, or its subject small and far from the middle, a first look at the whole image may
point beside the subject, and a closer look then sees only what lies there. A wide square holds both. The
head of the first look finds the points again in it, because it has learned from such squares, too: one of
each training image, with the subject anywhere inside.
"""

from __future__ import annotations

import zlib

import numpy as np

from transferkit.estimators.refinement._network import has_place
from transferkit.estimators.refinement._refinement import Floats, Refinement
from transferkit.extraction import Extraction
from transferkit.heads import FittedHead, Head
from transferkit.keypoints import Pairs, mean_shape
from transferkit.views import Crops

# Smallest and largest side, in sizes of the shape. On faces, of which whole images show about 2.7 sizes.
_SIDES = (1.6, 4.5)


def wide_squares(
    points: Floats, mirror: bool, pairs: Pairs | None, random_state: int
) -> tuple[Crops, Floats]:
    """Return an upright square for each shape, which lies anywhere in it, and the points to learn there.

    A square depends on its own shape and on the seed, not on other rows.

    Parameters
    ----------
    points : ndarray, shape (n, k, 2)
        In pixels; NaN is a missing point.
    mirror : bool
        Whether half of the squares, drawn at random, are mirrored.
    pairs : tuple of (int, int) or None
    random_state : int

    Returns
    -------
    Crops
    ndarray, shape (n, k, 2)
        In pixels; NaN where too few points are known to say how large the shape is.
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


def wide_look(
    extractor: Extraction, points: Floats, head: Head, fitted: FittedHead, pairs: Pairs | None
) -> Refinement:
    """Return the round of a head of a first look; ``points`` (n, k, 2) are those of training images."""
    return Refinement(extractor, mean_shape(points, pairs), head, fitted, False, pairs, wide=True)

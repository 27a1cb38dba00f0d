"""Training shapes as a prior: find the shape and its position that fit the scores of all points best.

If a point is hidden or resembles something else, its best cell may be anywhere; the other points then
determine its position. Each training shape is shifted so that one of its points is at a best cell of this
point. The shape with the largest sum of scores at all of its points wins, and points are searched for near
it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.maps import sample_maps
from transferkit.heads._cells import Floats, centres

_TURNS = (0.0, -12.0, 12.0, -24.0, 24.0)  # rotations in degrees of each shape, upright and upside down
PEAKS = 2  # best cells of each point to which shapes are shifted
APART = 0.12  # smallest distance between these, as a fraction of the square
MOST_ANCHORS = 8  # most points whose best cells are used
_MOST_WORK = 60_000  # most scores that are read for one image
NEAR = 0.06  # standard deviation of points from the winning shape
TRUST = 0.02  # weight of the shape's point, as a squared score: decisive if all cells near it score low


def shape_bank(points: Floats, seed: int) -> NDArray[np.float32]:
    """Return shapes (b, k, 2), centred on 0, of all complete points (n, k, 2), each also rotated."""
    points = points[np.isfinite(points).all(axis=(1, 2))]
    n, k, _ = points.shape
    most = max(1, _MOST_WORK // (PEAKS * min(k, MOST_ANCHORS) * k * 2 * len(_TURNS)))
    if n > most:
        points = points[np.random.default_rng(seed).choice(n, most, replace=False)]
    shapes = points - points.mean(axis=1, keepdims=True)
    turned = [shapes @ _turn(angle + half).T for angle in _TURNS for half in (0.0, 180.0)]
    return np.concatenate(turned).astype(np.float32)


def places_by_shape(scored: NDArray[np.float32], grid: int, bank: NDArray[np.float32]) -> Floats:
    """Return the place (n, k, 2) of each point, given the scores of cells (n, cells, k)."""
    cells = centres(grid)
    likely = np.clip(scored, 0.0, 1.0)
    found = np.empty((len(scored), scored.shape[2], 2))
    for i, scores in enumerate(likely):
        shape = _best_shape(scores, cells, grid, bank)
        squares = ((cells[:, None] - shape) ** 2).sum(axis=-1)
        weight = scores.astype(np.float64) ** 2 * np.exp(-squares / (2 * NEAR**2))
        found[i] = (weight.T @ cells + TRUST * shape) / (weight.sum(axis=0) + TRUST)[:, None]
    return found


def _best_shape(scores: NDArray[np.float32], cells: Floats, grid: int, bank: NDArray[np.float32]) -> Floats:
    """Return the shape (k, 2) with the largest sum of scores at its points."""
    n_points = scores.shape[1]
    strength = scores.max(axis=0)
    anchors = np.argsort(-strength)[:MOST_ANCHORS]
    shifts = []
    for anchor in anchors:
        left = scores[:, anchor].copy()
        for _ in range(PEAKS):
            peak = cells[left.argmax()]
            shifts.append(peak - bank[:, anchor])
            left[((cells - peak) ** 2).sum(axis=-1) < APART**2] = -1.0
    shapes = (bank + np.asarray(shifts)[:, :, None]).reshape(-1, n_points, 2)
    maps = scores.reshape(1, grid, grid, n_points)
    inside = ((shapes > 0) & (shapes < 1)).all(axis=-1)
    totals = np.zeros(len(shapes))
    for point in range(n_points):
        read = sample_maps(maps[..., point : point + 1], shapes[None, :, point])[0, :, 0]
        totals += np.where(inside[:, point], read, 0.0)
    best: Floats = shapes[totals.argmax()].astype(np.float64)
    return best


def _turn(degrees: float) -> Floats:
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

"""Shapes seen in training, as a prior: which of them, where, agrees with the scores of all points.

Points that are hidden, or that something else resembles, have their best cells anywhere. The others say where
they must be: each training shape is laid through the best cells of each point, and the one whose points score
most together wins. Points are then looked for near it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.maps import sample_maps
from transferkit.heads._cells import Floats, centres

_TURNS = (0.0, -12.0, 12.0, -24.0, 24.0)  # degrees, of each shape and of the same upside down
PEAKS = 2  # cells of each point through which shapes are laid
APART = 0.12  # between them, as a fraction of the square
MOST_ANCHORS = 8  # points whose cells are used
_MOST_WORK = 60_000  # scores read for one image
NEAR = 0.06  # deviation of points from the winning shape
TRUST = 0.02  # of the shape, as a squared score: it decides where no cell near it scores


def shape_bank(points: Floats, seed: int) -> NDArray[np.float32]:
    """Return complete shapes (b, k, 2) of points (n, k, 2), each also turned, centred on 0."""
    points = points[np.isfinite(points).all(axis=(1, 2))]
    n, k, _ = points.shape
    most = max(1, _MOST_WORK // (PEAKS * min(k, MOST_ANCHORS) * k * 2 * len(_TURNS)))
    if n > most:
        points = points[np.random.default_rng(seed).choice(n, most, replace=False)]
    shapes = points - points.mean(axis=1, keepdims=True)
    turned = [shapes @ _turn(angle + half).T for angle in _TURNS for half in (0.0, 180.0)]
    return np.concatenate(turned).astype(np.float32)


def places_by_shape(scored: NDArray[np.float32], grid: int, bank: NDArray[np.float32]) -> Floats:
    """Return the place (n, k, 2) of each point, given scores of cells (n, cells, k)."""
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

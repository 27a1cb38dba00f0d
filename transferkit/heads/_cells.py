"""Scores of the cells of a map by one linear model for all cells.

A cell is described by the channels of all layers at its place; coarse layers are interpolated. An image gives
as many rows as there are cells, so that a few images suffice to find a point in places where it never was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.maps import pool_to_grid, sample_maps
from transferkit.heads._base import Maps

Floats = NDArray[np.float64]

REACH = 0.12  # distance from the best cell, as a fraction of the square, within which cells are averaged
_BLOCK = 64  # images at a time, which bounds the copies


def centres(grid: int) -> Floats:
    """Return the centres (grid * grid, 2) of cells, x and y as fractions of the square."""
    along = (np.arange(grid) + 0.5) / grid
    return np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)


def described(maps: Maps, grid: int) -> NDArray[np.float32]:
    """Return the channels of all layers at each cell, (n, grid * grid, c)."""
    return np.concatenate([_at_cells(array, grid) for array in maps], axis=-1)


def scores(maps: Maps, weights: NDArray[np.float32], intercept: Floats, grid: int) -> NDArray[np.float32]:
    """Return the score of each cell for each point, (n, grid * grid, k)."""
    parts = np.split(weights, np.cumsum([array.shape[-1] for array in maps])[:-1])
    found = []
    for start in range(0, len(maps[0]), _BLOCK):
        # The weights are applied before the interpolation, which is linear, too, and then has fewer channels.
        block = [array[start : start + _BLOCK] @ part for array, part in zip(maps, parts, strict=True)]
        found.append(np.sum([_at_cells(array, grid) for array in block], axis=0))
    return np.asarray(np.concatenate(found) + intercept, dtype=np.float32)


def places(scored: NDArray[np.float32], grid: int) -> Floats:
    """Return the place (n, k, 2) of each point: the mean of cells near the best, by squared score."""
    cells = centres(grid)
    best = cells[scored.argmax(axis=1)]
    near = ((cells[:, None] - best[:, None]) ** 2).sum(axis=-1) < REACH**2
    weight = np.where(near, np.maximum(scored, 1e-6).astype(np.float64) ** 2, 0.0)
    means: Floats = np.einsum("nck,cx->nkx", weight, cells) / weight.sum(axis=1)[..., None]
    return means


def ideal(points: Floats, grid: int, spread: float) -> NDArray[np.float32]:
    """Return target scores (n, grid * grid, k) for points (n, k, 2): 1 at a point, 0 far from it."""
    squares = ((centres(grid)[:, None] - points[:, None]) ** 2).sum(axis=-1)
    return np.exp(-squares / (2 * spread**2)).astype(np.float32)


def _at_cells(array: NDArray[np.float32], grid: int) -> NDArray[np.float32]:
    """Return a map at each cell, (n, grid * grid, c), averaged or interpolated."""
    if array.shape[1] > grid or array.shape[2] > grid:
        array = pool_to_grid(array, grid)
    n, height, width, channels = array.shape
    if (height, width) == (grid, grid):
        return array.reshape(n, grid * grid, channels)
    blocks: Sequence[NDArray[np.float32]] = [
        sample_maps(block, np.broadcast_to(centres(grid), (len(block), grid * grid, 2)))
        for block in (array[start : start + _BLOCK] for start in range(0, n, _BLOCK))
    ]
    return np.concatenate(blocks)

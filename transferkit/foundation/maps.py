"""Average feature maps over a grid, or sample them at points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.halves import times

_BLOCK = 1 << 17  # values read at a time, so that those in between stay in the processor's cache


def pool_to_grid(maps: NDArray[np.float32], grid: int | None) -> NDArray[np.float32]:
    """Average maps (n, h, w, c) over a grid of equal cells.

    Cell ``i`` of ``g`` along a side of ``h`` covers rows ``floor(i h / g)`` to
    ``ceil((i + 1) h / g)``, as adaptive average pooling does; cells overlap where ``g`` does not
    divide ``h``. Sides of ``g`` or less, and arrays with fewer axes, are returned unchanged.

    Returns
    -------
    ndarray of float32, shape (n, min(g, h), min(g, w), c)
    """
    if grid is None or maps.ndim != 4:
        return maps
    maps = _pool_axis(maps, 1, grid)
    return np.ascontiguousarray(_pool_axis(maps, 2, grid))


def _pool_axis(maps: NDArray[np.float32], axis: int, grid: int) -> NDArray[np.float32]:
    length = maps.shape[axis]
    if length <= grid:
        return maps
    if length % grid == 0:
        shape = (*maps.shape[:axis], grid, length // grid, *maps.shape[axis + 1 :])
        pooled: NDArray[np.float32] = maps.reshape(shape).mean(axis=axis + 1)
        return pooled
    cells = [
        maps.take(range(i * length // grid, -(-(i + 1) * length // grid)), axis=axis).mean(axis=axis)
        for i in range(grid)
    ]
    return np.stack(cells, axis=axis)


def sample_maps(maps: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Read maps (n, h, w, c) at points by bilinear interpolation.

    Parameters
    ----------
    maps : ndarray of float32 or float16, shape (n, h, w, c)
        Finite feature maps.
    points : ndarray of float64, shape (n, k, 2)
        x and y as fractions of the square, 0 at the left and upper edge. Points beyond the centres of
        the outer cells take the values of those cells.

    Returns
    -------
    ndarray of float32, shape (n, k, c)
    """
    n, n_points, channels = *points.shape[:2], maps.shape[-1]
    total = np.empty((n, n_points, channels), np.float32)
    n_rows = max(1, _BLOCK // max(n_points * channels, 1))
    for start in range(0, n, n_rows):
        rows = slice(start, start + n_rows)
        total[rows] = _sample(maps[rows], points[rows])
    return total


def _sample(maps: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Read some maps at points."""
    n, height, width, channels = maps.shape
    limits = np.array([width, height]) - 1.0
    place = np.clip(points * (limits + 1) - 0.5, 0, limits)
    # Points that are NaN, for example after a training that diverged, give NaN.
    low = np.minimum(np.nan_to_num(place).astype(np.int64), np.maximum(limits.astype(np.int64) - 1, 0))
    part = (place - low).astype(np.float32)[..., None]
    right, below = int(width > 1), int(height > 1)
    flat = maps.reshape(n * height * width, channels)  # so that each cell is one run of bytes to copy
    corner = np.arange(n)[:, None] * (height * width) + low[..., 1] * width + low[..., 0]

    across, down = part[..., 0, :], part[..., 1, :]
    corners = (
        (0, (1 - across) * (1 - down)),
        (right, across * (1 - down)),
        (below * width, (1 - across) * down),
        (below * width + right, across * down),
    )
    total = np.zeros((*corner.shape, channels), np.float32)
    for step, weight in corners:
        total += times(flat.take(corner + step, axis=0), weight)
    return total

"""Average feature maps over a grid, or sample them at points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.halves import weighted_sums

# Values read at a time. They stay in the processor's cache, and threads do not wait for each other more than
# they work.
_BLOCK = 1 << 17


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
    n, height, width, channels = maps.shape
    n_points = points.shape[1]
    limits = np.array([width, height]) - 1.0
    place = np.clip(points * (limits + 1) - 0.5, 0, limits)
    # Points that are NaN, for example after a training that diverged, give NaN.
    known = np.where(np.isnan(place), 0, place)
    low = np.minimum(known.astype(np.int64), np.maximum(limits.astype(np.int64) - 1, 0))
    part = (place - low).astype(np.float32)
    cells = np.arange(n)[:, None] * (height * width) + low[..., 1] * width + low[..., 0]

    across, down = part[..., 0], part[..., 1]
    right, below = int(width > 1), int(height > 1) * width
    cells = np.stack([cells, cells + right, cells + below, cells + below + right], axis=-1).reshape(-1, 4)
    weights = np.stack(
        [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down], axis=-1
    ).reshape(-1, 4)
    flat = maps.reshape(n * height * width, channels)  # so that each cell is one run of bytes to copy
    total = np.empty((len(cells), channels), np.float32)
    n_rows = max(1, _BLOCK // max(4 * channels, 1))
    for start in range(0, len(cells), n_rows):
        rows = slice(start, start + n_rows)
        total[rows] = weighted_sums(flat.take(cells[rows], axis=0), weights[rows])
    return total.reshape(n, n_points, channels)

"""Average pooling of a map to a small grid, the same for every engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pool_to_grid(maps: NDArray[np.float32], grid: int | None) -> NDArray[np.float32]:
    """Average maps (n, h, w, c) over a grid of equal cells.

    Cell ``i`` of ``g`` along a side of ``h`` covers rows ``floor(i h / g)`` to
    ``ceil((i + 1) h / g)``, as adaptive average pooling does; cells overlap where ``g`` does not
    divide ``h``. A side of ``g`` or less stays as it is, and so does an array without a map.

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

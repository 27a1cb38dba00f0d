"""What the extraction does with feature maps, as nodes: averages over grids, half precision, values at points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferkit.export._tensor import Tensor

_SPLITTER = float(2**13 + 1)


def pooled(maps: Tensor, shape: tuple[int, ...], grid: int | None) -> tuple[Tensor, tuple[int, ...]]:
    """Return maps (n, h, w, c) averaged as ``foundation.maps.pool_to_grid`` does, and their new shape.

    ``shape`` is that of one image.
    """
    if grid is None or len(shape) != 3 or max(shape[:2]) <= grid:
        return maps, shape
    height, width, channels = shape
    new_height, new_width = min(grid, height), min(grid, width)
    if height > grid:
        rows = maps.reshape(0, height, width * channels)
        maps = (_averages(maps, height, grid) @ rows).reshape(0, new_height, width, channels)
    if width > grid:
        maps = _averages(maps, width, grid) @ maps
    return maps, (new_height, new_width, channels)


def _averages(like: Tensor, length: int, grid: int) -> Tensor:
    """Return the weights (grid, length) of the cells along a side."""
    table = np.zeros((grid, length), np.float32)
    for i in range(grid):
        cell = slice(i * length // grid, -(-(i + 1) * length // grid))
        table[i, cell] = 1 / len(table[i, cell])
    constant: Tensor = like.graph.constant(table)
    return constant


def in_half(values: Tensor) -> Tensor:
    """Return values rounded to the 11 bits of half precision, in which features are kept.

    By arithmetic (Dekker 1971, "A floating-point technique for extending the available precision"): a cast to
    float16 and back would overflow, and some runtimes leave it out.
    """
    return values.clip(-65504.0, 65504.0).cast("float16").cast("float32")


def flat(maps: Sequence[Tensor]) -> Tensor:
    """Return the values of all layers side by side, (n, number of values)."""
    rows = [each.reshape(0, -1) for each in maps]
    return rows[0] if len(rows) == 1 else rows[0].graph.join(rows, 1)


def mean(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape."""
    total = tensors[0]
    for each in tensors[1:]:
        total = total + each
    return total if len(tensors) == 1 else total / len(tensors)

"""Operations on feature maps, as nodes: averages over grids, half precision, values at points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.exports._tensor import Tensor
from transferkit.foundation.halves import LARGEST_HALF


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
    """Return values rounded to half precision, in which features are stored; larger ones are clipped."""
    return values.clip(-LARGEST_HALF, LARGEST_HALF).cast("float16").cast("float32")


def scaled(values: Tensor, scale: tuple[NDArray[Any], NDArray[Any]]) -> Tensor:
    """Return values with the shift and the gain of their channels."""
    shift, gain = scale
    return (values - shift) * gain


def affine(values: Tensor, weights: NDArray[Any], intercept: NDArray[Any]) -> Tensor:
    """Return values (..., c) times weights (c, k), plus an intercept (k,)."""
    return values @ np.asarray(weights, np.float32) + np.asarray(intercept, np.float32)


def sampled(maps: Tensor, shape: tuple[int, ...], points: Tensor) -> Tensor:
    """Return maps (n, h, w, c) at points (n, k, 2), (n, k, c), as ``foundation.maps.sample_maps`` does."""
    height, width, channels = shape
    places, parts = [], []
    for axis, side in ((0, width), (1, height)):
        place = (points.part(2, axis, axis + 1) * float(side) - 0.5).clip(0.0, side - 1.0)
        low = place.floor().at_most(float(max(side - 2, 0)))
        places.append(low.cast("int64").reshape(0, -1))
        parts.append(place - low)
    rows, graph = maps.reshape(-1, channels), maps.graph
    first = (graph.count(maps.shape(0)) * (height * width)).expand(-1)
    corner = first + places[1] * width + places[0]
    right, below = int(width > 1), int(height > 1) * width
    across, down = parts
    upper = rows.take(corner, 0) * (1 - across) + rows.take(corner + right, 0) * across
    lower = rows.take(corner + below, 0) * (1 - across) + rows.take(corner + (below + right), 0) * across
    return upper * (1 - down) + lower * down


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

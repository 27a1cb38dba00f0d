"""``ScoreMapHead`` as nodes: scores of cells, and the training shape that fits them best."""

from __future__ import annotations

import numpy as np

from transferkit.exports._looks import Maps
from transferkit.exports._maps import affine, flat, pooled
from transferkit.exports._tensor import Tensor
from transferkit.foundation.maps import sample_maps
from transferkit.heads.score_map import (
    APART,
    MOST_ANCHORS,
    NEAR,
    PEAKS,
    REACH,
    TRUST,
    FittedScoreMap,
    FittedWholeMap,
    centres,
)


def whole_map(fitted: FittedWholeMap, maps: Maps) -> Tensor:
    """Return points (n, 2 k) as fractions of the square, by a regression on coarser maps."""
    tensors = [
        pooled(x, shape, (shape[0] + 1) // 2)[0] if len(shape) == 3 and shape[0] > 2 else x
        for x, shape in zip(maps.tensors, maps.shapes, strict=True)
    ]
    return affine(flat(tensors), fitted.linear.weights, fitted.linear.intercept)


def score_map(fitted: FittedScoreMap, maps: Maps) -> Tensor:
    """Return points (n, 2 k) as fractions of the square."""
    parts = np.split(fitted.weights, np.cumsum(fitted.channels)[:-1])
    total: Tensor | None = None
    for position, part in zip(fitted.positions, parts, strict=True):
        weighed = maps.tensors[position] @ part
        shape = (*maps.shapes[position][:2], part.shape[1])
        found = _at_cells(weighed, shape, fitted.grid)
        total = found if total is None else total + found
    assert total is not None
    scores = total + fitted.intercept.astype(np.float32)
    if fitted.bank.shape[0] == 0 or fitted.bank.shape[1] == 1:
        return _places(scores, fitted.grid).reshape(0, -1)
    return _by_shape(scores.clip(0.0, 1.0), fitted.grid, fitted.bank).reshape(0, -1)


def _at_cells(maps: Tensor, shape: tuple[int, ...], grid: int) -> Tensor:
    """Return a map at each cell, (n, grid * grid, c), averaged or interpolated."""
    if max(shape[:2]) > grid:
        maps, shape = pooled(maps, shape, grid)
    height, width, channels = shape
    cells = maps.reshape(0, height * width, channels)
    if (height, width) == (grid, grid):
        return cells
    each = np.eye(height * width, dtype=np.float32).reshape(1, height, width, -1)
    return maps.graph.constant(sample_maps(each, centres(grid)[None])[0]) @ cells


def _places(scores: Tensor, grid: int) -> Tensor:
    """Return places (n, k, 2): the mean of cells around the best one, by squared score."""
    cells = centres(grid).astype(np.float32)
    best = scores.graph.constant(cells).take(scores.argmax(1), 0).reshape(0, -1, 2).expand(1)
    near = _squares(cells[None, :, None], best) < REACH**2
    chosen = scores.at_least(1e-6)
    weight = (chosen * chosen) * near.cast("float32")
    return _means(weight, cells) / weight.sum(1).expand(2)


def _by_shape(scores: Tensor, grid: int, bank: np.ndarray) -> Tensor:
    """Return places (n, k, 2), given likely scores (n, cells, k) and shapes (b, k, 2)."""
    cells = centres(grid).astype(np.float32)
    shape = _best_shape(scores, cells, grid, bank).expand(1)
    squares = _squares(cells[None, :, None], shape)
    weight = scores * scores * (squares * (-1 / (2 * NEAR**2))).apply("Exp")
    shape = shape.reshape(0, -1, 2)
    return (_means(weight, cells) + shape * TRUST) / (weight.sum(1) + TRUST).expand(2)


def _best_shape(scores: Tensor, cells: np.ndarray, grid: int, bank: np.ndarray) -> Tensor:
    """Return the shapes (n, k, 2) with the largest sum of scores at their points."""
    graph, k = scores.graph, bank.shape[1]
    by_point = scores.transpose(0, 2, 1)
    _, anchors = graph.add_several(
        "TopK", _largest(by_point), graph.ints(min(k, MOST_ANCHORS)), dtypes=("float32", "int64"), axis=1
    )
    image = graph.count(scores.shape(0)).expand(-1)
    left = by_point.reshape(-1, len(cells)).take(anchors + image * k, 0)
    mine = graph.constant(np.ascontiguousarray(bank.transpose(1, 0, 2))).take(anchors, 0)
    shifts = []
    for _ in range(PEAKS):
        peak = graph.constant(cells).take(left.argmax(2), 0)
        shifts.append((peak - mine).expand(2))
        apart = _squares(cells[None, None], peak) < APART**2
        left = apart.where(-1.0, left, "float32")
    # First and second peak of each anchor, as in the NumPy version: the first of equal sums wins.
    shapes = (graph.join(shifts, 2).expand(4) + bank[None, None, None]).reshape(0, -1, k, 2)
    totals = _read(scores, grid, shapes).sum(2)
    chosen = totals.argmax(1) + image * totals.shape(1)
    return shapes.reshape(-1, k, 2).take(chosen.reshape(-1), 0)


def _read(scores: Tensor, grid: int, shapes: Tensor) -> Tensor:
    """Return the scores at the points of shapes (n, m, k, 2), as (n, m, k); 0 outside the square."""
    graph, k = scores.graph, scores.shape(2)
    values = scores.reshape(-1)
    places, parts, inside = [], [], None
    for axis in (0, 1):
        place = shapes.part(3, axis, axis + 1).reshape(0, 0, -1)
        here = (place > 0) & (place < 1)
        inside = here if inside is None else inside & here
        place = (place * float(grid) - 0.5).clip(0.0, grid - 1.0)
        low = place.floor().at_most(float(max(grid - 2, 0)))
        places.append(low.cast("int64"))
        parts.append(place - low)
    image = (graph.count(scores.shape(0)) * (grid * grid)).expand(1, 2)
    corner = image + places[1] * grid + places[0]
    step = int(grid > 1)

    def at(offset: int) -> Tensor:
        return values.take((corner + offset) * k + graph.count(k), 0)

    across, down = parts
    upper = at(0) * (1 - across) + at(step) * across
    lower = at(step * grid) * (1 - across) + at(step * (grid + 1)) * across
    assert inside is not None
    return (upper * (1 - down) + lower * down) * inside.cast("float32")


def _largest(rows: Tensor) -> Tensor:
    """Return the largest value (n, k) of rows (n, k, cells)."""
    values, _ = rows.graph.add_several("TopK", rows, rows.graph.ints(1), dtypes=("float32", "int64"), axis=2)
    return values.reshape(0, -1)


def _squares(cells: np.ndarray, points: Tensor) -> Tensor:
    """Return squared distances of cells from points, which broadcast to (..., 2)."""
    gaps = points - cells
    return (gaps * gaps).sum(-1)


def _means(weight: Tensor, cells: np.ndarray) -> Tensor:
    """Return sums (n, k, 2) of cells by weights (n, cells, k)."""
    return weight.transpose(0, 2, 1) @ cells

"""Heads that find a shape on coarse maps and correct it on the finest one, as nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from transferkit.exports._looks import Maps
from transferkit.exports._maps import affine, flat, in_half, pooled, sampled, scaled
from transferkit.exports._tensor import Tensor
from transferkit.heads.cascade import COARSE_GRID, FittedCascade
from transferkit.heads.keypoint_map import FARTHEST, OUTSIDE, ZOOM


def cascade(fitted: FittedCascade, maps: Maps) -> Tensor:
    """Return points (n, 2 k) as fractions of the square, by ridge regressions."""
    first, *steps = fitted.parts
    points = affine(flat(_coarse(maps).tensors), first.weights, first.intercept)
    for step in steps:
        read = flat([_read(maps, fitted.finest, points)])
        points = points + affine(read, step.weights, step.intercept)
    return points


def keypoint_map(fitted: Any, maps: Maps) -> Tensor:
    """Return points (n, 2 k) as fractions of the square, by the network of ``KeypointMapHead``."""
    weights, centre = iter(fitted.weights), fitted.mean.astype(np.float32)
    coarse, finest = _coarse(maps), _finest(maps)
    inputs = [in_half(x) if fitted.dtype == "float16" else x for x in coarse.tensors]
    rows = [
        _hidden(scaled(x, scale), weights, fitted.slope)
        for x, scale in zip(inputs, fitted.scales[1:], strict=True)
    ]
    points = _shape(flat(rows), weights, fitted.slope)
    for _ in range(fitted.head.steps):
        start = points.clip(-OUTSIDE, 1 + OUTSIDE)
        read = scaled(_read(maps, finest, start), fitted.scales[0])
        read = _hidden(read, weights, fitted.slope)
        place = ((start - centre) * ZOOM).clip(-FARTHEST, FARTHEST)
        points = start + _shape(flat([read, place]), weights, fitted.slope)
    return points


def _shape(x: Tensor, weights: Iterator[Any], slope: float) -> Tensor:
    """Return coordinates: a hidden layer and a linear one."""
    return affine(_hidden(x, weights, slope), next(weights), next(weights))


def _hidden(x: Tensor, weights: Iterator[Any], slope: float) -> Tensor:
    y = affine(x, next(weights), next(weights))
    return y.at_least(y * slope) if slope else y.apply("Relu")


def _finest(maps: Maps) -> int:
    """Return the position of the first layer with the largest map, as ``heads.cascade.finest_map`` does."""
    return int(np.argmax([shape[0] if len(shape) == 3 else 0 for shape in maps.shapes]))


def _coarse(maps: Maps) -> Maps:
    """Return all maps except the finest, over a coarse grid, as ``heads.cascade.coarse_maps`` does."""
    finest = _finest(maps)
    chosen = [i for i in range(len(maps.shapes)) if i != finest] or list(range(len(maps.shapes)))
    found = [pooled(maps.tensors[i], maps.shapes[i], COARSE_GRID) for i in chosen]
    return Maps([tensor for tensor, _ in found], [shape for _, shape in found])


def _read(maps: Maps, position: int, points: Tensor) -> Tensor:
    """Return the values (n, k, c) of one layer at points (n, 2 k)."""
    tensor, shape = maps.tensors[position], maps.shapes[position]
    if len(shape) != 3:
        tensor, shape = tensor.expand(1, 2), (1, 1, *shape)
    return sampled(tensor, shape, points.reshape(0, -1, 2))

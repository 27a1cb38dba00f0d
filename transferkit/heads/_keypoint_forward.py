"""The trained network of ``KeypointMapHead`` in NumPy, which predicts at once and without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.blas import small_product
from transferkit.foundation.halves import as_single
from transferkit.foundation.maps import sample_maps
from transferkit.heads._keras import Scale
from transferkit.heads._keypoint_network import FARTHEST, OUTSIDE, ZOOM

Floats = NDArray[np.float32]


def forward(
    maps: Sequence[NDArray[Any]],
    mean: NDArray[np.float64],
    scales: Sequence[Scale],
    weights: Sequence[Floats],
    steps: int,
    slope: float,
) -> list[Floats]:
    """Return the shapes after each step: points (n, 2 k) as fractions of the square.

    They are the same as those of the Keras model, without dropout.

    Parameters
    ----------
    maps : sequence of ndarray, shape (n, h, w, c)
        The finest map and the coarse ones.
    mean : ndarray, shape (2 k,)
        Mean shape of the training rows.
    scales : sequence of (shift, gain)
        Of the channels of each map.
    weights : sequence of ndarray
        In the order of :func:`~transferkit.heads._keypoint_network.weight_shapes`.
    steps : int
    slope : float
        Factor of negative values in hidden layers.
    """
    n, remaining = len(maps[0]), iter(weights)
    coarse = [
        _hidden(_scaled(array, scale), remaining, slope).reshape(n, -1)
        for array, scale in zip(maps[1:], scales[1:], strict=True)
    ]
    points = _shape(np.concatenate(coarse, axis=1), remaining, slope)
    centre, shapes = mean.astype(np.float32), [points]
    for _ in range(steps):
        start = points.clip(-OUTSIDE, 1 + OUTSIDE)
        read = _scaled(sample_maps(maps[0], start.reshape(n, -1, 2)), scales[0])
        place = ((start - centre) * np.float32(ZOOM)).clip(-FARTHEST, FARTHEST)
        read = _hidden(read, remaining, slope).reshape(n, -1)
        points = start + _shape(np.concatenate([read, place], axis=1), remaining, slope)
        shapes.append(points)
    return shapes


def _scaled(array: NDArray[Any], scale: Scale) -> Floats:
    shift, gain = scale
    scaled: Floats = (as_single(array) - shift) * gain
    return scaled


def _dense(x: Floats, weights: Iterator[Floats]) -> Floats:
    kernel, bias = next(weights), next(weights)
    outputs: Floats = small_product(x.reshape(-1, len(kernel)), kernel) + bias
    return outputs.reshape(*x.shape[:-1], -1)


def _hidden(x: Floats, weights: Iterator[Floats], slope: float) -> Floats:
    return leaky(_dense(x, weights), slope)


def leaky(x: Floats, slope: float) -> Floats:
    """Return numbers, of which negative ones are multiplied by a slope of at most 1."""
    larger: Floats = np.maximum(x, x * np.float32(slope) if slope else 0)
    return larger


def _shape(x: Floats, weights: Iterator[Floats], slope: float) -> Floats:
    """Return coordinates: a hidden layer and a linear one."""
    return _dense(_hidden(x, weights, slope), weights)

"""The gradient of the network of ``KeypointMapHead`` in NumPy, so that training needs no TensorFlow.

No gradient flows from one step to the next, or into the maps. So the network is a sequence of small ones,
each of which outputs a shape, and their gradients are a few matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.halves import as_single
from transferkit.foundation.maps import sample_maps
from transferkit.heads._keras import Scale
from transferkit.heads._keypoint_forward import leaky
from transferkit.heads._keypoint_network import DROPOUT, FARTHEST, OUTSIDE, SCATTER, SHIFT, SLOPE, ZOOM

Floats = NDArray[np.float32]
_START = 1e-3  # initial deviation of weights that output a shape, which is then nearly the mean shape


class Network:
    """Weights, and the gradient of the loss with respect to them.

    Parameters
    ----------
    shapes : sequence of tuple
        Of the weights, as :func:`~transferkit.heads._keypoint_network.weight_shapes` has them.
    mean : ndarray, shape (2 k,)
        Mean shape.
    scales : sequence of (shift, gain)
        Of the channels of each input.
    n_coarse, steps : int
        Numbers of coarse maps, and of corrections.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        mean: NDArray[np.float64],
        scales: Sequence[Scale],
        n_coarse: int,
        steps: int,
    ) -> None:
        self._shapes, self._mean, self._scales = shapes, mean.astype(np.float32), scales
        self._n_coarse, self._steps = n_coarse, steps
        self.values = np.zeros(sum(map(math.prod, shapes)), np.float32)
        self.weights = self._parts(self.values)

    def start(self, generator: np.random.Generator) -> None:
        """Initialize weights as Keras does (Glorot uniform), with small ones where a shape is output."""
        first = 2 * self._n_coarse + 2
        ends = {first, *(first + 6 * (step + 1) for step in range(self._steps))}
        for i, weight in enumerate(self.weights):
            limit = math.sqrt(6 / sum(weight.shape))
            if i in ends:
                weight[...] = generator.normal(0, _START, weight.shape)
            elif weight.ndim == 2:
                weight[...] = generator.uniform(-limit, limit, weight.shape)
        self.weights[first + 1][...] = self._mean

    def learn(
        self,
        maps: Sequence[NDArray[Any]],
        targets: Floats,
        weight: Floats,
        gradient: Floats,
        generator: np.random.Generator | None,
    ) -> float:
        """Return the loss of some rows, and write its gradient.

        Parameters
        ----------
        maps : sequence of ndarray, shape (n, h, w, c)
        targets : ndarray, shape (n, 2 k)
        weight : ndarray, shape (n,)
            Weight of each row in the sum of losses.
        gradient : ndarray, shape (n_weights,)
            Output array.
        generator : Generator or None
            With None, nothing is random: there is no dropout, and no point is moved.
        """
        n, loss = len(targets), _Loss(targets, weight, self._steps + 1)
        there = self._parts(gradient)
        layers = iter(
            [
                _Dense(*self.weights[i : i + 2], *there[i : i + 2])  # kernel and bias
                for i in range(0, len(there), 2)
            ]
        )
        first = [next(layers) for _ in range(self._n_coarse)]
        cells = [
            layer(self._scaled(array, i + 1)).reshape(n, -1)
            for i, (array, layer) in enumerate(zip(maps[1:], first, strict=True))
        ]
        read = np.concatenate(cells, axis=1)
        kept = np.float32(1) if generator is None else _dropout(generator, read.shape)
        hidden, out = next(layers), next(layers)
        points = out(hidden(read * kept), linear=True)
        back = hidden.back(out.back(loss.of(points))) * kept
        ends = np.cumsum([each.shape[1] for each in cells])
        for layer, part in zip(first, np.split(back, ends[:-1], axis=1), strict=True):
            layer.back(part.reshape(-1, layer.width), last=True)
        for _ in range(self._steps):
            start = points.clip(-OUTSIDE, 1 + OUTSIDE)
            if generator is not None:
                start += np.tile(generator.normal(0, SHIFT, (n, 2)), (1, start.shape[1] // 2))
                start += generator.normal(0, SCATTER, start.shape)
            reader, hidden, out = next(layers), next(layers), next(layers)
            values = self._scaled(sample_maps(maps[0], start.reshape(n, -1, 2)), 0)
            place = ((start - self._mean) * np.float32(ZOOM)).clip(-FARTHEST, FARTHEST)
            read = np.concatenate([reader(values).reshape(n, -1), place], axis=1)
            points = start + out(hidden(read), linear=True)
            back = hidden.back(out.back(loss.of(points)))[:, : -place.shape[1]]
            reader.back(back.reshape(-1, reader.width), last=True)
        return loss.value

    def _scaled(self, array: NDArray[Any], number: int) -> Floats:
        """Return values scaled, as a matrix of channels."""
        shift, gain = self._scales[number]
        scaled = as_single(array).reshape(-1, array.shape[-1])
        scaled = np.subtract(scaled, shift, out=scaled if array.dtype == np.float16 else None)
        scaled *= gain
        return scaled

    def _parts(self, flat: Floats) -> list[Floats]:
        """Return views of the consecutive parts of a flat array."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes])
        parts = np.split(flat, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]


class _Dense:
    """A dense layer that remembers its input."""

    def __init__(self, kernel: Floats, bias: Floats, to_kernel: Floats, to_bias: Floats) -> None:
        self._kernel, self._bias, self._to_kernel, self._to_bias = kernel, bias, to_kernel, to_bias
        self.width = kernel.shape[1]

    def __call__(self, x: Floats, *, linear: bool = False) -> Floats:
        self._x, self._linear = x, linear
        y: Floats = x @ self._kernel
        y += self._bias
        self._y = y if linear else leaky(y, SLOPE)
        return self._y

    def back(self, gradient: Floats, *, last: bool = False) -> Floats:
        """Write the gradients of the weights; return that of the input, unless ``last``: nothing needs it."""
        if not self._linear:
            gradient = np.where(self._y > 0, gradient, gradient * np.float32(SLOPE))
        np.matmul(self._x.T, gradient, out=self._to_kernel)
        gradient.sum(axis=0, out=self._to_bias)
        return gradient if last else gradient @ self._kernel.T


class _Loss:
    """The weighted sum over rows of the mean distance of points over all shapes, as in ``distance_loss``."""

    def __init__(self, targets: Floats, weight: Floats, n_shapes: int) -> None:
        self._targets, self._present, seen = _present(targets)
        share = weight / (n_shapes * np.maximum(seen.sum(axis=1), 1))
        self._share = (seen * share[:, None]).astype(np.float32)
        self.value = 0.0

    def of(self, points: Floats) -> Floats:
        """Add the loss of a shape, and return its gradient."""
        gaps = (points - self._targets) * self._present
        distances = _lengths(gaps)
        self.value += float((distances * self._share).sum())
        gaps *= np.repeat(self._share / distances, 2, axis=1)
        return gaps


def mean_distances(targets: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Return the mean distance of points (n, 2 k) in each row, ignoring points that are NaN."""
    true, present, seen = _present(targets)
    distances = _lengths((points - true) * present)
    found: NDArray[Any] = (distances * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return found


def _present(targets: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
    """Return targets with 0 for NaN, and masks of the coordinates and of the points that are present."""
    present = (~np.isnan(targets)).astype(np.float32)
    # With one coordinate missing, the distance is that of the other.
    return np.nan_to_num(targets), present, np.maximum(present[:, 0::2], present[:, 1::2])


def _lengths(gaps: Floats) -> Floats:
    squares = gaps**2
    lengths: Floats = np.sqrt(squares[:, 0::2] + squares[:, 1::2] + np.float32(1e-12))  # a gradient at 0, too
    return lengths


def _dropout(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return a dropout mask: 0 for dropped values, and the factor that makes up for them for all others."""
    kept = generator.random(shape, dtype=np.float32) >= DROPOUT
    return kept * np.float32(1 / (1 - DROPOUT))

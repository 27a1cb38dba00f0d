"""Heads that are small networks, as nodes; their weights are plain arrays, so that Keras is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.exports._looks import Maps
from transferkit.exports._maps import affine, flat, scaled
from transferkit.exports._tensor import Tensor
from transferkit.heads import ConvHead

Weights = Iterator[NDArray[Any]]

_EPSILON = 1e-3  # default of Keras's BatchNormalization


def mlp(fitted: Any, maps: Maps) -> Tensor:
    """Return the outputs (n, k) of a multilayer perceptron."""
    head, weights = fitted.head, iter(fitted.weights)
    inputs = [scaled(x, scale) for x, scale in zip(maps.tensors, fitted.scales, strict=True)]
    if head.pool:
        inputs = [
            x.sum(1, 2) / float(np.prod(shape[:2])) if len(shape) == 3 else x
            for x, shape in zip(inputs, maps.shapes, strict=True)
        ]
    x = flat(inputs)
    x = _normalised(x, weights) if head.batch_norm else x
    x = affine(x, next(weights), next(weights))
    x = (_normalised(x, weights) if head.batch_norm else x).apply("Relu")
    x = affine(x, next(weights), next(weights))
    x = _normalised(x, weights) if head.output_batch_norm else x
    return _finished(fitted, x)


def conv(fitted: Any, maps: Maps) -> Tensor:
    """Return the outputs (n, k) of a convolutional head."""
    head: ConvHead = fitted.head
    weights = iter(fitted.weights)
    x = scaled(maps.tensors[0], fitted.scales[0]).transpose(0, 3, 1, 2)
    graph = x.graph
    for block in head.blocks(*maps.shapes[0][:2]):
        kernel, bias = next(weights).transpose(3, 2, 0, 1), next(weights)
        edge = 1 if block.padding == "same" else 0
        arrays = (graph.constant(each) for each in (kernel, bias))
        x = graph.add("Conv", x, *arrays, dtype="float32", pads=[edge] * 4).apply("Relu")
        if block.pool_size > 1:
            x = x.apply("MaxPool", kernel_shape=[block.pool_size] * 2, strides=[block.pool_size] * 2)
    x = affine(flat([x.transpose(0, 2, 3, 1)]), next(weights), next(weights)).apply("Relu")
    return _finished(fitted, affine(x, next(weights), next(weights)))


def _normalised(x: Tensor, weights: Weights) -> Tensor:
    """Return values after batch normalisation in evaluation mode."""
    gamma, beta, mean, variance = (next(weights) for _ in range(4))
    gain = gamma / np.sqrt(variance + _EPSILON)
    return x * gain + (beta - mean * gain)


def _finished(fitted: Any, x: Tensor) -> Tensor:
    """Return outputs in the units of the targets."""
    if fitted.regression and fitted.head.output_activation == "sigmoid":
        x = x.apply("Sigmoid")
    shift, gain = fitted.target_scale
    return x * np.asarray(gain, np.float32) + np.asarray(shift, np.float32)

"""The Keras network of ``KeypointMapHead``: layers that read a map at points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH = 64  # channels that the coarse maps are projected to
DROPOUT = 0.3
# Factor of negative values. With 0 (ReLU), a third of the units end up giving 0 for every image.
SLOPE = 0.1
# In training, points are moved at random before a correction reads the map, together and individually, by
# these fractions of the square, so that corrections learn from larger errors than those on training rows.
SHIFT, SCATTER = 0.01, 0.004
ZOOM = 4.0  # scales distances from the mean shape to about the size of features
FARTHEST = 2.0  # largest scaled distance
OUTSIDE = 0.2  # how far outside of the square a correction may begin


def build_network(
    head: Any,
    shapes: Sequence[tuple[int, ...]],
    mean: NDArray[np.float64],
    scales: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    seed: int,
    dtype: str = "float32",
    slope: float = SLOPE,
) -> Any:
    """Return the untrained ``keras.Model``, from maps to the shapes of all steps, (n, steps + 1, 2 k).

    ``shapes`` are those of the finest map and the coarse ones, ``slope`` is the factor of negative values.
    """
    import keras
    from keras import layers, ops

    seeds = itertools.count(seed * 1000)

    def dense(units: int) -> Any:
        return layers.Dense(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
            activation=lambda x: ops.leaky_relu(x, slope),
        )

    def shape_from(features: Any, bias: Any = "zeros") -> Any:
        """Return coordinates: nearly constant before training."""
        hidden = dense(head.hidden)(features)
        small = keras.initializers.RandomNormal(stddev=1e-3, seed=next(seeds))
        return layers.Dense(len(mean), kernel_initializer=small, bias_initializer=bias)(hidden)

    def scaled(number: int) -> Any:
        shift, gain = scales[number]
        return layers.Lambda(lambda x: (ops.cast(x, "float32") - shift) * gain)

    inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
    coarse = [layers.Flatten()(dense(_WIDTH)(scaled(i)(inputs[i]))) for i in range(1, len(inputs))]
    rough = layers.Concatenate()(coarse) if len(coarse) > 1 else coarse[0]
    rough = layers.Dropout(DROPOUT, seed=next(seeds))(rough)
    points = shape_from(rough, keras.initializers.Constant(mean))
    found = [points]
    for _ in range(head.steps):
        points = _make_start(next(seeds))(points)
        read = scaled(0)(layers.Lambda(lambda pair: read_at(*pair))([inputs[0], points]))
        read = layers.Flatten()(dense(head.channels)(read))
        place = layers.Lambda(lambda x: ops.clip((x - mean.astype(np.float32)) * ZOOM, -FARTHEST, FARTHEST))(
            points
        )
        points = layers.Add()([points, shape_from(layers.Concatenate()([read, place]))])
        found.append(points)
    outputs = layers.Lambda(lambda shapes: ops.stack(shapes, axis=1))(found)
    return keras.Model(inputs, outputs)


def weight_shapes(head: Any, shapes: Sequence[tuple[int, ...]], n_values: int) -> list[tuple[int, ...]]:
    """Return the shapes of the network's weights, in order, without building it."""
    to_shape = [(head.hidden,), (head.hidden, n_values), (n_values,)]
    found: list[tuple[int, ...]] = []
    for _, _, channels in shapes[1:]:
        found += [(channels, _WIDTH), (_WIDTH,)]
    n_cells = sum(height * width for height, width, _ in shapes[1:])
    found += [(n_cells * _WIDTH, head.hidden), *to_shape]
    for _ in range(head.steps):
        n_read = n_values // 2 * head.channels + n_values
        found += [(shapes[0][-1], head.channels), (head.channels,), (n_read, head.hidden), *to_shape]
    return found


def read_at(maps: Any, points: Any) -> Any:
    """Return maps (n, h, w, c) read at points (n, 2 k), as fractions of the square, bilinearly: (n, k, c).

    The same as :func:`transferkit.foundation.maps.sample_maps`, in Keras operations.
    """
    from keras import ops

    _, height, width, channels = maps.shape
    n = ops.shape(maps)[0]
    flat = ops.reshape(maps, (-1, channels))
    first = ops.expand_dims(ops.arange(n) * (height * width), 1)
    places, parts = [], []
    for axis, side in ((0, width), (1, height)):
        place = ops.clip(points[:, axis::2] * side - 0.5, 0.0, side - 1.0)
        # If training diverges, points are NaN: keep it in the fraction, but not in the index.
        low = ops.clip(ops.floor(ops.where(ops.isnan(place), 0.0, place)), 0.0, max(side - 2.0, 0.0))
        places.append(ops.cast(low, "int32"))
        parts.append(ops.expand_dims(place - low, -1))
    (x, y), (right, down) = places, parts
    step_x, step_y = int(width > 1), width if height > 1 else 0
    corner = ops.cast(first, "int32") + y * width + x

    def at(offset: int) -> Any:
        return ops.cast(ops.take(flat, corner + offset, axis=0), "float32")

    top = at(0) * (1 - right) + at(step_x) * right
    bottom = at(step_y) * (1 - right) + at(step_y + step_x) * right
    return top * (1 - down) + bottom * down


def distance_loss(y_true: Any, y_pred: Any) -> Any:
    """Return the mean distance per row of points (n, 2 k) that are not NaN, over all steps (n, s, 2 k)."""
    from keras import ops

    present = ops.logical_not(ops.isnan(y_true))
    y_true = ops.expand_dims(ops.where(present, y_true, 0.0), 1)
    present = ops.expand_dims(ops.cast(present, "float32"), 1)
    squares = ops.square((y_true - y_pred) * present)
    # With one coordinate missing, the distance is that of the other; 1e-12 keeps the gradient finite at 0.
    distances = ops.sqrt(squares[..., 0::2] + squares[..., 1::2] + 1e-12)
    seen = ops.maximum(present[..., 0::2], present[..., 1::2])
    return ops.mean(ops.sum(distances * seen, axis=-1) / ops.maximum(ops.sum(seen, axis=-1), 1.0), axis=-1)


def _make_start(seed: int) -> Any:
    """Return the layer before a correction, which stops gradients and, in training, moves the points."""
    import keras
    from keras import ops

    class Start(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(seed)

        def call(self, points: Any, training: bool = False) -> Any:
            points = ops.clip(ops.stop_gradient(points), -OUTSIDE, 1 + OUTSIDE)
            if not training:
                return points
            n, size = ops.shape(points)[0], points.shape[1]
            together = keras.random.normal((n, 2), stddev=SHIFT, seed=self.seeds)
            alone = keras.random.normal((n, size), stddev=SCATTER, seed=self.seeds)
            return points + ops.tile(together, (1, size // 2)) + alone

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    return Start()

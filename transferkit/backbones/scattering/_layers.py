"""Keras layers of the wavelet scattering transform; importing this module imports Keras.

The filters are non-trainable weights, which exporters treat as constants. The layers are not registered with
Keras and cannot be rebuilt from a configuration.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

# Added under the square root of the modulus: its gradient stays finite at zero. Far below one grey level.
_TINY = 1e-12


def _constant(layer: keras.layers.Layer, name: str, value: np.ndarray) -> Any:
    """Store ``value`` as a non-trainable float32 weight of ``layer``."""
    return layer.add_weight(
        name=name,
        shape=value.shape,
        dtype="float32",
        trainable=False,
        initializer=lambda shape, dtype=None: ops.convert_to_tensor(value, dtype=dtype),
    )


class FixedLayer(keras.layers.Layer):
    """A layer without trainable weights that computes in float32 whatever the global policy."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", trainable=False)


class PadToMultiple(FixedLayer):
    """Pad the bottom and the right by reflection, to a multiple of ``multiple``."""

    def __init__(self, multiple: int, name: str) -> None:
        super().__init__(name)
        self.multiple = multiple

    def call(self, x: Any) -> Any:
        rows, columns = (-size % self.multiple for size in x.shape[1:3])
        return ops.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)), mode="symmetric")


class MixChannels(FixedLayer):
    """Multiply the channels of every pixel by a fixed matrix (outputs x inputs)."""

    def __init__(self, matrix: np.ndarray, name: str) -> None:
        super().__init__(name)
        self.matrix = _constant(self, "matrix", np.asarray(matrix.T, np.float32))

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.matrix)


class FilterAxes(FixedLayer):
    """Multiply rows and columns by fixed matrices: a separable filter with a stride.

    A dense matrix includes the boundary rule, and is fast: one product for all channels.
    """

    def __init__(self, rows: np.ndarray, columns: np.ndarray, name: str) -> None:
        super().__init__(name)
        self.rows = _constant(self, "rows", rows)
        self.columns = _constant(self, "columns", columns)

    def call(self, x: Any) -> Any:
        _, height, width, channels = x.shape
        out_height, out_width = self.rows.shape[0], self.columns.shape[0]
        x = ops.matmul(self.rows, ops.reshape(x, (-1, height, width * channels)))
        x = ops.matmul(self.columns, ops.reshape(x, (-1, width, channels)))
        return ops.reshape(x, (-1, out_height, out_width, channels))


class WaveletModulus(FixedLayer):
    """Modulus of each channel convolved with each wavelet: (n, h, w, c) to (n, h/s, w/s, c * L).

    Output channel ``c * L + l`` belongs to input channel ``c`` and orientation ``l``.
    """

    def __init__(self, bank: np.ndarray, stride: int, name: str) -> None:
        super().__init__(name)
        self.stride = stride
        self.taps, _, self.orientations = bank.shape
        blocks = self.taps // stride
        kernel = np.concatenate([bank.real, bank.imag], axis=-1).astype(np.float32)
        kernel = kernel.reshape(blocks, stride, blocks, stride, -1).transpose(0, 2, 1, 3, 4)
        self.kernel = _constant(self, "kernel", kernel.reshape(blocks, blocks, stride**2, -1))

    def call(self, x: Any) -> Any:
        _, height, width, channels = x.shape
        stride = self.stride
        border = (self.taps - stride) // 2
        x = ops.pad(x, ((0, 0), (border, border), (border, border), (0, 0)), mode="symmetric")
        # Channels become images, since a depthwise convolution is several times slower, and blocks of
        # stride x stride pixels become channels, so that the convolution needs no stride.
        rows, columns = (height + 2 * border) // stride, (width + 2 * border) // stride
        x = ops.reshape(x, (-1, rows, stride, columns, stride, channels))
        x = ops.reshape(ops.transpose(x, (0, 5, 1, 3, 2, 4)), (-1, rows, columns, stride**2))
        x = ops.square(ops.conv(x, self.kernel, 1, "valid", data_format="channels_last"))
        x = ops.sqrt(x[..., : self.orientations] + x[..., self.orientations :] + _TINY)
        height, width = height // stride, width // stride
        x = ops.transpose(ops.reshape(x, (-1, channels, height, width, self.orientations)), (0, 2, 3, 1, 4))
        return ops.reshape(x, (-1, height, width, channels * self.orientations))


class Renormalise(FixedLayer):
    """Divide second-order coefficients by the first-order ones they are derived from.

    Takes ``[s2, s1]`` of shapes (n, h, w, c * L) and (n, h, w, c); channel ``c`` divides its ``L`` channels.
    """

    def __init__(self, floor: float, name: str) -> None:
        super().__init__(name)
        self.floor = floor

    def call(self, inputs: list[Any]) -> Any:
        second, first = inputs
        _, height, width, parents = first.shape
        ratios = ops.reshape(second, (-1, height, width, parents, second.shape[-1] // parents))
        ratios = ratios / (first[..., None] + self.floor)
        return ops.reshape(ratios, (-1, height, width, second.shape[-1]))


class Logarithm(FixedLayer):
    """``log(1 + x / floor)``: linear up to about ``floor``, logarithmic above."""

    def __init__(self, floor: float, name: str) -> None:
        super().__init__(name)
        self.floor = floor

    def call(self, x: Any) -> Any:
        return ops.log1p(x / self.floor)

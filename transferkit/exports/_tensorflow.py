"""The operators of ``Tensor`` in TensorFlow, for a traced function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import ExportError
from transferkit.exports._tensor import Tensor


class TracedGraph:
    """The counterpart of ``Graph`` for TensorFlow, in which each operation is called when it is added.

    Attributes
    ----------
    values : dict of str to tensorflow.Tensor
        Tensors by name.
    """

    def __init__(self) -> None:
        import tensorflow as tf

        self.tf, self.values = tf, dict[str, Any]()
        self._constants: dict[tuple[Any, ...], Tensor] = {}
        self._operators = _operators(tf)

    def tensor(self, value: Any) -> Tensor:
        """Return a named tensor for a value of TensorFlow."""
        name = f"value_{len(self.values)}"
        self.values[name] = value
        return Tensor(self, name, np.dtype(value.dtype.as_numpy_dtype).name)

    def constant(self, value: NDArray[Any]) -> Tensor:
        """Return a constant."""
        value = np.ascontiguousarray(value).reshape(np.shape(value))
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            self._constants[key] = self.tensor(self.tf.constant(value))
        return self._constants[key]

    def ints(self, *numbers: int) -> Tensor:
        """Return integers as an int64 vector."""
        return self.constant(np.array(numbers, np.int64))

    def add(self, operator: str, *inputs: Tensor, dtype: str, **attributes: Any) -> Tensor:
        """Apply an operator with one output of this type."""
        if operator not in self._operators:
            raise ExportError(f"LiteRT files have no {operator}, which this model needs.")
        given = [self.values[each.name] for each in inputs]
        known = [self.tf.get_static_value(value) for value in given]
        if all(value is not None for value in known):  # sizes, which become shapes, must be constants
            with self.tf.init_scope():
                whole = map(self.tf.constant, known)
                found = self.tf.cast(self._operators[operator](*whole, **attributes), dtype).numpy()
            return self.constant(found)
        return self.tensor(self.tf.cast(self._operators[operator](*given, **attributes), dtype))

    def add_several(
        self, operator: str, *inputs: Tensor, dtypes: Sequence[str], **attributes: Any
    ) -> list[Tensor]:
        """Apply an operator with several outputs."""
        assert operator == "TopK"  # the only one
        rows, n = (self.values[each.name] for each in inputs)
        found = self.tf.math.top_k(rows, self.tf.cast(n[0], "int32"))
        return [self.tensor(self.tf.cast(each, dtype)) for each, dtype in zip(found, dtypes, strict=True)]

    def join(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Concatenate tensors along an axis."""
        return self.add("Concat", *tensors, dtype=tensors[0].dtype, axis=axis)

    def split(self, tensor: Tensor, n: int, axis: int) -> list[Tensor]:
        """Return n equal parts of an axis."""
        return [self.tensor(part) for part in self.tf.split(self.values[tensor.name], n, axis)]

    def count(self, length: Tensor) -> Tensor:
        """Return 0, 1, ... below a length, int64 of shape (1,)."""
        return self.tensor(self.tf.range(self.values[length.name][0]))

    def code(self, dtype: str) -> str:
        """Return a type."""
        return dtype


def _operators(tf: Any) -> dict[str, Callable[..., Any]]:
    """Return functions equivalent to operators of ONNX."""

    def side(x: Any, axis: int) -> Any:
        known = x.shape[axis]
        return tf.shape(x, tf.int64)[axis] if known is None else tf.constant(known, tf.int64)

    def shape(x: Any) -> Any:
        return tf.stack([side(x, i) for i in range(len(x.shape))])

    def quotient(a: Any, b: Any) -> Any:
        # LiteRT divides 32-bit integers rounding down; ``divided`` accepts either way for negative numbers.
        return tf.cast(tf.math.floordiv(tf.cast(a, tf.int32), tf.cast(b, tf.int32)), a.dtype)

    def reshape(x: Any, sides: Any) -> Any:
        wanted = tf.get_static_value(sides)
        if wanted is None:
            return tf.reshape(x, sides)
        kept = [side(x, i) if n == 0 else tf.constant(n, tf.int64) for i, n in enumerate(wanted)]
        known = [tf.get_static_value(n) for n in kept]
        return tf.reshape(x, tf.stack(kept) if None in known else known)

    def part(x: Any, start: Any, end: Any, axis: Any, step: Any) -> Any:
        (where,), (each,) = (tf.get_static_value(number) for number in (axis, step))
        if each == -1:  # the whole axis, see Tensor.reversed
            return tf.reverse(x, [int(where)])
        begin, stop = start[0], end[0]
        return x[(slice(None),) * int(where) + (slice(begin, stop, int(each)),)]

    def summed(x: Any, axes: Any, keepdims: int) -> Any:
        return tf.reduce_sum(x, tf.get_static_value(axes).tolist(), keepdims=bool(keepdims))

    def expanded(x: Any, axes: Any) -> Any:
        places = tf.get_static_value(axes).tolist()
        n = len(x.shape) + len(places)
        for place in sorted(axis % n for axis in places):
            x = tf.expand_dims(x, place)
        return x

    def conv(x: Any, kernel: Any, bias: Any, pads: list[int]) -> Any:
        edges = [[0, 0], [pads[0], pads[2]], [pads[1], pads[3]], [0, 0]]
        rows, weights = tf.transpose(x, [0, 2, 3, 1]), tf.transpose(kernel, [2, 3, 1, 0])
        return tf.transpose(tf.nn.conv2d(rows, weights, 1, edges) + bias, [0, 3, 1, 2])

    def pooled(x: Any, kernel_shape: list[int], strides: list[int]) -> Any:
        rows = tf.nn.max_pool2d(tf.transpose(x, [0, 2, 3, 1]), kernel_shape, strides, "VALID")
        return tf.transpose(rows, [0, 3, 1, 2])

    return {
        "Add": tf.add, "Sub": tf.subtract, "Mul": tf.multiply, "MatMul": tf.matmul,
        "Div": lambda a, b: quotient(a, b) if a.dtype.is_integer else tf.divide(a, b),
        "Less": tf.less, "Greater": tf.greater, "GreaterOrEqual": tf.greater_equal, "And": tf.logical_and,
        "Neg": tf.negative, "Abs": tf.abs, "Floor": tf.floor, "Round": tf.round, "Max": tf.maximum,
        "Min": tf.minimum, "Sqrt": tf.sqrt, "Exp": tf.exp, "Cos": tf.cos, "Sin": tf.sin, "Relu": tf.nn.relu,
        "Sigmoid": tf.sigmoid, "Softmax": lambda x, axis: tf.nn.softmax(x, axis), "Where": tf.where,
        "Cast": lambda x, to: tf.cast(x, to), "Shape": shape,
        "Reshape": reshape, "Transpose": lambda x, perm: tf.transpose(x, perm), "Unsqueeze": expanded,
        "Slice": part, "Gather": lambda x, places, axis: tf.gather(x, places, axis=axis), "ReduceSum": summed,
        "ReduceMax": lambda x, keepdims: tf.reduce_max(x), "Concat": lambda *x, axis: tf.concat(x, axis),
        "ArgMax": lambda x, axis, keepdims: tf.expand_dims(tf.argmax(x, axis), axis),
        "Expand": tf.broadcast_to, "Conv": conv, "MaxPool": pooled,
    }  # fmt: skip

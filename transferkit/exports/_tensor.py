"""Tensors of a graph with NumPy's operators, so that graph code reads like the code that it reproduces.

>>> weights = (1 - ((places - centres) / support).abs()).at_least(0)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Operand = Any  # a tensor, a number or an array

_INT = "int64"


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of a graph.

    Parameters
    ----------
    graph : Graph
        Graph to which operations are added.
    name : str
    dtype : str
        NumPy's name of the type.
    """

    graph: Any
    name: str
    dtype: str

    # Arithmetic: numbers become constants of the same type.

    def _with(self, operator: str, other: Operand, dtype: str | None = None) -> Tensor:
        tensor: Tensor = self.graph.add(operator, self, self._like(other), dtype=dtype or self.dtype)
        return tensor

    def _from(self, operator: str, other: Operand) -> Tensor:
        tensor: Tensor = self.graph.add(operator, self._like(other), self, dtype=self.dtype)
        return tensor

    def _like(self, value: Operand) -> Tensor:
        if isinstance(value, Tensor):
            assert value.dtype == self.dtype, (value.dtype, self.dtype)
            return value
        tensor: Tensor = self.graph.constant(np.asarray(value, self.dtype))
        return tensor

    def __add__(self, other: Operand) -> Tensor:
        return self._with("Add", other)

    def __radd__(self, other: Operand) -> Tensor:
        return self._from("Add", other)

    def __sub__(self, other: Operand) -> Tensor:
        return self._with("Sub", other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self._from("Sub", other)

    def __mul__(self, other: Operand) -> Tensor:
        return self._with("Mul", other)

    def __rmul__(self, other: Operand) -> Tensor:
        return self._from("Mul", other)

    def __truediv__(self, other: Operand) -> Tensor:
        return self._with("Div", other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return self._from("Div", other)

    def __neg__(self) -> Tensor:
        return self.apply("Neg")

    def __matmul__(self, other: Operand) -> Tensor:
        return self._with("MatMul", other)

    def __lt__(self, other: Operand) -> Tensor:
        return self._with("Less", other, "bool")

    def __gt__(self, other: Operand) -> Tensor:
        return self._with("Greater", other, "bool")

    def __ge__(self, other: Operand) -> Tensor:
        return self._with("GreaterOrEqual", other, "bool")

    def __and__(self, other: Tensor) -> Tensor:
        return self._with("And", other)

    # Of each value

    def apply(self, operator: str, **attributes: Any) -> Tensor:
        """Apply an operator such as "Floor", "Sqrt" or "Relu" to each value."""
        tensor: Tensor = self.graph.add(operator, self, dtype=self.dtype, **attributes)
        return tensor

    def abs(self) -> Tensor:
        """Return absolute values."""
        return self.apply("Abs")

    def floor(self) -> Tensor:
        """Round down to integers."""
        return self.apply("Floor")

    def at_least(self, low: Operand) -> Tensor:
        """Return the larger of two values."""
        return self._with("Max", low)

    def at_most(self, high: Operand) -> Tensor:
        """Return the smaller of two values."""
        return self._with("Min", high)

    def clip(self, low: Operand, high: Operand) -> Tensor:
        """Return values within bounds."""
        return self.at_least(low).at_most(high)

    def cast(self, dtype: str) -> Tensor:
        """Return values of another type."""
        if dtype == self.dtype:
            return self
        tensor: Tensor = self.graph.add("Cast", self, dtype=dtype, to=self.graph.code(dtype))
        return tensor

    def where(self, yes: Operand, no: Operand, dtype: str) -> Tensor:
        """Choose between two values of a type by these booleans."""
        make = self.graph.constant
        chosen = [each if isinstance(each, Tensor) else make(np.asarray(each, dtype)) for each in (yes, no)]
        tensor: Tensor = self.graph.add("Where", self, *chosen, dtype=dtype)
        return tensor

    # Shapes

    def shape(self, axis: int) -> Tensor:
        """Return the length of an axis, int64 of shape (1,)."""
        whole = self.graph.add("Shape", self, dtype=_INT)
        length: Tensor = whole.take([axis], 0)
        return length

    def reshape(self, *sides: int | Tensor) -> Tensor:
        """Reshape; -1 is inferred, and 0 keeps the length."""
        if any(isinstance(side, Tensor) for side in sides):
            parts = [side if isinstance(side, Tensor) else self.graph.ints(side) for side in sides]
            shape = self.graph.join(parts, 0)
        else:
            shape = self.graph.ints(*sides)
        tensor: Tensor = self.graph.add("Reshape", self, shape, dtype=self.dtype)
        return tensor

    def transpose(self, *order: int) -> Tensor:
        """Return the axes in another order."""
        return self.apply("Transpose", perm=list(order))

    def expand(self, *axes: int) -> Tensor:
        """Insert axes of length 1 at these positions."""
        tensor: Tensor = self.graph.add("Unsqueeze", self, self.graph.ints(*axes), dtype=self.dtype)
        return tensor

    def part(self, axis: int, start: int | Tensor, end: int | Tensor, step: int = 1) -> Tensor:
        """Return a slice of an axis; bounds as in Python, or int64 of shape (1,)."""
        bounds = [each if isinstance(each, Tensor) else self.graph.ints(each) for each in (start, end)]
        numbers = [*bounds, self.graph.ints(axis), self.graph.ints(step)]
        tensor: Tensor = self.graph.add("Slice", self, *numbers, dtype=self.dtype)
        return tensor

    def reversed(self, axis: int) -> Tensor:
        """Reverse an axis."""
        return self.part(axis, -1, -(2**31), -1)

    def take(self, places: Sequence[int] | Tensor, axis: int) -> Tensor:
        """Return the values at int64 positions along an axis."""
        where = places if isinstance(places, Tensor) else self.graph.ints(*places)
        tensor: Tensor = self.graph.add("Gather", self, where, dtype=self.dtype, axis=axis)
        return tensor

    def sum(self, *axes: int, keep: bool = False) -> Tensor:
        """Return the sum over axes."""
        numbers = self.graph.ints(*axes)
        tensor: Tensor = self.graph.add("ReduceSum", self, numbers, dtype=self.dtype, keepdims=int(keep))
        return tensor

    def greatest(self) -> Tensor:
        """Return the largest of all values, of shape (1,)."""
        return self.apply("ReduceMax", keepdims=0).reshape(1)

    def argmax(self, axis: int) -> Tensor:
        """Return the first int64 position of the largest value along an axis, which is kept."""
        tensor: Tensor = self.graph.add("ArgMax", self, dtype=_INT, axis=axis, keepdims=1)
        return tensor

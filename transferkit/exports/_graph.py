"""Build ONNX models node by node.

Only operators that have not changed since opset 13 are used, so that nodes can be added to a model of any
newer opset, such as an ONNX file that is used as backbone.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import MissingDependencyError
from transferkit.exports._tensor import Tensor

OLDEST_OPSET = 17


def import_onnx() -> Any:
    """Return the package onnx, which is needed to build models."""
    if importlib.util.find_spec("onnx") is None:
        raise MissingDependencyError("onnx", "export", "transferkit.export")
    import onnx

    return onnx


class Graph:
    """Nodes and constants of a model under construction; equal constants are stored once."""

    def __init__(self) -> None:
        self._onnx = import_onnx()
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self._known: dict[tuple[Any, ...], Tensor] = {}
        self._inputs: list[Any] = []
        self._n_nodes = 0

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> Tensor:
        """Add an input; dimensions given by names are free."""
        info = self._onnx.helper.make_tensor_value_info(name, self.code(dtype), shape)
        self._inputs.append(info)
        return Tensor(self, name, dtype)

    def constant(self, value: NDArray[Any]) -> Tensor:
        """Return a constant."""
        value = np.ascontiguousarray(value).reshape(np.shape(value))
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._known:
            name = f"constant_{len(self.initializers)}"
            self.initializers[name] = self._onnx.numpy_helper.from_array(value, name)
            self._known[key] = Tensor(self, name, value.dtype.name)
        return self._known[key]

    def ints(self, *numbers: int) -> Tensor:
        """Return integers as an int64 vector."""
        return self.constant(np.array(numbers, np.int64))

    def add(self, operator: str, *inputs: Tensor, dtype: str, **attributes: Any) -> Tensor:
        """Append a node with one output of this type."""
        return self.add_several(operator, *inputs, dtypes=(dtype,), **attributes)[0]

    def add_several(
        self, operator: str, *inputs: Tensor, dtypes: Sequence[str], **attributes: Any
    ) -> list[Tensor]:
        """Append a node with several outputs."""
        self._n_nodes += 1
        names = [f"{operator}_{self._n_nodes}_{i}" for i in range(len(dtypes))]
        sources = [each.name for each in inputs]
        self.nodes.append(self._onnx.helper.make_node(operator, sources, names, **attributes))
        return [Tensor(self, name, dtype) for name, dtype in zip(names, dtypes, strict=True)]

    def join(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Concatenate tensors along an axis."""
        return self.add("Concat", *tensors, dtype=tensors[0].dtype, axis=axis)

    def split(self, tensor: Tensor, n: int, axis: int) -> list[Tensor]:
        """Return n equal parts of an axis whose length is known only when the model runs."""
        if n == 1:
            return [tensor]
        length = self.add("Div", tensor.shape(axis), self.ints(n), dtype="int64")
        sizes = self.join([length] * n, 0)
        return self.add_several("Split", tensor, sizes, dtypes=[tensor.dtype] * n, axis=axis)

    def only_if(
        self, condition: Tensor, make: Callable[[], list[Tensor]], otherwise: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return the tensors from ``make`` if a condition of shape (1,) holds, else the other tensors."""
        first = len(self.nodes)
        made = make()
        yes, no = self.nodes[first:], []
        del self.nodes[first:]
        names = [f"{each.name}_or_not" for each in made]
        for source, name in zip(otherwise, names, strict=True):
            no.append(self._onnx.helper.make_node("Identity", [source.name], [f"{name}_0"]))
        branches = {
            "then_branch": (yes, [each.name for each in made]),
            "else_branch": (no, [f"{name}_0" for name in names]),
        }
        graphs = {}
        for branch, (nodes, ends) in branches.items():
            infos = [
                self._onnx.helper.make_tensor_value_info(end, self.code(each.dtype), None)
                for end, each in zip(ends, made, strict=True)
            ]
            graphs[branch] = self._onnx.helper.make_graph(nodes, branch, [], infos)
        scalar = self.add("Squeeze", condition, dtype="bool")
        self.nodes.append(self._onnx.helper.make_node("If", [scalar.name], names, **graphs))
        return [Tensor(self, name, each.dtype) for name, each in zip(names, made, strict=True)]

    def count(self, length: Tensor) -> Tensor:
        """Return 0, 1, ... below a length, int64 of shape (1,)."""
        zero, one = (self.constant(np.array(i, np.int64)) for i in (0, 1))
        scalar = self.add("Squeeze", length, dtype="int64")
        return self.add("Range", zero, scalar, one, dtype="int64")

    def code(self, dtype: str) -> int:
        """Return the number of a type in ONNX."""
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def model(
        self,
        outputs: Mapping[str, tuple[Tensor, Sequence[int | str]]],
        *,
        opset: int = OLDEST_OPSET,
        metadata: Mapping[str, str] | None = None,
        **details: Any,
    ) -> Any:
        """Return the model.

        Parameters
        ----------
        outputs : mapping of str to (Tensor, shape)
        opset : int
        metadata : mapping, optional
        **details
            Further fields of the model, such as ``functions``.
        """
        helper = self._onnx.helper
        ends = []
        for name, (tensor, shape) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [tensor.name], [name]))
            ends.append(helper.make_tensor_value_info(name, self.code(tensor.dtype), shape))
        graph = helper.make_graph(
            self.nodes, "transferkit", self._inputs, ends, list(self.initializers.values())
        )
        details.setdefault("opset_imports", [helper.make_opsetid("", opset)])
        details.setdefault("ir_version", helper.find_min_ir_version_for(details["opset_imports"]))
        model = helper.make_model(graph, producer_name="transferkit", **details)
        helper.set_model_props(model, dict(metadata or {}))
        return model

"""Find the shape of each tensor of a graph, for one image of a given size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.backbones.onnx_file._graph import ImageInput, import_onnx, inputs_of, read_model
from transferkit.backbones.onnx_file._running import session_of
from transferkit.errors import InvalidInputError

_LARGEST_CONSTANT = 1024  # bytes; shapes are small constants, weights are large ones


def tensor_shapes(model: Any, source: ImageInput, side: int, path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of each floating-point output of a node, in order.

    Shapes are inferred from the operators if possible; otherwise the graph is run once.
    """
    known = _inferred(_without_weights(model, source, side), path)
    names = [name for node in model.graph.node for name in node.output if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        known |= _measured(read_model(path), source, side, unknown)
    seen = _image_dependent(model.graph.node, source.name)
    return {name: known[name] for name in names if known.get(name) and name in seen}


def _image_dependent(nodes: Sequence[Any], entry: str) -> set[str]:
    """Return the tensors that depend on the image; others are constants, such as tables of positions."""
    seen = {entry}
    for node in nodes:
        if seen.intersection(inputs_of(node)):
            seen.update(node.output)
    return seen


def _without_weights(model: Any, source: ImageInput, side: int) -> Any:
    """Return a copy for one image without weights, since shapes do not depend on their values."""
    onnx = import_onnx()
    weightless = onnx.ModelProto()
    weightless.CopyFrom(model)
    for tensor in weightless.graph.initializer:
        if tensor.ByteSize() > _LARGEST_CONSTANT or tensor.external_data:
            for field in ("raw_data", "float_data", "int32_data", "double_data", "external_data"):
                tensor.ClearField(field)
            tensor.ClearField("data_location")
    del weightless.graph.value_info[:]  # written for other sizes
    for value in weightless.graph.output:
        value.type.tensor_type.ClearField("shape")
    sides = [3, side, side] if source.layout == "NCHW" else [side, side, 3]
    entry = next(each for each in weightless.graph.input if each.name == source.name)
    del entry.type.tensor_type.shape.dim[:]
    for number in (1, *sides):
        entry.type.tensor_type.shape.dim.add().dim_value = number
    return weightless


def _inferred(weightless: Any, path: Path) -> dict[str, tuple[int, ...]]:
    """Return the result of shape inference; an empty shape for tensors that are not features."""
    onnx = import_onnx()
    try:
        found = onnx.shape_inference.infer_shapes(weightless, data_prop=True)
    except Exception as error:  # C++ code may raise anything
        reason = next(iter(str(error).strip().splitlines()), "")
        raise InvalidInputError(f"The graph of {path.name} is not sound: {reason}") from error
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    known: dict[str, tuple[int, ...]] = {}
    for value in (*found.graph.value_info, *found.graph.output):
        kind = value.type.tensor_type
        if not kind.elem_type:
            continue
        sides = [side.dim_value for side in kind.shape.dim]
        if kind.elem_type not in floats:
            known[value.name] = ()
        elif kind.HasField("shape") and all(side > 0 for side in sides):
            known[value.name] = tuple(sides)
    return known


def _measured(model: Any, source: ImageInput, side: int, names: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of tensors in a run; an empty shape for tensors that are not features."""
    onnx = import_onnx()
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = session_of(model, n_threads=0, optimise=False)
    sides = [3, side, side] if source.layout == "NCHW" else [side, side, 3]
    image = np.zeros(
        (source.batch or 1, *sides), np.dtype(source.kind.replace("float16", "f2").replace("float", "f4"))
    )
    shapes = {}
    for name, value in zip(names, session.run(None, {source.name: image}), strict=True):
        is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        shapes[name] = tuple(value.shape) if is_float else ()
    return shapes

"""Read an ONNX file, and find its image input; errors say what the graph has instead."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError, MissingDependencyError, WeightsError

OLDEST_OPSET = 11
_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}  # domains supported by ONNX Runtime
_MIXED = {"float", "float16", "uint8"}


@dataclass(frozen=True)
class ImageInput:
    """The image input of a graph.

    Parameters
    ----------
    name : str
    kind : str
        Type of its numbers: "float", "float16" or "uint8".
    layout : {"NCHW", "NHWC"}
    batch : int or None
        Fixed number of images, if there is one.
    size : int or None
        Fixed side in pixels, if there is one.
    """

    name: str
    kind: str
    layout: str
    batch: int | None
    size: int | None


def import_onnx() -> Any:
    """Return the package onnx, which everything here needs."""
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError(package, "onnx", "Backbone.from_onnx")
    import onnx

    return onnx


def read_model(path: Path) -> Any:
    """Return a model with all of its weights, which may be in the file or beside it.

    Raises
    ------
    WeightsError
        There is no such file, or it is not a valid ONNX file.
    InvalidInputError
        The model is older than opset 11, or uses operators that no engine supports.
    """
    onnx = import_onnx()
    model = parsed(path)
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise _unreadable(path, f"its weights beside it cannot be read: {_first_line(error)}") from error
    return model


def parsed(path: Path) -> Any:
    """Return a model without the weights in other files."""
    onnx = import_onnx()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsError(
            f"The ONNX file {path} {what}. Pass its path (as weights= to load).",
            name=path.stem,
            path=str(path),
        )
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # errors of protobuf differ between its implementations
        raise _unreadable(path, "it is not an ONNX model") from error
    if not len(model.graph.node):
        raise _unreadable(path, "it is not an ONNX model, or has an empty graph")
    _check_operators(model, path)
    return model


def external_files(model: Any, path: Path) -> list[Path]:
    """Return the files that hold weights of a model outside of its own file."""
    places = {
        entry.value
        for tensor in _tensors([model.graph, *model.functions])
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return [path.parent / place for place in sorted(places)]


def _tensors(graphs: Iterable[Any]) -> Iterator[Any]:
    """Yield all constants of graphs and functions: initializers, attributes, and those of graphs within."""
    for graph in graphs:
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                yield from (attribute.t, *attribute.tensors)
                yield from _tensors([attribute.g, *attribute.graphs])


def inputs_of(node: Any) -> set[str]:
    """Return all tensors that a node reads, including those of loops and branches within it."""
    found = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            found.update(*(inputs_of(inner) for inner in graph.node), {each.name for each in graph.output})
    return found


def image_input(model: Any, layout: str | None, path: Path) -> ImageInput:
    """Return the image input; raise InvalidInputError if there is not exactly one."""
    onnx = import_onnx()
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    images = [each for each in inputs if len(_shape(each)) == 4]
    if len(inputs) != 1 or len(images) != 1:
        raise InvalidInputError(
            f"{path.name} must have one input, a batch of images with 4 dimensions. "
            f"It has {', '.join(map(_described, inputs)) or 'none'}. Export the part that takes images "
            "alone, such as the vision tower of a model of images and text."
        )
    (found,) = images
    kind = onnx.TensorProto.DataType.Name(found.type.tensor_type.elem_type).lower()
    if kind not in _MIXED:
        raise InvalidInputError(
            f"{path.name} must take images as float or uint8. It has {_described(found)}."
        )
    batch, *sides = _shape(found)
    layout = layout or _layout(sides, found, path)
    height, width = sides[1:] if layout == "NCHW" else sides[:2]
    channels = sides[0] if layout == "NCHW" else sides[2]
    if channels not in (3, None):
        raise InvalidInputError(
            f"{path.name} must take images of 3 channels, as pictures are read here. "
            f"It has {_described(found)}, which as {layout} is {channels} channels."
        )
    if None not in (height, width) and height != width:
        raise InvalidInputError(
            f"{path.name} must take square images. It has {_described(found)}: export it with a square or "
            "with a free size."
        )
    return ImageInput(found.name, kind, layout, batch, height or width)


def _layout(sides: list[int | None], found: Any, path: Path) -> str:
    """Return the layout, inferred from the position of the 3 channels."""
    first, last = sides[0] == 3, sides[2] == 3
    if first == last:
        raise InvalidInputError(
            f"The layout of {path.name} does not show in its input {_described(found)}: "
            + ("both ends may be the 3 channels." if first else "no dimension is 3 channels.")
            + " Pass layout='NCHW' (PyTorch) or layout='NHWC' (TensorFlow)."
        )
    return "NCHW" if first else "NHWC"


def _shape(value: Any) -> list[int | None]:
    """Return the dimensions of an input, with None for free ones."""
    return [side.dim_value if side.dim_value > 0 else None for side in value.type.tensor_type.shape.dim]


def _described(value: Any) -> str:
    onnx = import_onnx()
    kind = onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type).lower()
    sides = ", ".join("?" if side is None else str(side) for side in _shape(value))
    return f"{value.name!r} ({kind}, {sides})"


def _check_operators(model: Any, path: Path) -> None:
    """Raise for operators that are too old, or that engines do not support."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    own = versions.get("", versions.get("ai.onnx", 0))
    if own < OLDEST_OPSET:
        raise InvalidInputError(
            f"{path.name} must have opset {OLDEST_OPSET} or newer. It has {own}. Export it again, or "
            "upgrade it with onnx.version_converter.convert_version."
        )
    functions = {function.domain for function in model.functions}
    foreign = {node.domain for node in model.graph.node} - _DOMAINS - functions
    if foreign:
        kinds = sorted(
            {f"{node.domain}.{node.op_type}" for node in model.graph.node if node.domain in foreign}
        )
        raise InvalidInputError(
            f"{path.name} must consist of standard operators. It has custom ones: {', '.join(kinds[:5])}. "
            "Export it without them."
        )


def _unreadable(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"{path} cannot be read: {reason}. Export or copy it again.", name=path.stem, path=str(path)
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

"""Extract a part of a model as a graph from uint8 pixels to features that every engine can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.backbones.layer_choice import Feature
from transferkit.backbones.onnx_file._graph import ImageInput, import_onnx, inputs_of
from transferkit.backbones.onnx_file._normalisation import Normalisation

PIXELS = "transferkit_pixels"


def prepared_model(
    model: Any,
    source: ImageInput,
    features: Sequence[Feature],
    normalisation: Normalisation | None,
    side: int,
) -> Any:
    """Return a model from images (n, S, S, 3) to one output for each feature, (n, h, w, c) or (n, c).

    Parameters
    ----------
    model : onnx.ModelProto
    source : ImageInput
    features : sequence of Feature
    normalisation : Normalisation or None
        Built into the graph, which then takes uint8 pixels; with None, it takes preprocessed float32.
    side : int
        Side ``S`` in pixels.
    """
    onnx = import_onnx()
    helper, types = onnx.helper, onnx.TensorProto
    graph = onnx.GraphProto()
    entry = helper.make_tensor_value_info(
        PIXELS, types.FLOAT if normalisation is None else types.UINT8, [source.batch or "n", side, side, 3]
    )
    nodes = _before(source, normalisation, graph)
    nodes += _needed(model.graph.node, {each.tensor for each in features})
    outputs = []
    for i, feature in enumerate(features):
        name = f"transferkit_tap_{i}"
        nodes += _after(feature, name, graph)
        outputs.append(helper.make_tensor_value_info(name, types.FLOAT, ["m", *feature.shape]))
    used = {name for node in nodes for name in inputs_of(node)}
    graph.name = "prepared"
    graph.node.extend(nodes)
    graph.input.append(entry)
    graph.output.extend(outputs)
    graph.initializer.extend(each for each in model.graph.initializer if each.name in used)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    return helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version, functions=model.functions
    )


def _before(source: ImageInput, normalisation: Normalisation | None, graph: Any) -> list[Any]:
    """Return the nodes from pixels to the input of the model."""
    onnx = import_onnx()
    types = onnx.TensorProto
    chain = _Chain(PIXELS, "transferkit_input")
    if normalisation is not None:
        chain.add("Cast", to=types.FLOAT)
        if normalisation.channels == "BGR":
            graph.initializer.append(
                onnx.helper.make_tensor("transferkit_order", types.INT64, [3], [2, 1, 0])
            )
            chain.add("Gather", "transferkit_order", axis=3)
        for operator, numbers in normalisation.steps():
            name = f"transferkit_{operator}"
            graph.initializer.append(onnx.helper.make_tensor(name, types.FLOAT, [3], numbers))
            chain.add(operator, name)
    if source.layout == "NCHW":
        chain.add("Transpose", perm=[0, 3, 1, 2])
    if source.kind != "float":
        chain.add("Cast", to=types.DataType.Value(source.kind.upper()))
    return chain.ending_in(source.name)


def _after(feature: Feature, output: str, graph: Any) -> list[Any]:
    """Return the nodes from a tensor of the model to the feature."""
    onnx = import_onnx()
    types = onnx.TensorProto
    chain = _Chain(feature.tensor, output)

    def constant(name: str, numbers: Sequence[int]) -> str:
        full = f"{output}_{name}"
        graph.initializer.append(onnx.helper.make_tensor(full, types.INT64, [len(numbers)], numbers))
        return full

    if feature.kind == "map" and feature.layout == "NCHW":
        chain.add("Transpose", perm=[0, 2, 3, 1])
    elif feature.kind in ("tokens", "token"):
        start, end = (feature.n_prefix, 2**31 - 1) if feature.kind == "tokens" else (0, 1)
        if end == 1 or start:
            bounds = constant("start", [start]), constant("end", [end]), constant("axis", [1])
            chain.add("Slice", *bounds)
        chain.add("Reshape", constant("shape", [-1, *feature.shape]))
    chain.add("Cast", to=types.FLOAT)  # for half precision; otherwise runtimes remove the node
    return chain.ending_in(output)


class _Chain:
    """A chain of nodes."""

    def __init__(self, start: str, prefix: str) -> None:
        self._at, self._prefix = start, prefix
        self._nodes: list[Any] = []

    def add(self, operator: str, *others: str, **attributes: Any) -> None:
        """Append a node that takes the output of the previous one."""
        output = f"{self._prefix}_step_{len(self._nodes)}"
        make = import_onnx().helper.make_node
        self._nodes.append(make(operator, [self._at, *others], [output], **attributes))
        self._at = output

    def ending_in(self, name: str) -> list[Any]:
        """Return the nodes, with this name for the output of the last one."""
        self.add("Identity")
        self._nodes[-1].output[0] = name
        return self._nodes


def _needed(nodes: Sequence[Any], tensors: set[str]) -> list[Any]:
    """Return the nodes that these tensors depend on, so that a classifier's top is not run."""
    wanted, kept = set(tensors), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(inputs_of(node))
    return kept[::-1]

"""Embed the backbone in a graph: its nodes are added for each look at an image, its weights only once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import OnnxNetwork
from transferkit.engines import PixelTable, onnx_graph
from transferkit.errors import EngineError, ExportError
from transferkit.exports._copies import copied, needed
from transferkit.exports._graph import OLDEST_OPSET, Graph, import_onnx
from transferkit.exports._tensor import Tensor

_LOOK = "look"  # prefix of names of computed tensors, with the number of the look
_SHARED = "network."  # prefix of names of weights, which all looks share


def of_network(node: Any) -> bool:
    """Return whether a node of a model belongs to its network."""
    return any(name.startswith(_LOOK) for name in node.output)


class EmbeddedNetwork:
    """A network that can be added to graphs.

    Parameters
    ----------
    settings : Settings
        Settings of an extractor with this network.
    layers : sequence of str
        All layers that any look needs.
    name : str, optional
        Name that distinguishes this network from others in the graph.

    Attributes
    ----------
    shapes : dict of str to tuple of int
        Shape of the map of one image in each layer.
    fixed_batch : int or None
        The only number of images that the network accepts at a time, if it is fixed.
    details : dict
        Fields that a model with these nodes needs, for :meth:`Graph.model`.
    """

    def __init__(self, settings: Any, layers: Sequence[str], name: str = "") -> None:
        network = settings.network()
        self._name = name
        self._layers = list(dict.fromkeys(layers))
        self._onnx = import_onnx()
        try:
            model = onnx_graph(network, tuple(self._layers))
        except EngineError as error:
            raise ExportError(f"backbone {settings.backbone.name!r}: {error}") from error
        self._model = self._upgraded(model)
        self.fixed_batch: int | None = None
        self._table: Any = None
        if isinstance(network, OnnxNetwork):
            self.fixed_batch = network.fixed_batch
        else:
            self._table = pixel_table(settings)
        self._constants = {each.name: each for each in self._model.graph.initializer} | self._literals()
        self._n_looks = 0
        self.shapes = dict(zip(self._layers, self._measured(settings.image_size), strict=True))

    @property
    def details(self) -> dict[str, Any]:
        """Fields of a model with these nodes."""
        return {
            "opset_imports": list(self._model.opset_import),
            "ir_version": max(8, self._model.ir_version),
            "functions": list(self._model.functions),
        }

    def maps(self, graph: Graph, planes: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Return the features of squares (n, 3, S, S), levels of 0 to 255: (n, h, w, c) or (n, c)."""
        given = planes.cast("uint8") if self._table is None else ready(planes, self._table)
        batch = given.transpose(0, 2, 3, 1)
        model, prefix = self._model.graph, f"{_LOOK}{self._name}{self._n_looks}."
        shared = f"{self._name}{_SHARED}"
        self._n_looks += 1
        ends = [model.output[self._layers.index(layer)].name for layer in layers]
        (start,) = (each.name for each in model.input if each.name not in self._constants)

        def renamed(name: str) -> str:
            if name in ("", start):
                return batch.name if name else ""
            if name not in self._constants:
                return prefix + name
            if shared + name not in graph.initializers:
                copy = type(self._constants[name]).FromString(self._constants[name].SerializeToString())
                copy.name = shared + name
                graph.initializers[copy.name] = copy
            return shared + name

        for node in needed(model.node, set(ends)):
            if node.output[0] not in self._constants:
                graph.nodes.append(copied(node, renamed))
        return [Tensor(graph, renamed(end), "float32") for end in ends]

    def _upgraded(self, model: Any) -> Any:
        """Return the model converted to an opset that the other nodes of a file also support."""
        opset = max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
        if opset >= OLDEST_OPSET:
            return model
        try:
            return self._onnx.version_converter.convert_version(model, OLDEST_OPSET)
        except Exception as error:
            raise ExportError(
                f"The backbone is an ONNX file of opset {opset}, and onnx cannot bring it to opset "
                f"{OLDEST_OPSET}: {error}. Export the network again with a newer opset, and fit again."
            ) from error

    def _literals(self) -> dict[str, Any]:
        """Return the tensors of constant nodes, to be stored once like weights."""
        found = {}
        for node in self._model.graph.node:
            values = [each.t for each in node.attribute if each.name == "value"]
            if node.op_type == "Constant" and values:
                found[node.output[0]] = values[0]
        return found

    def _measured(self, size: int) -> list[tuple[int, ...]]:
        """Return the shape of each layer's map of one image."""
        import onnxruntime

        try:
            session = onnxruntime.InferenceSession(self._model.SerializeToString())
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), "")
            raise ExportError(f"ONNX Runtime cannot run the network of the backbone: {reason}") from error
        (entry,) = session.get_inputs()
        kind = np.uint8 if self._table is None else np.float32
        found = session.run(None, {entry.name: np.zeros((self.fixed_batch or 1, size, size, 3), kind)})
        return [array.shape[1:] for array in found]


def pixel_table(settings: Any) -> PixelTable:
    """Return the input values of a Keras network for each level of a pixel."""
    table = PixelTable.of(settings.backbone, settings.image_size)
    if table is None:
        raise ExportError(
            f"The preprocessing of backbone {settings.backbone.name!r} looks at more than one number of a "
            "pixel, so it cannot be written as a table. Put it into the network as its first layers, and fit "
            "again."
        )
    return table


def ready(planes: Tensor, table: PixelTable) -> Tensor:
    """Return the input of a Keras network for levels (n, 3, S, S)."""
    values, order = table.values, table.order
    graph = planes.graph
    planes = planes if order.tolist() == [0, 1, 2] else planes.take(order.tolist(), 1)
    line = _line_through(values)
    if line is not None:
        return planes * line[0] + line[1]
    levels = planes.cast("int32")
    found: list[Tensor] = [
        graph.constant(row).take(levels.part(1, i, i + 1), 0) for i, row in enumerate(values)
    ]
    whole: Tensor = graph.join(found, 1)
    return whole


def _line_through(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return gain and shift that reproduce a table (3, 256) up to rounding; None if it is not linear.

    They have shape (3, 1, 1), or () if they are the same for all channels: ONNX Runtime then computes them 20
    times as fast.
    """
    levels = np.arange(256)
    gain = (values[:, -1:].astype(np.float64) - values[:, :1]) / 255
    line = gain * levels + values[:, :1]
    if np.abs(line - values).max() > 1e-6 * np.abs(values).max():
        return None
    if (values == values[0]).all():
        return gain[0, 0].astype(np.float32), values[0, 0]
    return gain.astype(np.float32)[..., None], values[:, :1, None]

"""The OpenVINO engine: a Keras model or an ONNX file is converted, compared on probe images, and compiled.

Converted graphs of networks that are known by name and weights are kept beside the features, so that a new
process imports no TensorFlow. Compiled models are not: that would save another 0.1 to 0.5 s at most.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from transferkit.backbones import (
    Backbone,
    KerasNetwork,
    Network,
    OnnxFile,
    OnnxNetwork,
    keras_defaults,
    serialised,
)
from transferkit.engines import _parity
from transferkit.engines._averages import grids_of_outputs, with_averages
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are
from transferkit.engines._keras import requested_network
from transferkit.engines._openvino_runner import FEW, REQUEST, Runner
from transferkit.engines._prepared import PixelTable, PreparedGraph
from transferkit.errors import EngineError, MissingDependencyError
from transferkit.foundation.maps import pool_to_grid


def has_openvino() -> bool:
    """Return True if OpenVINO is installed, without importing it."""
    return importlib.util.find_spec("openvino") is not None


def openvino_engine(request: EngineRequest) -> Engine:
    """Run the network with OpenVINO.

    Raises
    ------
    EngineError
        OpenVINO cannot run this network, its features differ from the reference, or the processor does not
        support the precision.
    """
    openvino = import_openvino()
    core = openvino.Core()
    available = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if request.precision == "bfloat16" and "BF16" not in available:
        raise EngineError(
            "precision='bfloat16' needs a processor that supports bfloat16 (AVX512_BF16 or AMX). "
            f"This one supports {', '.join(sorted(available))}. Pass precision='float32'.",
            name="openvino",
        )
    return _prepared_engine(core, request) or _converted_engine(openvino, core, request)


def _prepared_engine(core: Any, request: EngineRequest) -> Engine | None:
    """Return the engine of a graph that was converted earlier, without TensorFlow; None if there is none."""
    if request.graphs is None:
        return None
    file = request.graphs.file(request.layers)
    graph = PreparedGraph.read(file, core)
    if graph is None:
        return None

    def runner_in(precision: str) -> Runner:
        n = min(REQUEST, request.batch_size)
        return Runner(core, model, graph.table, n, precision, FEW)

    try:
        model, kept = _averaged(graph.model, graph.places, request)
        runner = runner_in("float32")
        # Two at a time, like an image and its mirror image, so that no other size needs to be compiled.
        pairs = np.split(_parity.probes(request.image_size), 2)
        found = [np.concatenate(maps) for maps in zip(*map(runner.run, pairs), strict=True)]
        answers = [found[place] for place in graph.places]
        wrong = _parity.disparity(request.layers, kept(graph.answers), answers)
        runner = runner if request.precision == "float32" else runner_in(request.precision)
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything, and the graph can be made again
        wrong = repr(error)  # never empty
    if wrong:
        file.discard()
        return None
    return Engine("openvino", _in_places(runner, graph.places), graph.n_parameters)


def _converted_engine(openvino: Any, core: Any, request: EngineRequest) -> Engine:
    """Build and convert the network, and return its engine; the converted graph is stored."""
    network = requested_network(request)
    backbone, layers = request.backbone, request.layers
    tap = network.tap(layers)
    # The graph of an ONNX file takes raw pixels, and normalises them itself.
    ready = np.ascontiguousarray if isinstance(network, OnnxNetwork) else backbone.preprocess
    fixed = network.fixed_batch if isinstance(network, OnnxNetwork) else None
    places, different = _different(network, layers)
    try:
        converted = _converted(openvino, core, network, different, request.image_size)

        model, kept = _averaged(converted, places, request)

        def runner_in(precision: str) -> Runner:
            n = fixed or min(REQUEST, request.batch_size)
            return Runner(core, model, ready, n, precision, FEW if fixed is None else ())

        # The conversion may be wrong, so it is checked in float32, regardless of the precision.
        runner = runner_in("float32")
        images = _parity.probes(request.image_size)
        expected = tap(backbone.preprocess(images))
        wrong = _parity.disparity(layers, kept(expected), _in_places(runner, places)(images))
        if request.precision != "float32":
            runner = runner_in(request.precision)
    except Exception as error:  # a converter may raise anything
        wrong = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
        raise _refusal(backbone, wrong) from error
    if wrong:
        raise _refusal(backbone, wrong)
    if request.graphs is not None and isinstance(network, KerasNetwork):
        table = PixelTable.of(backbone, request.image_size)
        if table is not None:
            graph = PreparedGraph(converted, table, places, network.n_parameters, expected)
            graph.write(request.graphs.file(layers))
    return Engine("openvino", _in_places(runner, places), network.n_parameters)


def _averaged(model: Any, places: list[int], request: EngineRequest) -> tuple[Any, Keep]:
    """Return the graph with averages over the requested grids, and a function that averages maps likewise."""
    if request.grids is None:
        return model, as_they_are
    grids = grids_of_outputs(places, request.grids)
    averaged = with_averages(model, grids)
    of_layers = [grids[place] for place in places]
    return averaged, lambda maps: [
        pool_to_grid(each, grid) for each, grid in zip(maps, of_layers, strict=True)
    ]


def _in_places(runner: Runner, places: list[int]) -> Callable[..., list[np.ndarray]]:
    """Return a function that runs a runner and returns one output per layer, even if layers share one."""

    def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        return runner.run(pixels, lambda maps: keep([maps[place] for place in places]))

    return run


def _different(network: Network, layers: tuple[str, ...]) -> tuple[list[int], tuple[str, ...]]:
    """Return the index of each layer's tensor among the different tensors, and one layer for each of these.

    ``"last"`` may be another name of a layer, and a model with the same output twice crashes the process.
    """
    if not isinstance(network, KerasNetwork):
        return list(range(len(layers))), layers
    tensors = [id(network.tensors.get(layer)) for layer in layers]
    first = [tensors.index(tensor) for tensor in tensors]
    kept = sorted(set(first))
    return [kept.index(place) for place in first], tuple(layers[place] for place in kept)


def import_openvino() -> Any:
    """Import OpenVINO without its usage statistics."""
    if not has_openvino():
        raise MissingDependencyError("openvino", "openvino", "engine='openvino'")
    if "openvino" not in sys.modules:
        # It reports each import and conversion over the network unless this module cannot be imported. If
        # OpenVINO was imported before, this is left to the user.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _converted(openvino: Any, core: Any, network: Network, layers: tuple[str, ...], image_size: int) -> Any:
    """Return the converted model for any batch size, with outputs in the order of the layers."""
    if isinstance(network, OnnxNetwork):
        return core.read_model(serialised(network.prepared(layers)), b"")
    assert isinstance(network, KerasNetwork)
    tapped = network.tapped_model(layers)
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise NotImplementedError(f"only TensorFlow's graphs can be converted, and Keras runs on {backend}")
    import tensorflow as tf

    # Convert the traced graph, because OpenVINO would call the Keras model with a list, and Keras would warn.
    with keras_defaults():
        graph = tf.function(lambda batch: tapped(batch, training=False)).get_concrete_function(
            tf.TensorSpec((None, image_size, image_size, 3), tf.float32)
        )
    # Copy the weights, because those of TensorFlow are freed with the model.
    with _root_logger_kept():
        converted = openvino.convert_model(graph, share_weights=False)
    # Find outputs by name: there are additional ones (of swish, for its gradient), and if there are more than
    # ten, they are sorted alphabetically.
    outputs = [converted.output(tensor.name) for tensor in tf.nest.flatten(graph.structured_outputs)]
    return openvino.Model(outputs, converted.get_parameters())


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Restore the root logger, which shows errors only after a failed conversion."""
    root = logging.getLogger()
    level, filters, handlers = root.level, list(root.filters), list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters, root.handlers = filters, handlers


def _refusal(backbone: Backbone, reason: str) -> EngineError:
    instead = "onnxruntime" if isinstance(backbone.constructor, OnnxFile) else "keras"
    return EngineError(
        f"engine='openvino' cannot run backbone {backbone.name!r}: {reason}. Pass engine={instead!r}, or "
        "'auto', which falls back to it.",
        name="openvino",
    )

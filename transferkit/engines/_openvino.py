"""The OpenVINO engine: a Keras model or an ONNX file is converted, compared on probe images, and compiled.

Compiled models are not cached on disk. Compiling takes 0.1 to 0.5 s, the conversion before it 2 to 3 s. A
cache would save only the former (0.4 s for ResNet50), and cost a copy of the weights and files that the
runtime would have to trust.
"""

from __future__ import annotations

import importlib.util
import logging
import queue
import sys
import threading
from collections import deque
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
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are, pad
from transferkit.engines._keras import requested_network
from transferkit.errors import EngineError, MissingDependencyError

# Images per inference request. Several requests run at once, each on some of the cores, and small ones stay
# in their caches: 2 images are 25 % faster than 8 on MobileNetV2, 10 % on MobileNet, not slower elsewhere.
_REQUEST = 2
# A single prediction is of one image, or of an image and its mirror image: one request on all cores.
_FEW = (1, 2)
Ready = Callable[[np.ndarray], np.ndarray]  # from pixels to the input of the model
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


def has_openvino() -> bool:
    """Return True if OpenVINO is installed; imports nothing."""
    return importlib.util.find_spec("openvino") is not None


def openvino_engine(request: EngineRequest) -> Engine:
    """Run the network with OpenVINO.

    Raises
    ------
    EngineError
        OpenVINO cannot run this network, its features differ from the reference, or the processor does not
        support the precision.
    """
    openvino = _import_openvino()
    core = openvino.Core()
    available = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if request.precision == "bfloat16" and "BF16" not in available:
        raise EngineError(
            "precision='bfloat16' needs a processor that supports bfloat16 (AVX512_BF16 or AMX). "
            f"This one supports {', '.join(sorted(available))}. Pass precision='float32'.",
            name="openvino",
        )
    network = requested_network(request)
    backbone, layers = request.backbone, request.layers
    tap = network.tap(layers)
    # Pixels go as they are into a graph that normalises them itself.
    ready = np.ascontiguousarray if isinstance(network, OnnxNetwork) else backbone.preprocess
    fixed = network.fixed_batch if isinstance(network, OnnxNetwork) else None
    places, different = _different(network, layers)
    try:
        converted = _converted(openvino, core, network, different, request.image_size)

        def runner_in(precision: str) -> _Runner:
            n = fixed or min(_REQUEST, request.batch_size)
            return _Runner(core, converted, ready, n, precision, _FEW if fixed is None else ())

        def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
            return runner.run(pixels, lambda maps: keep([maps[place] for place in places]))

        # The conversion may go wrong, so it is checked in float32 whatever the precision.
        runner = runner_in("float32")
        wrong = _parity.compare(
            layers, request.image_size, lambda pixels: tap(backbone.preprocess(pixels)), run
        )
        if request.precision != "float32":
            runner = runner_in(request.precision)
    except Exception as error:  # a converter may raise anything
        wrong = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
        raise _refusal(backbone, wrong) from error
    if wrong:
        raise _refusal(backbone, wrong)
    return Engine("openvino", run, network.n_parameters)


def _different(network: Network, layers: tuple[str, ...]) -> tuple[list[int], tuple[str, ...]]:
    """Return the place of each layer among those with tensors of their own, and these.

    ``"last"`` may be another name of a layer, and a model with one output twice ends the process.
    """
    if not isinstance(network, KerasNetwork):
        return list(range(len(layers))), layers
    tensors = [id(network.tensors.get(layer)) for layer in layers]
    first = [tensors.index(tensor) for tensor in tensors]
    kept = sorted(set(first))
    return [kept.index(place) for place in first], tuple(layers[place] for place in kept)


def _import_openvino() -> Any:
    """Import OpenVINO, without its usage statistics."""
    if not has_openvino():
        raise MissingDependencyError("openvino", "openvino", "engine='openvino'")
    if "openvino" not in sys.modules:
        # It reports every import and conversion over the network unless this module cannot be imported. Who
        # imports openvino before us decides.
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

    # From the traced graph: OpenVINO would call the Keras model with a list, and Keras would warn.
    with keras_defaults():
        graph = tf.function(lambda batch: tapped(batch, training=False)).get_concrete_function(
            tf.TensorSpec((None, image_size, image_size, 3), tf.float32)
        )
    # With a copy of the weights: TensorFlow's are freed with the model.
    with _root_logger_kept():
        converted = openvino.convert_model(graph, share_weights=False)
    # By name: there are additional outputs (of swish, for its gradient), and more than ten are sorted
    # alphabetically.
    outputs = [converted.output(tensor.name) for tensor in tf.nest.flatten(graph.structured_outputs)]
    return openvino.Model(outputs, converted.get_parameters())


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Undo what a conversion that fails leaves behind: a root logger that shows errors only."""
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


class _Runner:
    """A converted model, compiled for many images and, when first needed, for one or two."""

    def __init__(
        self, core: Any, network: Any, ready: Ready, n: int, precision: str, few: tuple[int, ...]
    ) -> None:
        self._core, self._network = core, network
        self._ready = ready
        self._n, self._sizes = n, few
        self._precision = precision
        self._lock = threading.Lock()
        self._few: dict[int, queue.SimpleQueue[Any]] = {}
        many = self._compile(n, "THROUGHPUT")
        self._shapes = [tuple(output.shape)[1:] for output in many.outputs]
        # One more than run at once, so that the next one is ready when one is done.
        self._idle = _requests(many, 1 + many.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def run(self, pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        """Return one array for each layer. Threads share the inference requests."""
        return self._run_few(pixels, keep) if len(pixels) in self._sizes else self._run_many(pixels, keep)

    def _run_few(self, pixels: np.ndarray, keep: Keep) -> list[np.ndarray]:
        n = len(pixels)
        with self._lock:
            if n not in self._few:
                self._few[n] = _requests(self._compile(n, "LATENCY"), 1)
        request = self._few[n].get()
        try:
            request.infer({0: self._ready(pixels)}, share_inputs=True)
            return [np.array(maps) for maps in keep(_outputs(request, n))]
        finally:
            self._few[n].put(request)

    def _run_many(self, pixels: np.ndarray, keep: Keep) -> list[np.ndarray]:
        if not len(pixels):
            return keep([np.empty((0, *shape), np.float32) for shape in self._shapes])
        found: list[np.ndarray] = []
        started: deque[tuple[int, Any]] = deque()

        def collect() -> None:
            """Wait for the oldest request, and store its outputs."""
            start, request = started[0]
            request.wait()
            kept = keep(_outputs(request, len(pixels) - start))
            if not found:
                found.extend(np.empty((len(pixels), *maps.shape[1:]), np.float32) for maps in kept)
            for maps, rows in zip(found, kept, strict=True):
                maps[start : start + len(rows)] = rows
            started.popleft()
            self._idle.put(request)

        try:
            for start in range(0, len(pixels), self._n):
                # All requests have the same shape; preprocessing overlaps with running requests.
                ready = self._ready(pad(pixels[start : start + self._n], self._n))
                # Wait for our own requests first, so that no two callers wait for each other.
                while started and self._idle.empty():
                    collect()
                request = self._idle.get()
                started.append((start, request))
                request.start_async({0: ready}, share_inputs=True)
            while started:
                collect()
        finally:
            for _, request in started:  # after an error
                request.cancel()
                self._idle.put(request)
        return found

    def _compile(self, n: int, hint: str) -> Any:
        network = self._network.clone()
        _, *shape = network.inputs[0].partial_shape
        network.reshape([n, *shape])
        # Explicit, since OpenVINO would use bfloat16 by default where the processor supports it.
        settings = {"INFERENCE_PRECISION_HINT": _HINTS[self._precision], "PERFORMANCE_HINT": hint}
        return self._core.compile_model(network, "CPU", settings)


def _outputs(request: Any, n: int) -> list[np.ndarray]:
    """Return views of the first n rows of each output, in the memory of the request."""
    return [tensor.data[:n] for tensor in request.output_tensors]


def _requests(compiled: Any, n: int) -> queue.SimpleQueue[Any]:
    """Return n idle requests."""
    idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(n):
        idle.put(compiled.create_infer_request())
    return idle

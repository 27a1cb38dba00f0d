"""The OpenVINO engine: the Keras model converted, proven equal on probes, and compiled for this processor.

There is no cache of compiled models on disk. Compiling takes 0.1 to 0.5 s, the conversion before it 2 to
3 s; a cache saves only the former (0.4 s for ResNet50), at the price of a copy of the weights and of files
that the runtime would have to trust.
"""

from __future__ import annotations

import importlib.util
import queue
import sys
import threading
from collections import deque
from typing import Any

import numpy as np

from transferkit.backbones import Backbone, Taps, Weights
from transferkit.engines import _parity
from transferkit.engines._engine import Engine, Keep, as_they_are, pad
from transferkit.engines._keras import as_arrays, frozen_model
from transferkit.errors import EngineError, MissingDependencyError

# Images in one request. Several requests run at once, each on its share of the cores, and small ones stay in
# its caches: 2 are a quarter faster than 8 on MobileNetV2, a tenth on MobileNet, and no slower elsewhere.
_REQUEST = 2
# One prediction is of one square, or of a picture and its mirror image: all cores then work on these alone.
_FEW = (1, 2)


def has_openvino() -> bool:
    """Whether OpenVINO is installed; imports nothing."""
    return importlib.util.find_spec("openvino") is not None


def openvino_engine(
    backbone: Backbone,
    weights: Weights,
    image_size: int,
    layers: tuple[str, ...],
    batch_size: int,
    *,
    model: Any = None,
) -> Engine:
    """Run the backbone by OpenVINO in single precision."""
    return _engine(backbone, weights, image_size, layers, batch_size, model, "f32")


def openvino_bfloat16_engine(
    backbone: Backbone,
    weights: Weights,
    image_size: int,
    layers: tuple[str, ...],
    batch_size: int,
    *,
    model: Any = None,
) -> Engine:
    """Run the backbone by OpenVINO in bfloat16, on a processor that computes with it."""
    return _engine(backbone, weights, image_size, layers, batch_size, model, "bf16")


def _engine(
    backbone: Backbone,
    weights: Weights,
    image_size: int,
    layers: tuple[str, ...],
    batch_size: int,
    model: Any,
    precision: str,
) -> Engine:
    openvino = _import_openvino()
    core = openvino.Core()
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and "BF16" not in able:
        raise EngineError(
            "precision='bfloat16' needs a processor that computes with bfloat16 (AVX512_BF16 or AMX). "
            f"This one offers {', '.join(sorted(able))}. Pass precision='float32'.",
            name="openvino",
        )
    model = frozen_model(backbone, weights, image_size) if model is None else model
    tapped = Taps(model).model_of(layers)
    n = min(_REQUEST, batch_size)
    try:
        network = _converted(openvino, tapped, image_size)
        # The conversion is what may go wrong, so it is proven in single precision, whatever runs afterwards.
        runner = _Runner(core, network, backbone, n, "f32")
        wrong = _parity.compare(
            layers,
            image_size,
            lambda pixels: as_arrays(tapped(backbone.preprocess(pixels), training=False)),
            runner.run,
        )
        if precision != "f32":
            runner = _Runner(core, network, backbone, n, precision)
    except Exception as error:  # whatever a converter raises, the answer is the same
        wrong = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
        raise _refusal(backbone, wrong) from error
    if wrong:
        raise _refusal(backbone, wrong)
    return Engine("openvino", runner.run, n_parameters=model.count_params())


def _import_openvino() -> Any:
    """Import OpenVINO, without its usage statistics."""
    if not has_openvino():
        raise MissingDependencyError("openvino", "openvino", "engine='openvino'")
    if "openvino" not in sys.modules:
        # It would report every import and conversion to its makers over the network, asking nobody. Where
        # this module cannot be imported it does without. Who imports openvino first keeps his settings.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _converted(openvino: Any, tapped: Any, image_size: int) -> Any:
    """Return the network in OpenVINO's form, of any batch size, with outputs in the order of the layers."""
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise NotImplementedError(f"only TensorFlow's graphs are converted, and Keras runs on {backend}")
    import tensorflow as tf

    # From the traced graph: given the Keras model, OpenVINO calls it with a list, which Keras warns of.
    graph = tf.function(lambda batch: tapped(batch, training=False)).get_concrete_function(
        tf.TensorSpec((None, image_size, image_size, 3), tf.float32)
    )
    # A copy of the weights: TensorFlow's go when the model does.
    network = openvino.convert_model(graph, share_weights=False)
    # By name: there are outputs that nobody asked for (of swish, for its gradient), and with more than ten
    # they come in alphabetical order.
    outputs = [network.output(tensor.name) for tensor in tf.nest.flatten(graph.structured_outputs)]
    return openvino.Model(outputs, network.get_parameters())


def _refusal(backbone: Backbone, reason: str) -> EngineError:
    return EngineError(
        f"engine='openvino' cannot run backbone {backbone.name!r}: {reason}. Pass engine='keras', or 'auto', "
        "which falls back to it.",
        name="openvino",
    )


class _Runner:
    """A converted network, compiled for many images at once and, when first needed, for one or two."""

    def __init__(self, core: Any, network: Any, backbone: Backbone, n: int, precision: str) -> None:
        self._core, self._network = core, network
        self._backbone = backbone
        self._n = n
        self._precision = precision
        self._lock = threading.Lock()
        self._few: dict[int, queue.SimpleQueue[Any]] = {}
        many = self._compile(n, "THROUGHPUT")
        self._shapes = [tuple(output.shape)[1:] for output in many.outputs]
        # One more than the processor takes at once, so that the next is there when one is done.
        self._idle = _requests(many, 1 + many.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def run(self, pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        """Return one array for each layer. Calls from several threads share the requests."""
        return self._run_few(pixels, keep) if len(pixels) in _FEW else self._run_many(pixels, keep)

    def _run_few(self, pixels: np.ndarray, keep: Keep) -> list[np.ndarray]:
        n = len(pixels)
        with self._lock:
            if n not in self._few:
                self._few[n] = _requests(self._compile(n, "LATENCY"), 1)
        request = self._few[n].get()
        try:
            request.infer({0: self._backbone.preprocess(pixels)}, share_inputs=True)
            return [np.array(maps) for maps in keep(_outputs(request, n))]
        finally:
            self._few[n].put(request)

    def _run_many(self, pixels: np.ndarray, keep: Keep) -> list[np.ndarray]:
        if not len(pixels):
            return keep([np.empty((0, *shape), np.float32) for shape in self._shapes])
        found: list[np.ndarray] = []
        started: deque[tuple[int, Any]] = deque()

        def collect() -> None:
            """Wait for the oldest request, and keep what it computed."""
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
                # Every request has the same shape; preprocessing overlaps with the requests before.
                ready = self._backbone.preprocess(pad(pixels[start : start + self._n], self._n))
                # Who has requests waits for his own: no two callers wait for each other.
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
        # Said explicitly: left alone, processors with bfloat16 use it unasked.
        settings = {"INFERENCE_PRECISION_HINT": self._precision, "PERFORMANCE_HINT": hint}
        return self._core.compile_model(network, "CPU", settings)


def _outputs(request: Any, n: int) -> list[np.ndarray]:
    """Return the first n rows of each output, in the memory of the request."""
    return [tensor.data[:n] for tensor in request.output_tensors]


def _requests(compiled: Any, n: int) -> queue.SimpleQueue[Any]:
    """Return n requests that nobody uses."""
    idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(n):
        idle.put(compiled.create_infer_request())
    return idle

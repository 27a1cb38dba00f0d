"""The OpenVINO engine: the Keras model converted, proven equal on probes, and compiled for this processor.

There is no cache of compiled models on disk. Compiling takes 0.1 to 0.5 s, the conversion before it 2 to
3 s; a cache saves only the former (0.4 s for ResNet50), at the price of a copy of the weights and of files
that the runtime would have to trust.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from typing import Any

import numpy as np

from transferkit.backbones import Backbone, Taps, Weights
from transferkit.engines import _parity
from transferkit.engines._engine import Engine, pad
from transferkit.engines._keras import as_arrays, frozen_model
from transferkit.errors import EngineError, MissingDependencyError

# Images in one request. Several requests run at once, each on its share of the cores, so small ones do;
# 4, 8 and 16 are within the noise of each other.
_REQUEST = 8


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
        runner = _Runner(openvino, core, network, backbone, n, "f32")
        wrong = _parity.compare(
            layers,
            image_size,
            lambda pixels: as_arrays(tapped(backbone.preprocess(pixels), training=False)),
            runner.run,
        )
        if precision != "f32":
            runner = _Runner(openvino, core, network, backbone, n, precision)
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
    """A converted network, compiled for many images at once and, when it is first needed, for one."""

    def __init__(
        self, openvino: Any, core: Any, network: Any, backbone: Backbone, n: int, precision: str
    ) -> None:
        self._openvino, self._core, self._network = openvino, core, network
        self._backbone = backbone
        self._n = n
        self._precision = precision
        self._lock = threading.Lock()
        self._single: Any = None
        many = self._compile(n, "THROUGHPUT")
        self._shapes = [tuple(output.shape)[1:] for output in many.outputs]
        self._queue = openvino.AsyncInferQueue(many, many.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return one array for each layer."""
        # One call at a time: it uses all cores, and requests belong to who started them.
        with self._lock:
            return self._run_one(pixels) if len(pixels) == 1 else self._run_many(pixels)

    def _run_one(self, pixels: np.ndarray) -> list[np.ndarray]:
        if self._single is None:
            self._single = self._compile(1, "LATENCY").create_infer_request()
        self._single.infer({0: self._backbone.preprocess(pixels)})
        return [self._single.get_output_tensor(i).data.copy() for i in range(len(self._shapes))]

    def _run_many(self, pixels: np.ndarray) -> list[np.ndarray]:
        found = [np.empty((len(pixels), *shape), np.float32) for shape in self._shapes]

        def keep(request: Any, start: int) -> None:
            for i, maps in enumerate(found):
                rows = maps[start : start + self._n]
                rows[:] = request.get_output_tensor(i).data[: len(rows)]

        self._queue.set_callback(keep)
        for start in range(0, len(pixels), self._n):
            # Every request has the same shape; preprocessing overlaps with the requests before.
            part = pad(pixels[start : start + self._n], self._n)
            self._queue.start_async({0: self._backbone.preprocess(part)}, start)
        self._queue.wait_all()
        return found

    def _compile(self, n: int, hint: str) -> Any:
        network = self._network.clone()
        _, *shape = network.inputs[0].partial_shape
        network.reshape([n, *shape])
        # Said explicitly: left alone, processors with bfloat16 use it unasked.
        settings = {"INFERENCE_PRECISION_HINT": self._precision, "PERFORMANCE_HINT": hint}
        return self._core.compile_model(network, "CPU", settings)

"""The Keras engine, the only one that is always there and that every other one is compared with."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from transferkit.backbones import Backbone, Taps, Weights, build_model
from transferkit.engines._engine import Engine, pad

# A new batch size costs a new trace of the graph, so batches are padded to one of these.
_SMALL_BATCHES = (1, 8)


def frozen_model(backbone: Backbone, weights: Weights, image_size: int) -> Any:
    """Return the Keras model of a backbone, without TensorFlow's greetings."""
    # TensorFlow greets every process with its view of the hardware; what a user set stays.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return build_model(backbone, weights, image_size)


def keras_engine(
    backbone: Backbone,
    weights: Weights,
    image_size: int,
    layers: tuple[str, ...],
    batch_size: int,
    *,
    model: Any = None,
) -> Engine:
    """Run the backbone by Keras itself, on whichever Keras backend is set up."""
    model = frozen_model(backbone, weights, image_size) if model is None else model
    import keras

    tapped = Taps(model).model_of(layers)
    call: Callable[[Any], Any]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        call = tf.function(lambda batch: tapped(batch, training=False), reduce_retracing=False)
    else:

        def call(batch: Any) -> Any:
            return tapped(batch, training=False)

    lock = threading.Lock()

    def run(pixels: np.ndarray) -> list[np.ndarray]:
        ready = backbone.preprocess(pad(pixels, _padded_size(len(pixels), batch_size)))
        with lock:  # tracing is not thread-safe, and one batch uses all cores anyway
            outputs = call(keras.ops.convert_to_tensor(ready))
        return [maps[: len(pixels)] for maps in as_arrays(outputs)]

    return Engine("keras", run, model)


def as_arrays(outputs: Any) -> list[np.ndarray]:
    """Return what a model gives as arrays; Keras returns the tensor itself for a list of one."""
    import keras

    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32) for output in outputs]


def _padded_size(n: int, batch_size: int) -> int:
    """Return the size that n images are padded to, one of few."""
    return next((size for size in _SMALL_BATCHES if n <= size <= batch_size), max(n, batch_size))

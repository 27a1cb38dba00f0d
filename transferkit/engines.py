"""Engines: from a row of data to ``run(batch) -> one array of activations per layer``.

An engine is one function ``(backbone, weights, image_size, layers) -> Engine``, entered in
``ENGINES``. Only the Keras engine touches TensorFlow.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transferkit.backbones import Backbone, Taps, Weights, build_model
from transferkit.errors import InvalidInputError, quoted

# A new batch size costs a new trace of the graph, so batches are padded to one of these.
_SMALL_BATCHES = (1, 8)


@dataclass(frozen=True)
class Engine:
    """A backbone that runs.

    Parameters
    ----------
    name : str
    run : callable
        Maps uint8 pixels (n, S, S, 3) of any n to a list of float32 arrays (n, h, w, c) or (n, c),
        one for each layer. A row does not depend on the rows beside it. Safe to call from several threads.
    model : keras.Model or None
        The backbone without taps, where there is one.
    """

    name: str
    run: Callable[[np.ndarray], list[np.ndarray]]
    model: Any = None


def keras_engine(
    backbone: Backbone, weights: Weights, image_size: int, layers: tuple[str, ...], batch_size: int
) -> Engine:
    """Run the backbone by Keras itself, on whichever Keras backend is set up."""
    # TensorFlow greets every process with its view of the hardware; what a user set stays.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    model = build_model(backbone, weights, image_size)
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
        n = len(pixels)
        padded = _pad(pixels, batch_size)
        ready = backbone.preprocess(padded)
        with lock:  # tracing is not thread-safe, and one batch uses all cores anyway
            outputs = call(keras.ops.convert_to_tensor(ready))
        if not isinstance(outputs, list | tuple):
            outputs = [outputs]
        return [np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32)[:n] for output in outputs]

    return Engine("keras", run, model)


def _pad(pixels: np.ndarray, batch_size: int) -> np.ndarray:
    """Repeat the last image until the batch has one of the few sizes."""
    n = len(pixels)
    target = next((size for size in _SMALL_BATCHES if n <= size <= batch_size), max(n, batch_size))
    if n == target:
        return pixels
    return np.concatenate([pixels, np.repeat(pixels[-1:], target - n, axis=0)])


ENGINES: dict[str, Callable[..., Engine]] = {"keras": keras_engine}


def build_engine(
    make: Callable[..., Engine],
    backbone: Backbone,
    weights: Weights,
    image_size: int,
    layers: tuple[str, ...],
    batch_size: int,
) -> Engine:
    """Return a new engine."""
    return make(backbone, weights, image_size, layers, batch_size)


# The same engine for the same arguments, so that folds and grids need not build it again.
shared_engine = functools.lru_cache(maxsize=4)(build_engine)


def check_engine(engine: str) -> str:
    """Return the name of the engine that ``"auto"`` or a name stands for."""
    if engine == "auto":
        return "keras"
    if engine not in ENGINES:
        raise InvalidInputError(f"engine must be 'auto' or one of {quoted(ENGINES, 'or')}. Got {engine!r}.")
    return engine

"""The Keras engine: always available, and the reference for all others."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import numpy as np

from transferkit.backbones import KerasNetwork, Network, build_network, in_half_precision
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are, pad
from transferkit.engines._gpu import InParts, full_float32, grow_memory, has_gpu
from transferkit.errors import EngineError

# Each new batch size requires tracing the graph again, so batches are padded to a few sizes.
_FEW_SIZES = (1, 8, 32, 128, 512)


def requested_network(request: EngineRequest) -> Network:
    """Return the network of a request; build it if needed."""
    if request.network is not None:
        return request.network
    return build_network(request.backbone, request.weights, request.image_size)


def keras_engine(request: EngineRequest) -> Engine:
    """Run the network with Keras, on the configured Keras backend."""
    if has_gpu():
        grow_memory()
    network = requested_network(request)
    if not isinstance(network, KerasNetwork):
        raise EngineError(
            f"engine='keras' runs Keras models, and backbone {request.backbone.name!r} is none. "
            "Leave engine out.",
            name="keras",
        )
    own = request.network is not None
    if request.precision != "float32":
        network = in_half_precision(request.backbone, network, request.precision, shared=own)
    tap = network.tap(request.layers, compiled=True, one_graph=own)
    preprocess = request.backbone.preprocess
    lock = threading.Lock()
    exact = full_float32 if has_gpu() and request.precision == "float32" else nullcontext

    def run_part(pixels: np.ndarray, size: int) -> list[np.ndarray]:
        ready = preprocess(pad(pixels, size))
        with lock, exact():  # tracing is not thread-safe, and one batch uses all cores anyway
            outputs = tap(ready)
        return [maps[: len(pixels)] for maps in outputs]

    in_parts = InParts(run_part, _padded_size, request.batch_size)

    def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        return keep(in_parts(pixels))

    if own:  # trace its layers now and never again, so that the code that runs is the one that was described
        run(np.zeros((1, request.image_size, request.image_size, 3), np.uint8))
    return Engine("keras", run, network.n_parameters)


def _padded_size(n: int, batch_size: int) -> int:
    """Return the size, one of a few, that n images are padded to."""
    return next((size for size in _FEW_SIZES if n <= size <= batch_size), max(n, batch_size))

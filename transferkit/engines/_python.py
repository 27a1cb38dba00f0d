"""The engine that runs functions, one batch at a time."""

from __future__ import annotations

import threading

import numpy as np

from transferkit.backbones import FunctionNetwork
from transferkit.engines import _parity
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are
from transferkit.engines._keras import requested_network
from transferkit.engines._rows import Watched
from transferkit.errors import EngineError


def python_engine(request: EngineRequest) -> Engine:
    """Run a user's function.

    Raises
    ------
    EngineError
        The backbone is not a function.
    InvalidInputError
        The features of an image depend on the rest of its batch.
    """
    network = requested_network(request)
    if not isinstance(network, FunctionNetwork):
        raise EngineError(
            f"engine='python' runs functions, and backbone {request.backbone.name!r} is none. "
            "Leave engine out.",
            name="python",
        )
    tap, preprocess = network.tap(request.layers), request.backbone.preprocess
    probes = _parity.probes(request.image_size)
    shape = network.check_rows(preprocess(probes))
    lock = threading.Lock()

    def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        if not len(pixels):
            return keep([np.empty((0, *shape), np.float32)])
        with lock:  # the function may not be thread-safe
            (found,) = tap(preprocess(pixels))
        network.check_shape(found, shape)
        return keep([found])

    return Engine("python", Watched(run, len(probes), network.refuse_dependent_rows, network.tolerance))

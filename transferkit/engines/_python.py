"""The engine of functions: calls them, one batch at a time."""

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
    """Run a function of a person.

    Raises
    ------
    EngineError
        The backbone is no function.
    InvalidInputError
        A row of its features depends on the rest of the batch.
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
        with lock:  # a function need not be safe in threads
            (found,) = tap(preprocess(pixels))
        network.check_shape(found, shape)
        return keep([found])

    return Engine("python", Watched(run, len(probes), network.refuse_dependent_rows, network.tolerance))

"""The ONNX Runtime engine: the reference for ONNX files, used if OpenVINO cannot run them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from transferkit.backbones import OnnxNetwork, run_in_portions, session_of
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are
from transferkit.engines._keras import requested_network
from transferkit.errors import EngineError
from transferkit.foundation.cores import usable_cores

# Images per call. Parallel calls with one thread each were 1.4 times as fast as one call on all cores
# (EfficientNet-Lite2 on two cores), and small batches stay in the processor's caches.
_AT_ONCE = 2


def onnxruntime_engine(request: EngineRequest) -> Engine:
    """Run the network with ONNX Runtime.

    Raises
    ------
    EngineError
        The network is not an ONNX file, or ONNX Runtime cannot run it.
    """
    network = requested_network(request)
    if not isinstance(network, OnnxNetwork):
        raise EngineError(
            f"engine='onnxruntime' runs ONNX files, and backbone {request.backbone.name!r} is none. "
            "Leave engine out.",
            name="onnxruntime",
        )
    model, fixed = network.prepared(request.layers), network.fixed_batch
    size = fixed or _AT_ONCE
    alone = session_of(model, n_threads=1)

    @lru_cache(maxsize=1)
    def on_all_cores() -> object:
        return session_of(model, n_threads=0)

    def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        if len(pixels) <= _AT_ONCE:
            return [np.array(maps) for maps in keep(run_in_portions(on_all_cores(), pixels, fixed))]
        blocks = [pixels[at : at + size] for at in range(0, len(pixels), size)]
        kept = _workers(os.getpid()).map(lambda block: keep(run_in_portions(alone, block, fixed)), blocks)
        return [np.concatenate(maps) for maps in zip(*kept, strict=True)]

    return Engine("onnxruntime", run, network.n_parameters)


@lru_cache(maxsize=1)
def _workers(process: int) -> ThreadPoolExecutor:
    """Return the thread pool of a process, with one thread per core, shared by all engines."""
    return ThreadPoolExecutor(usable_cores(), "transferkit-onnxruntime")

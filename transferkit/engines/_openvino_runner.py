"""Run a model with OpenVINO: many images in parallel small requests, or one or two images on all cores."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from transferkit.engines._engine import Keep, as_they_are, pad

# Images per inference request. Several requests run in parallel, each on some of the cores, and small ones
# stay in the caches: 2 images are 25 % faster than 8 on MobileNetV2, 10 % on MobileNet, and not slower
# elsewhere.
REQUEST = 2
# A single prediction needs one image, or an image and its mirror image: one request on all cores.
FEW = (1, 2)
Ready = Callable[[np.ndarray], np.ndarray]  # converts pixels to the input of the model
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class Runner:
    """A converted model, compiled on first use for many images, and for one or two."""

    def __init__(
        self, core: Any, network: Any, ready: Ready, n: int, precision: str, few: tuple[int, ...]
    ) -> None:
        self._core, self._network = core, network
        self._ready = ready
        self._n, self._sizes = n, few
        self._precision = precision
        self._lock = threading.Lock()
        self._few: dict[int, queue.SimpleQueue[Any]] = {}
        self._many: tuple[list[tuple[int, ...]], queue.SimpleQueue[Any]] | None = None

    def run(self, pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        """Return one array per layer. Threads share the inference requests."""
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
        shapes, idle = self._compiled_for_many()
        if not len(pixels):
            return keep([np.empty((0, *shape), np.float32) for shape in shapes])
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
            idle.put(request)

        try:
            for start in range(0, len(pixels), self._n):
                # All requests have the same shape; preprocessing overlaps with running requests.
                ready = self._ready(pad(pixels[start : start + self._n], self._n))
                # Wait for our own requests first, so that no two callers wait for each other.
                while started and idle.empty():
                    collect()
                request = idle.get()
                started.append((start, request))
                request.start_async({0: ready}, share_inputs=True)
            while started:
                collect()
        finally:
            for _, request in started:  # after an error
                request.cancel()
                idle.put(request)
        return found

    def _compiled_for_many(self) -> tuple[list[tuple[int, ...]], queue.SimpleQueue[Any]]:
        """Return the shape of each output, and idle requests, compiled on first use."""
        with self._lock:
            if self._many is None:
                many = self._compile(self._n, "THROUGHPUT")
                shapes = [tuple(output.shape)[1:] for output in many.outputs]
                # One more than can run in parallel, so that the next one is ready when one is done.
                n_requests = 1 + many.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
                self._many = shapes, _requests(many, n_requests)
            return self._many

    def _compile(self, n: int, hint: str) -> Any:
        network = self._network.clone()
        _, *shape = network.inputs[0].partial_shape
        network.reshape([n, *shape])
        # Explicit, because OpenVINO would use bfloat16 by default if the processor supports it.
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

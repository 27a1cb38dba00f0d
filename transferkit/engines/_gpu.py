"""GPUs under Keras: whether there is one, its precision, and batches that do not fit into its memory."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.backbones import keras_defaults
from transferkit.errors import EngineError

# Device files of drivers on Linux: NVIDIA, NVIDIA under Windows (WSL), and AMD.
_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")  # errors of TensorFlow and PyTorch
_JAX_ERRORS = ("XlaRuntimeError", "JaxRuntimeError")


@functools.cache
def has_gpu() -> bool:
    """Return True if Keras computes on a GPU; on Linux without a driver, Keras is not imported."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if platform.system() == "Linux" and (hidden or not any(Path(device).exists() for device in _DEVICES)):
        return False
    with keras_defaults():
        import keras

        return _GPUS.get(keras.backend.backend(), lambda: False)()


def _tensorflow_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _jax_gpu() -> bool:
    import jax

    return jax.default_backend() in ("gpu", "METAL")


def _torch_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())


_GPUS = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}


def grow_memory() -> None:
    """Let TensorFlow allocate the GPU's memory as needed, instead of all of it at once.

    This has no effect once TensorFlow has used the GPU.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    for device in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(device, True)
        except (RuntimeError, ValueError):
            return


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 products in full precision; recent GPUs use TF32 with 10-bit mantissas by default."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        of_the_user = tf.config.experimental.tensor_float_32_execution_enabled()
        tf.config.experimental.enable_tensor_float_32_execution(False)
        try:
            yield
        finally:
            tf.config.experimental.enable_tensor_float_32_execution(of_the_user)
    elif backend == "torch":
        import torch

        with torch.backends.cudnn.flags(allow_tf32=False):  # for convolutions; products use float32 anyway
            yield
    else:
        with _jax_float32() if backend == "jax" else nullcontext():
            yield


def _jax_float32() -> Any:
    """Return a context in which JAX computes products in full float32."""
    import jax

    return jax.default_matmul_precision("float32")


class InParts:
    """Run batches in parts that fit into memory.

    Parameters
    ----------
    run : callable
        Maps pixels (n, S, S, 3) and the size to pad to (at least n) to a list of arrays with n rows.
    padded : callable
        Maps the number of images and the size of the largest part to the size to pad to.
    batch_size : int
        Initial size of the largest part; if one does not fit into memory, it is halved.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray, int], list[np.ndarray]],
        padded: Callable[[int, int], int],
        batch_size: int,
    ) -> None:
        self._run, self._padded = run, padded
        self.largest: int | None = None
        self._batch_size = batch_size

    def __call__(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the outputs of all images."""
        while True:
            largest = self.largest  # another thread may reduce it meanwhile
            size = largest or max(len(pixels), 1)
            try:
                parts = [
                    self._run(part, self._padded(len(part), largest or self._batch_size))
                    for part in (pixels[i : i + size] for i in range(0, max(len(pixels), 1), size))
                ]
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                if size == 1:
                    raise EngineError(
                        "The network needs more memory for one image than is free. Free memory of the GPU, "
                        "take a smaller image_size or precision='float16', or pass engine='openvino'.",
                        name="keras",
                    ) from error
                self.largest = size // 2
                continue
            return [np.concatenate(rows) for rows in zip(*parts, strict=True)] if parts[1:] else parts[0]


def _is_out_of_memory(error: Exception) -> bool:
    """Return True if this is the out-of-memory error of a backend."""
    name = type(error).__name__
    return name in _OUT_OF_MEMORY or (name in _JAX_ERRORS and "RESOURCE_EXHAUSTED" in str(error))

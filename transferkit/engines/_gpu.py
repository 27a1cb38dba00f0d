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

# What a driver leaves on Linux: of NVIDIA, of NVIDIA under Windows, of AMD.
_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
_OUT_OF_MEMORY = ("ResourceExhaustedError", "OutOfMemoryError")  # of TensorFlow and PyTorch
_JAX_ERRORS = ("XlaRuntimeError", "JaxRuntimeError")


@functools.cache
def has_gpu() -> bool:
    """Return whether Keras computes on a GPU. Without a driver, Keras is not imported to find out."""
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
    """Let TensorFlow take the GPU's memory as it needs it, not all of it at once.

    It is too late once TensorFlow has computed something; then all stays as it is.
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
    """Compute float32 products in float32, for which GPUs since 2020 use TF32, of 10 bits, by default."""
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

        with torch.backends.cudnn.flags(allow_tf32=False):  # convolutions; products use float32 anyway
            yield
    else:
        with _jax_float32() if backend == "jax" else nullcontext():
            yield


def _jax_float32() -> Any:
    """Return a block in which JAX traces products in float32."""
    import jax

    return jax.default_matmul_precision("float32")


class InParts:
    """Run batches in parts that fit into memory.

    Parameters
    ----------
    run : callable
        Maps pixels (n, S, S, 3) and the size to pad to, at least n, to a list of arrays of n rows.
    padded : callable
        Maps a number of images and the largest part to the size to pad to.
    batch_size : int
        The largest part until memory is short; after that, half of the part that did not fit.
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
            largest = self.largest  # another thread may find less memory meanwhile
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
    """Return whether a backend ran out of memory; each has its own error."""
    name = type(error).__name__
    return name in _OUT_OF_MEMORY or (name in _JAX_ERRORS and "RESOURCE_EXHAUSTED" in str(error))

"""Fitted Keras networks, kept as arrays: the model is built from them on first use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import keras_defaults
from transferkit.heads._base import check_arrays

Scale = tuple[NDArray[np.float32], NDArray[np.float32]]  # shift and gain of each channel


class KerasWeights:
    """Base of fitted networks, which are dataclasses with these fields."""

    shapes: Sequence[tuple[int, ...]]
    scales: list[Scale]
    weights: list[NDArray[np.float32]]
    _model: Any

    held_out: ClassVar[None] = None

    def model(self) -> Any:
        """Return the Keras model."""
        if self._model is None:
            with keras_defaults():
                self._model = self._build()
            if self.weights:
                self._model.set_weights(self.weights)
        return self._model

    def _build(self) -> Any:
        """Return the untrained model."""
        raise NotImplementedError

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        tensors: dict[str, NDArray[Any]] = {f"weight.{i}": array for i, array in enumerate(self.weights)}
        for i, (shift, gain) in enumerate(self.scales):
            tensors |= {f"shift.{i}": shift, f"gain.{i}": gain}
        return tensors

    def __getstate__(self) -> dict[str, Any]:
        """Drop the Keras model when pickling; it is rebuilt from the weights."""
        return self.__dict__ | {"_model": None}


def count_values(shapes: Sequence[tuple[int, ...]]) -> int:
    """Return the number of values in a row of arrays of these shapes."""
    return sum(map(math.prod, shapes))


def read_tensors(
    tensors: Mapping[str, NDArray[Any]], shapes: Sequence[tuple[int, ...]], other: str
) -> tuple[list[NDArray[np.float32]], list[Scale]]:
    """Return weights and scales from saved arrays, which also contain a float64 vector named ``other``.

    ValueError if arrays are missing or do not fit inputs of these shapes.
    """
    names = [f"weight.{i}" for i in range(sum(name.startswith("weight.") for name in tensors))]
    scales = [f"{kind}.{i}" for i in range(len(shapes)) for kind in ("shift", "gain")]
    expected: dict[str, tuple[str, int | None]] = dict.fromkeys(names, ("f4", None))
    check_arrays(tensors, expected | dict.fromkeys(scales, ("f4", 1)) | {other: ("f8", 1)})
    channels = [len(tensors[name]) for name in scales]
    if channels != [shape[-1] for shape in shapes for _ in range(2)]:
        raise ValueError(f"scales of {channels} channels for inputs {shapes}")
    pairs = [(tensors[f"shift.{i}"], tensors[f"gain.{i}"]) for i in range(len(shapes))]
    return [tensors[name] for name in names], pairs

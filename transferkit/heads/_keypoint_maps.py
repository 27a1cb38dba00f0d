"""Preparation of maps before the training of ``KeypointMapHead``, and of weights after it."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.file_rows import FileRows
from transferkit.foundation.halves import LARGEST_HALF, SMALLEST_HALF, as_half
from transferkit.heads._base import Maps
from transferkit.heads.cascade import coarse_maps, finest_map

_BLOCK = 64  # rows that are read at a time
_IN_MEMORY = 128 << 20  # bytes of a layer's maps; larger maps are kept in a temporary file
_SCALE_ROWS = 256  # rows that scales are learned from; each has hundreds of values per channel

Weights = list[NDArray[np.float32]]


def inputs_of(maps: Maps) -> list[NDArray[Any]]:
    """Return the finest map and the coarse ones; features without a map count as a map of one cell."""
    coarse = [array if array.ndim == 4 else array[:, None, None] for array in coarse_maps(maps)]
    return [maps[finest_map(maps)], *coarse]


def held_maps(maps: Maps) -> list[Any]:
    """Return the training inputs, to be read by rows; stored ones are copied from the cache only once."""
    if all(isinstance(array, np.ndarray) for array in maps):
        return inputs_of(maps)
    finest = finest_map(maps)
    coarse = [i for i in range(len(maps)) if i != finest] or [finest]
    held = [
        _hold(array, fine=i == finest, coarse=i in coarse, limit=_IN_MEMORY) for i, array in enumerate(maps)
    ]
    return [held[finest][0], *(held[i][-1] for i in coarse)]


def _hold(stored: Any, *, fine: bool, coarse: bool, dtype: Any = None, limit: int) -> list[Any]:
    """Return all rows of a layer as they are, averaged over a coarse grid, or both.

    They are kept in half precision if that is possible, and in a file if they exceed ``limit`` bytes.
    """
    dtype = np.dtype(dtype or stored.dtype)
    held: list[Any] = []
    for start in range(0, len(stored), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(stored)))
        block = stored[rows]
        largest = max(float(block.max()), -float(block.min()))
        if dtype == np.float16 and (largest > LARGEST_HALF or 0 < largest < SMALLEST_HALF):
            return _hold(stored, fine=fine, coarse=coarse, dtype=np.float32, limit=limit)
        parts = ([block] if fine else []) + (inputs_of([block])[1:] if coarse else [])
        try:
            held = held or [_rows((len(stored), *part.shape[1:]), dtype, limit) for part in parts]
            for array, part in zip(held, parts, strict=True):
                array[rows] = as_half(part) if dtype == np.float16 else part
        except OSError:  # the disk is full, but the maps may fit into memory
            return _hold(stored, fine=fine, coarse=coarse, dtype=dtype, limit=sys.maxsize)
    return held


def _rows(shape: tuple[int, ...], dtype: np.dtype[Any], limit: int) -> Any:
    """Return an array, or a file if it is large."""
    n_bytes = math.prod(shape) * dtype.itemsize
    return FileRows(shape, dtype) if n_bytes > limit else np.empty(shape, dtype)


def some_rows(maps: Any) -> NDArray[Any]:
    """Return evenly spread rows of the maps, to learn scales from."""
    return np.asarray(maps[np.unique(np.linspace(0, len(maps) - 1, _SCALE_ROWS).astype(int))])


def round_to_half(weights: Weights) -> Weights:
    """Round weights to half precision, so that a saved model predicts exactly the same."""
    return [
        weight.clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16).astype(np.float32) for weight in weights
    ]


def in_half(weight: NDArray[np.float32]) -> NDArray[Any]:
    """Return weights in half precision if they are exact in it; those of older models may not be."""
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    return half if np.array_equal(half, weight) else weight

"""Identify networks by their outputs for probe images, as names and digests do not describe all of them.

The code of a custom layer, a global variable that it reads, or a table in ``preprocess_input`` can change
while graph and weights stay the same. So the whole network runs on the probe images once per process, and the
output of each layer is compared with the recorded one, not by a digest, as rounding differs between machines.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import Backbone, FunctionNetwork, KerasNetwork, Network

# Tolerances relative to the length of a layer's output. Rounding is about 1e-6 in a network, and 1e-8 in its
# input; if one grey level is brighter by one, the input changes by 5e-4.
_INPUT_TOLERANCE, _TOLERANCE = 1e-6, 1e-4
_AT_ONCE = 1 << 26  # numbers (256 MB) in the layers that are computed together
_BLOCK_CHANNELS, _LEAST_SHARE = 16, 1e-6
_DIRECTIONS = tuple(prime**0.5 for prime in (2, 3, 5, 7, 11, 13, 17, 19))


def probe_images(image_size: int) -> NDArray[np.uint8]:
    """Return at least two images (n, S, S, 3): all grey levels in each channel, then a smooth scene."""
    pixels = np.arange(image_size * image_size * -(-256 // image_size**2))
    levels = np.stack([pixels * 97 + 85 * channel for channel in range(3)], axis=-1) % 256
    y, x = np.mgrid[:image_size, :image_size] / image_size
    rings = 0.5 + 0.5 * np.cos(20 * np.hypot(x - 0.3, y - 0.6))
    scene = np.round(255 * np.stack([rings, x, (1 - y) * rings], axis=-1))
    return np.concatenate([levels.reshape(-1, image_size, image_size, 3), scene[None]]).astype(np.uint8)


def answer(backbone: Backbone, network: Network | None, image_size: int) -> str:
    """Return a summary of the preprocessed probe images and of each layer's output, if any, as text."""
    ready = backbone.preprocess(probe_images(image_size))
    if isinstance(network, KerasNetwork):
        network.check_input(backbone.name, ready.shape)
    rows = [_summary(ready, np.float64)]  # because the tolerance is near the precision of float32
    if network is None:
        pass
    elif isinstance(network, FunctionNetwork):
        rows += _by_block(network.tap(("last",))(ready)[0])
    else:
        for layers in _portions(network, len(ready)):
            rows += [_summary(maps) for maps in network.tap(layers)(ready)]
    return base64.b64encode(np.array(rows, "<f8").tobytes()).decode()


def difference(known: str, now: str) -> str:
    """Return what differs between two summaries, as a clause; "" if they agree up to rounding."""
    a, b = _rows(known), _rows(now)
    if a.shape != b.shape:
        return "the network has other layers"
    same = ((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = np.where(same, 0, np.abs(a - b).max(axis=1) / np.maximum(a[:, 0], b[:, 0]))
    if not gaps[0] <= _INPUT_TOLERANCE:
        return "preprocess_input gives other values"
    if not np.all(gaps[1:] <= _TOLERANCE):
        return "its layers give other values, although graph and weights are the same"
    return ""


def _portions(network: Network, n_images: int) -> Iterator[tuple[str, ...]]:
    """Yield the names of all layers, in portions whose outputs fit into memory together."""
    portion: list[str] = []
    size = 0
    for name, numbers in network.sizes().items():
        numbers *= n_images
        if portion and size + numbers > _AT_ONCE:
            yield tuple(portion)
            portion, size = [], 0
        portion.append(name)
        size += numbers
    yield tuple(portion)


def _by_block(maps: NDArray[np.float32]) -> list[list[float]]:
    """Return a summary of each block of a few channels, as large and small numbers may be side by side."""
    whole = float(np.linalg.norm(maps.astype(np.float64)))
    rows = []
    for at in range(0, maps.shape[-1], _BLOCK_CHANNELS):
        length, *projections = _summary(maps[..., at : at + _BLOCK_CHANNELS])
        rows.append([max(length, _LEAST_SHARE * whole), *projections])  # smaller lengths are rounding only
    return rows


def _summary(maps: NDArray[np.float32], dtype: type[np.floating[Any]] = np.float32) -> list[float]:
    """Return the length of an array as a vector, and its projections onto a few fixed directions.

    A direction is the product of a factor for the position within a block of values and one for the block, so
    that most of the work is one matrix product.
    """
    flat = maps.ravel()
    n_blocks = -(-len(flat) // _BLOCK)
    blocks = np.zeros((n_blocks, _BLOCK), dtype)
    blocks.reshape(-1)[: len(flat)] = flat
    products = blocks @ _PLACES.astype(dtype)
    projections = (products * _spread(n_blocks, _DIRECTIONS[4:])).sum(axis=0)
    return [float(np.linalg.norm(flat.astype(dtype))), *projections.tolist()]


def _spread(n: int, directions: Sequence[float]) -> NDArray[np.float64]:
    """Return n numbers in -0.5..0.5 for each direction, evenly spread and the same on all machines."""
    return np.arange(1, n + 1)[:, None] * np.array(directions) % 1 - 0.5


_BLOCK = 4096
_PLACES = _spread(_BLOCK, _DIRECTIONS[:4])


def _rows(text: str) -> NDArray[np.float64]:
    """Return the rows of a summary, or no rows if the text is not a summary."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f8").reshape(
            -1, 1 + len(_DIRECTIONS) // 2
        )
    except ValueError:
        return np.empty((0, 1 + len(_DIRECTIONS) // 2))

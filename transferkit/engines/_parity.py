"""Compare a converted network with the original by the features of a few probe images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

# A wrong conversion (order of outputs, a missing scale, padding) shows in the first digits; with rounding in
# float32, the cosine is 0.9999999. Very deep networks with random weights amplify rounding, and fail.
LEAST_COSINE = 0.9999


def probes(image_size: int) -> NDArray[np.uint8]:
    """Return four fixed images (4, S, S, 3): a ramp, rings, coloured tiles and faint stripes.

    Noise is not suitable: it has no large structures, and its features are similar in different networks.
    """
    y, x = np.mgrid[:image_size, :image_size] / image_size
    ramp = np.stack([x, y, 1 - x], axis=-1)
    waves = (0.5 + 0.5 * np.cos(40 * np.hypot(x - 0.3, y - 0.6)))[..., None]
    rings = waves * (1.0, 0.7, 0.2)
    tile = (4 * x).astype(int) + 4 * (4 * y).astype(int)
    tiles = np.stack([tile * 7 % 16, tile * 11 % 16, tile * 13 % 16], axis=-1) / 15
    stripes = 0.1 + 0.05 * np.stack([np.sin(60 * x), np.sin(60 * (x + y)), np.sin(60 * y)], axis=-1)
    return np.round(255 * np.stack([ramp, rings, tiles, stripes])).astype(np.uint8)


def disparity(
    layers: Sequence[str],
    expected: Sequence[NDArray[np.float32]],
    found: Sequence[NDArray[np.float32]],
) -> str:
    """Return how features differ from the expected ones, as a clause; "" if they agree."""
    for layer, right, ours in zip(layers, expected, found, strict=True):
        if right.shape != ours.shape:
            return f"layer {layer!r} has features of shape {ours.shape[1:]} instead of {right.shape[1:]}"
        # NaN propagates through ``min``, and every comparison with it is false.
        cosine = np.min([_cosine(a, b) for a, b in zip(right, ours, strict=True)])
        if not cosine >= LEAST_COSINE:
            return (
                f"the features of layer {layer!r} differ from those of Keras "
                f"(cosine {cosine:.6f} on a probe image, {LEAST_COSINE} is needed)"
            )
    return ""


def compare(
    layers: Sequence[str],
    image_size: int,
    reference: Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]],
    run: Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]],
) -> str:
    """Return how ``run`` differs from the reference on the probes; "" if they agree."""
    images = probes(image_size)
    return disparity(layers, reference(images), run(images))


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the cosine of the angle between two arrays; 1 if both are zero."""
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    if size == 0:
        return float(not x.any() and not y.any())
    return float(x @ y) / size

"""Pixels as features: no network, for the baseline that transfer learning has to beat.

A head with several convolutions on this backbone is a network trained from scratch, with the same estimator,
cache and metrics as a pretrained backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.backbones.backbone import Backbone

if TYPE_CHECKING:
    import keras

DEFAULT_SIZE = 64

BACKBONES = (
    Backbone(
        "pixels",
        "transferkit.backbones.pixels:Pixels",
        "transferkit.backbones.pixels:preprocess_input",
        min_size=32,
        image_size=DEFAULT_SIZE,
        grid=None,  # averaged pixels would be a smaller image
        pretrained=False,
    ),
)


def preprocess_input(x: ArrayLike) -> NDArray[np.float32]:
    """Return images as float32 of shape (n, h, w, 3), still in 0..255."""
    return np.asarray(x, dtype=np.float32)


def Pixels(  # noqa: N802 - spelled like the constructors of keras.applications
    include_top: bool = False,
    weights: None = None,
    input_shape: tuple[int, int, int] = (DEFAULT_SIZE, DEFAULT_SIZE, 3),
) -> keras.Model:
    """Return a model whose only map is its input / 255: RGB in 0..1 of shape (n, height, width, 3).

    Examples
    --------
    >>> from transferkit.backbones.pixels import Pixels
    >>> Pixels(input_shape=(64, 48, 3)).output_shape
    (None, 64, 48, 3)
    """
    import keras

    image = keras.Input(input_shape, name="image")
    # Here, not in preprocess_input: other engines cannot convert a graph without operations.
    return keras.Model(image, keras.layers.Rescaling(1 / 255, name="pixels")(image), name="pixels")

"""Pixels as features: no network at all, for the baseline that transfer learning has to beat.

A head with several convolutions on this backbone is a network trained from nothing, through the same
estimator, cache and figures as on a pretrained backbone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import keras

DEFAULT_SIZE = 64


def preprocess_input(x: ArrayLike) -> NDArray[np.float32]:
    """Images as the model expects them: float32 of shape (n, h, w, 3), 0..255 as they are."""
    return np.asarray(x, dtype=np.float32)


def Pixels(  # noqa: N802 - named as the constructors of keras.applications are
    include_top: bool = False,
    weights: None = None,
    input_shape: tuple[int, int, int] = (DEFAULT_SIZE, DEFAULT_SIZE, 3),
) -> keras.Model:
    """Return a model whose one map is its input over 255: (n, height, width, 3), red, green and blue in 0..1.

    Examples
    --------
    >>> from transferkit.backbones.pixels import Pixels
    >>> Pixels(input_shape=(64, 48, 3)).output_shape
    (None, 64, 48, 3)
    """
    import keras

    image = keras.Input(input_shape, name="image")
    # Done here, not in preprocess_input: engines other than Keras convert no graph without an operation.
    return keras.Model(image, keras.layers.Rescaling(1 / 255, name="pixels")(image), name="pixels")

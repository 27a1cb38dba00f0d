"""Wavelet scattering transform as a Keras model: a backbone with fixed filters and no weights to download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.backbones import _scattering_filters as filters
from transferkit.errors import InvalidInputError

if TYPE_CHECKING:
    import keras

VERSION = "1"
MIN_SIZE = 32
DEFAULT_SIZE = 96

_STRIDE = 2**filters.SCALES
_FLOOR = 1e-3
# Orthonormal opponent colours (intensity, red - blue, green - magenta): a rotation, so it keeps the energy.
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])


def preprocess_input(x: ArrayLike) -> NDArray[np.float32]:
    """Images as the model expects them: float32, 0..255 scaled to 0..1.

    Parameters
    ----------
    x : array-like of shape (n, h, w, 3)
        RGB images, 0..255, any real dtype. Never changed.

    Returns
    -------
    ndarray of shape (n, h, w, 3), float32
    """
    return np.asarray(x, dtype=np.float32) / np.float32(255)


def Scattering(
    include_top: bool = False,
    weights: None = None,
    input_shape: tuple[int, int, int] = (DEFAULT_SIZE, DEFAULT_SIZE, 3),
    *,
    log: bool = True,
) -> keras.Model:
    """Second-order wavelet scattering transform (J=3 scales, L=8 orientations) of RGB images.

    Parameters
    ----------
    include_top : bool, default False
        Must be False.
    weights : None, default None
        Must be None.
    input_shape : tuple of int, default (96, 96, 3)
        Height, width and 3. Each side at least 32; padded by reflection to a multiple of 8.
    log : bool, default True
        Compress by ``log(1 + S / floor)``. False gives the scattering coefficients themselves.

    Returns
    -------
    keras.Model
    """
    _check_arguments(include_top, weights, input_shape)
    import keras

    from transferkit.backbones import _scattering_layers as layers

    def filtered(x: Any, taps: NDArray[np.float64], stride: int, name: str) -> Any:
        rows, columns = (filters.filter_matrix(taps, size, stride) for size in x.shape[1:3])
        return layers.FilterAxes(rows, columns, name)(x)

    def averaged(x: Any, level: int, name: str) -> Any:
        return filtered(x, filters.averaging_filter(level), _STRIDE >> level, f"{name}_average")

    def moduli(x: Any, level: int, scales: range, name: str) -> dict[int, Any]:
        """Wavelet moduli of ``x``, which has resolution ``2**-level``; that of scale ``j`` has ``2**-j``."""
        found = {}
        for scale in scales:
            while level < scale - 1:
                level += 1
                x = filtered(x, filters.halving_filter(), 2, f"{name}_half{level}")
            stride = 1 if scale == 0 else 2
            found[scale] = layers.WaveletModulus(
                filters.wavelet_bank(stride), stride, f"{name}_scale{scale}"
            )(x)
        return found

    def logarithm(x: Any, name: str) -> Any:
        return layers.Logarithm(_FLOOR, name)(x) if log else x

    image = keras.Input(input_shape, name="image", dtype="float32")
    padded = layers.PadToMultiple(_STRIDE, "pad")(image)
    colours = layers.MixChannels(_OPPONENT, "colours")(padded)
    intensity = layers.MixChannels(_OPPONENT[:1], "intensity")(padded)

    first = moduli(intensity, 0, range(filters.SCALES), "u1")
    order0 = averaged(colours, 0, "colours")
    order1 = [averaged(u, scale, f"u1_scale{scale}") for scale, u in first.items()]
    order2 = [
        averaged(v, scale2, f"u2_scale{scale}_scale{scale2}")
        for scale, u in first.items()
        for scale2, v in moduli(u, scale, range(scale + 1, filters.SCALES), f"u2_scale{scale}").items()
    ]
    lower = logarithm(keras.layers.Concatenate(name="s1")(order1), "log1")
    upper = logarithm(keras.layers.Concatenate(name="s2")(order2), "log2")
    lower = keras.layers.Concatenate(name="order1")([order0, lower])
    output = keras.layers.Concatenate(name="scattering")([lower, upper])
    model = keras.Model(image, output, name="scattering")
    model.trainable = False
    return model


def _check_arguments(include_top: bool, weights: object, input_shape: object) -> None:
    """Refuse what only a trained network could offer, and sizes that the filters do not fit."""
    if include_top:
        raise InvalidInputError(
            "include_top must be False: the filters are fixed, so there is no classifier to include."
        )
    if weights is not None:
        raise InvalidInputError(f"weights must be None: the filters are fixed. Got {weights!r}.")
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else ()
    if len(shape) != 3 or shape[2] != 3 or not all(isinstance(side, int) for side in shape):
        raise InvalidInputError(
            f"input_shape must be three integers, (height, width, 3). Got {input_shape!r}."
        )
    if min(shape[:2]) < MIN_SIZE:
        raise InvalidInputError(
            f"Each side of input_shape must be at least {MIN_SIZE}. Got {input_shape!r}. Resize the images first."
        )

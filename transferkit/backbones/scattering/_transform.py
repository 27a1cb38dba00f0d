"""Wavelet scattering as a Keras model, with fixed filters and no weights to download.

A scattering transform alternates wavelet convolutions with moduli, and averages the results::

    S0 = x * phi    S1[j,l] = |x * psi[j,l]| * phi    S2[j,l,k,m] = ||x * psi[j,l]| * psi[k,m]| * phi,  k > j

It is a convolutional network with known filters: stable to shifts and small deformations, without training.
Filters and their grid are described in ``_filters``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.backbones.scattering import _filters as filters
from transferkit.errors import InvalidInputError

if TYPE_CHECKING:
    import keras

VERSION = "2"  # part of every feature space; changes with the features
MIN_SIZE = 32
DEFAULT_SIZE = 96

_STRIDE = 2**filters.SCALES
# Floors of the logarithms. Images are in 0..1, so the first is about a grey level of 8 bits; the second is
# a ratio. By cross-validation on faces, 0.0003 to 0.003 and 0.01 to 0.03 are within 0.2 points of each other.
_FIRST_FLOOR = 3e-3
_SECOND_FLOOR = 1e-2
# Orthonormal opponent colours (intensity, red - blue, green - magenta): a rotation, so it keeps the energy.
_OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])


def preprocess_input(x: ArrayLike) -> NDArray[np.float32]:
    """Scale images from 0..255 to 0..1, as float32.

    Parameters
    ----------
    x : array-like of shape (n, h, w, 3)
        RGB images, 0..255, any real dtype; not modified.

    Returns
    -------
    ndarray of shape (n, h, w, 3), float32
        A new array.
    """
    return np.asarray(x, dtype=np.float32) / np.float32(255)


def Scattering(  # noqa: N802 - spelled like the constructors of keras.applications
    include_top: bool = False,
    weights: None = None,
    input_shape: tuple[int, int, int] = (DEFAULT_SIZE, DEFAULT_SIZE, 3),
    *,
    log: bool = True,
) -> keras.Model:
    """Return the second-order wavelet scattering transform of RGB images: J=3 scales, L=8 orientations.

    Parameters
    ----------
    include_top : bool, default=False
        Must be False: there is no classifier to include.
    weights : None, default=None
        Must be None: the filters are fixed.
    input_shape : tuple of int, default=(96, 96, 3)
        Height, width and 3. Each side is at least 32, and padded to a multiple of 8 by reflection at the
        right and the bottom.
    log : bool, default=True
        Renormalise the second order and take logarithms (see Notes). False gives the plain coefficients.

    Returns
    -------
    keras.Model
        Maps float32 images in 0..1 of shape (n, height, width, 3) to features of shape
        (n, ceil(height / 8), ceil(width / 8), 219). No weight is trainable. Layers to tap:
        ``"order1"`` (27 channels) and ``"scattering"``, the output.

    Raises
    ------
    InvalidInputError
        An argument is invalid.

    Notes
    -----
    The channels are the averages of intensity and two opponent colours; then, for the intensity, 24 of first
    order (``8 j + l``) and 192 of second order (``8 l + m`` for each of the pairs of scales (0, 1), (0, 2)
    and (1, 2)). These are the ``1 + J L + L^2 J (J - 1) / 2 = 217`` of one channel, plus two. Wavelet
    coefficients of the colours are left out: they cost up to three times as much and gain nothing on faces.

    With ``log``, the first order is ``log(1 + S1 / 0.003)`` and the second
    ``log(1 + S2 / (S1 + 0.003) / 0.01)``. Dividing by the parent removes from the second order what the first
    already contains [1]_. The averages are not changed.

    The filter bank satisfies ``|phi|^2 + 1/2 sum |psi(w)|^2 + |psi(-w)|^2 <= 1``, so without ``log`` the
    transform is non-expansive [2]_, up to a little aliasing. It commutes with mirroring: the mirrored image
    has the mirrored map, with orientation ``l`` in place of ``-l`` modulo 8 (exactly if the width is a
    multiple of 8).

    References
    ----------
    .. [1] J. Bruna and S. Mallat, "Invariant Scattering Convolution Networks", IEEE Transactions on Pattern
       Analysis and Machine Intelligence 35(8), 2013.
    .. [2] S. Mallat, "Group Invariant Scattering", Communications on Pure and Applied Mathematics 65(10),
       2012.

    Examples
    --------
    >>> from transferkit.backbones.scattering import Scattering
    >>> Scattering(input_shape=(64, 48, 3)).output_shape
    (None, 8, 6, 219)
    """
    _check_arguments(include_top, weights, input_shape)
    import keras

    from transferkit.backbones.scattering import _layers as layers

    def filtered(x: Any, taps: NDArray[np.float64], stride: int, name: str) -> Any:
        rows, columns = (filters.filter_matrix(taps, size, stride) for size in x.shape[1:3])
        return layers.FilterAxes(rows, columns, name)(x)

    def averaged(x: Any, level: int, name: str) -> Any:
        return filtered(x, filters.averaging_filter(level), _STRIDE >> level, f"{name}_average")

    def moduli(x: Any, level: int, first: int, name: str) -> dict[int, Any]:
        """Return the moduli of ``x`` at resolution ``2**-level``, by scale from ``first`` on."""
        found = {}
        for scale in range(first, filters.SCALES):
            while level < scale - 1:
                level += 1
                x = filtered(x, filters.halving_filter(), 2, f"{name}_half{level}")
            stride = 1 if scale == 0 else 2
            found[scale] = layers.WaveletModulus(filters.wavelet_bank(stride), stride, f"{name}_{scale}")(x)
        return found

    image = keras.Input(input_shape, name="image", dtype="float32")
    padded = layers.PadToMultiple(_STRIDE, "pad")(image)
    colours = averaged(layers.MixChannels(_OPPONENT, "opponent")(padded), 0, "opponent")
    intensity = layers.MixChannels(_OPPONENT[:1], "intensity")(padded)

    order1, order2 = [], []
    for j, u1 in moduli(intensity, 0, 0, "u").items():
        s1 = averaged(u1, j, f"u_{j}")
        order1.append(s1)
        for k, u2 in moduli(u1, j, j + 1, f"u_{j}").items():
            s2 = averaged(u2, k, f"u_{j}_{k}")
            order2.append(layers.Renormalise(_FIRST_FLOOR, f"u_{j}_{k}_ratio")([s2, s1]) if log else s2)

    first = keras.layers.Concatenate(name="first")(order1)
    second = keras.layers.Concatenate(name="second")(order2)
    if log:
        first = layers.Logarithm(_FIRST_FLOOR, "log_first")(first)
        second = layers.Logarithm(_SECOND_FLOOR, "log_second")(second)
    lower = keras.layers.Concatenate(name="order1")([colours, first])
    model = keras.Model(
        image, keras.layers.Concatenate(name="scattering")([lower, second]), name="scattering"
    )
    model.trainable = False
    return model


def _check_arguments(include_top: bool, weights: object, input_shape: object) -> None:
    """Raise InvalidInputError for a top, weights, or a size that the filters do not fit."""
    if include_top:
        raise InvalidInputError("include_top must be False: fixed filters have no classifier.")
    if weights is not None:
        raise InvalidInputError(f"weights must be None: the filters are fixed. Got {weights!r}.")
    shape = tuple(input_shape) if isinstance(input_shape, (tuple, list)) else ()
    if len(shape) != 3 or shape[2] != 3 or not all(isinstance(side, int) for side in shape):
        raise InvalidInputError(
            f"input_shape must be three integers, (height, width, 3). Got {input_shape!r}."
        )
    if min(shape[:2]) < MIN_SIZE:
        raise InvalidInputError(
            f"Each side of input_shape must be at least {MIN_SIZE}. Got {input_shape!r}. Enlarge the images."
        )

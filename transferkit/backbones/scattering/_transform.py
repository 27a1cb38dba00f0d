"""Wavelet scattering as a Keras model: a backbone with fixed filters, and no weights to download.

A scattering transform alternates wavelet convolutions with moduli and averages what comes out::

    S0 = x * phi    S1[j,l] = |x * psi[j,l]| * phi    S2[j,l,k,m] = ||x * psi[j,l]| * psi[k,m]| * phi,  k > j

It is a convolutional network whose filters are known beforehand: stable to shifts and small deformations,
and it needs no training. Filters and their grid are described in ``_filters``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.backbones.scattering import _filters as filters
from transferkit.errors import InvalidInputError

if TYPE_CHECKING:
    import keras

VERSION = "2"  # of the numbers; part of every feature space
MIN_SIZE = 32
DEFAULT_SIZE = 96

_STRIDE = 2**filters.SCALES
# Where the logarithms bend. Images are 0..1, so the first is half a grey level of 8 bits; the second is a
# ratio. By cross-validation on faces, 0.0003 to 0.003 and 0.01 to 0.03 are within 0.2 points of each other.
_FIRST_FLOOR = 3e-3
_SECOND_FLOOR = 1e-2
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
        A new array.
    """
    return np.asarray(x, dtype=np.float32) / np.float32(255)


def Scattering(  # noqa: N802 - named as the constructors of keras.applications are
    include_top: bool = False,
    weights: None = None,
    input_shape: tuple[int, int, int] = (DEFAULT_SIZE, DEFAULT_SIZE, 3),
    *,
    log: bool = True,
) -> keras.Model:
    """Second-order wavelet scattering transform of RGB images: J=3 scales, L=8 orientations.

    Parameters
    ----------
    include_top : bool, default=False
        Must be False: there is no classifier to include.
    weights : None, default=None
        Must be None: the filters are fixed.
    input_shape : tuple of int, default=(96, 96, 3)
        Height, width and 3. Each side at least 32; sides that are no multiple of 8 are extended by reflection
        at the right and the bottom.
    log : bool, default=True
        Renormalise the second order and compress both (see Notes). False gives the plain coefficients.

    Returns
    -------
    keras.Model
        From images of shape (n, height, width, 3), float32, 0..1 to maps of shape
        (n, ceil(height / 8), ceil(width / 8), 219). No weight is trainable. Layers to tap:
        ``"order1"`` (27 channels) and ``"scattering"``, the output.

    Raises
    ------
    InvalidInputError
        If an argument is not as described.

    Notes
    -----
    The channels are: intensity and two opponent colours, averaged; then of the intensity, 24 of first order
    (``8 j + l``) and 192 of second order, for the pairs of scales (0, 1), (0, 2), (1, 2) in turn
    ``8 l + m``. These are the ``1 + J L + L^2 J (J - 1) / 2 = 217`` of one channel, plus two. Wavelet
    coefficients of the colours are left out: up to three times the cost, and on faces no gain.

    With ``log``, the first order is ``log(1 + S1 / 0.003)`` and the second
    ``log(1 + S2 / (S1 + 0.003) / 0.01)``. Dividing by the parent takes out of the second order what the
    first already says [1]_. The averages stay as they are.

    The filter bank obeys ``|phi|^2 + 1/2 sum |psi(w)|^2 + |psi(-w)|^2 <= 1``, so that without ``log`` the
    transform stretches no distance [2]_, up to the small aliasing of its subsampling. It also commutes with
    mirroring: the mirrored image has the mirrored map, with orientation ``l`` in the place of ``-l`` modulo 8
    (exactly so where the width is a multiple of 8).

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
        """Moduli by scale, from ``first`` on, of ``x``, whose resolution is ``2**-level``."""
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
    """Refuse what only a trained network could offer, and sizes that the filters do not fit."""
    if include_top:
        raise InvalidInputError("include_top must be False: fixed filters come without a classifier.")
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

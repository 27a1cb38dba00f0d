"""Filters of the wavelet scattering transform: kernels and matrices, numpy only.

All grids are symmetric under mirroring: where a step halves the resolution, the new sample is in the middle
of the two (four) that it replaces, so the filter has an even number of taps. Cell ``i`` of a map with stride
``s`` is therefore centred on pixel ``s * (i + 0.5) - 0.5``, a mirrored image has exactly the mirrored map,
and no half-pixel shifts accumulate along the cascade.

The wavelets are self-similar, so two banks are enough for all scales: ``fine`` at full resolution, and
``coarse``, one octave lower, which is applied to the image halved ``j - 1`` times and keeps every second
sample. The input of a wavelet thus has twice the sampling rate of its output. This needs a larger kernel than
filtering at the final rate, but does not cut off the upper half of the wavelet's band.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SCALES = 3
ORIENTATIONS = 8

# The usual Morlet wavelet of image scattering (Bruna & Mallat 2013, section 2.1; ScatNet, Kymatio).
_SIGMA = 0.8
_FREQUENCY = 3 * np.pi / 4
_SLANT = 4 / ORIENTATIONS
_FINE_TAPS = 9
_COARSE_TAPS = 16
_HALVING_TAPS = 24
# Reduces the maximum of the Littlewood-Paley sum to 1, so that the transform is a contraction.
_GAIN = 0.95


def morlet(taps: int, sigma: float, frequency: float, angle: float, slant: float) -> NDArray[np.complex128]:
    """Return a Morlet wavelet of zero mean and unit peak response, sampled at ``taps`` x ``taps`` points.

    ``psi(u) = exp(-|u|_sigma^2 / 2) * (exp(i <xi, u>) - kappa)``, where ``xi`` has length ``frequency``
    and direction ``angle``, the envelope is ``1 / slant`` times wider across the wave than along it, and
    ``kappa`` makes the sum of the samples (not only the integral) vanish.
    """
    offsets = np.arange(taps) - (taps - 1) / 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    envelope = np.exp(-(along**2 + (slant * across) ** 2) / (2 * sigma**2))
    wave = np.exp(1j * frequency * along)
    kernel = envelope * (wave - (envelope * wave).sum() / envelope.sum())
    return kernel / np.abs((kernel * wave.conj()).sum())


def wavelet_bank(stride: int) -> NDArray[np.complex128]:
    """Return the wavelets of all orientations: the fine bank for stride 1, the coarse one for stride 2.

    Returns an array of shape (taps, taps, ORIENTATIONS); the wave of orientation ``l`` runs in the
    direction ``l * pi / ORIENTATIONS``, counted from the x axis towards the y axis (downwards).
    """
    taps = _FINE_TAPS if stride == 1 else _COARSE_TAPS
    angles = np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS
    wavelets = [morlet(taps, _SIGMA * stride, _FREQUENCY / stride, angle, _SLANT) for angle in angles]
    return _GAIN * np.stack(wavelets, axis=-1)


def halving_filter() -> NDArray[np.float64]:
    """Return an even half-band low pass (Kaiser-windowed sinc) of unit sum, shape (_HALVING_TAPS,)."""
    offsets = np.arange(_HALVING_TAPS) - (_HALVING_TAPS - 1) / 2
    taps = np.sinc(offsets / 2) * np.kaiser(_HALVING_TAPS, 5.0)
    return taps / taps.sum()


def averaging_filter(level: int) -> NDArray[np.float64]:
    """Return the Gaussian ``phi_J`` of unit sum at resolution ``2**-level``, centred on an output cell."""
    sigma = _SIGMA * 2 ** (SCALES - 1 - level)
    half = int(np.ceil(4 * sigma))
    offsets = np.arange(-half, half) + 0.5
    taps = np.exp(-(offsets**2) / (2 * sigma**2))
    return taps / taps.sum()


def filter_matrix(taps: NDArray[np.float64], size: int, stride: int) -> NDArray[np.float32]:
    """Return the matrix that filters ``size`` samples and keeps every ``stride``-th, symmetric at the edges.

    Row ``i`` holds the even-length ``taps`` around the middle of samples ``stride * i`` to
    ``stride * (i + 1) - 1``; taps beyond an edge are folded back (``... b a | a b ...``), so that
    constants stay constant.

    Returns an array of shape (size // stride, size).
    """
    matrix = np.zeros((size // stride, size))
    for row in range(size // stride):
        start = stride * row + stride // 2 - len(taps) // 2
        position = np.arange(start, start + len(taps)) % (2 * size)
        np.add.at(matrix[row], np.minimum(position, 2 * size - 1 - position), taps)
    return matrix.astype(np.float32)


def response(kernel: NDArray[np.complex128], rows: NDArray, columns: NDArray) -> NDArray[np.complex128]:
    """Return the transfer function of a square kernel at the angular frequencies ``rows`` x ``columns``."""
    offsets = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    # A correlation, as "convolution" means in neural networks.
    return np.exp(1j * np.outer(rows, offsets)) @ kernel @ np.exp(1j * np.outer(offsets, columns))


def wavelet_response(scale: int, rows: NDArray, columns: NDArray) -> NDArray[np.complex128]:
    """Return the transfer functions of one scale in the cascade: (ORIENTATIONS, rows, columns)."""
    bank = np.moveaxis(wavelet_bank(1 if scale == 0 else 2), -1, 0)
    halvings = np.ones((len(rows), len(columns)))
    step = 1
    for _ in range(scale - 1):
        halvings = halvings * np.outer(
            _gain(halving_filter(), rows * step), _gain(halving_filter(), columns * step)
        )
        step *= 2
    return np.stack([response(kernel, rows * step, columns * step) for kernel in bank]) * halvings


def littlewood_paley(points: int = 64) -> NDArray[np.float64]:
    """Return ``|phi|^2 + 1/2 sum_j,l |psi_jl(w)|^2 + |psi_jl(-w)|^2`` on a square grid over [-pi, pi)."""
    grid = -np.pi + 2 * np.pi * np.arange(points) / points
    low = _gain(averaging_filter(0), grid) ** 2
    total = np.outer(low, low)
    for scale in range(SCALES):
        for sign in (1, -1):
            total += 0.5 * (np.abs(wavelet_response(scale, sign * grid, sign * grid)) ** 2).sum(axis=0)
    return total


def _gain(taps: NDArray[np.float64], frequencies: NDArray) -> NDArray[np.float64]:
    """Return the real transfer function of an even number of symmetric taps."""
    offsets = np.arange(len(taps)) - (len(taps) - 1) / 2
    return np.cos(np.outer(frequencies, offsets)) @ taps

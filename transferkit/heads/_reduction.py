"""Lossless reduction of wide features for a linear model with an L2 penalty.

The weights of such a model lie in the span of the training rows, so n rows of d > n columns can
be replaced by n columns: with the Gram matrix ``K = X X' = U diag(s) U'``, the rows of
``Z = U sqrt(s)`` have the inner products of the rows of ``X``, and ``w = X' U z / sqrt(s)`` maps
back. See Hastie and Tibshirani (2004), "Efficient quadratic regularization for expression arrays",
Biostatistics 5(3). Features with no more columns than rows are only centred and scaled. Time
O(n^2 d + n^3), memory O(n^2) in addition to the features.

Above ``EXACT_ROWS`` rows the weights are restricted to the span of ``LANDMARKS`` random rows (Nystroem's
method: Williams and Seeger 2001, NIPS 13), and time grows linearly with n. This takes two decompositions
instead of one, so it does not pay off for slightly more rows. Rows are then processed in blocks, and may be
kept in a file (see :mod:`transferkit.foundation.scratch`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.scratch import scratch
from transferkit.heads._base import Maps, usual_size

EXACT_ROWS = 6144
LANDMARKS = 4096
# Columns in one product, and rows at a time: they limit the size of the copies made by centring.
_COLUMNS = 4096
_ROWS = 1024
_FLOOR = 1e-3  # smallest variance of a channel, relative to the usual variance of the layer's channels
_SMALLEST = 1e-27  # squares below may be too small for float32
_SMALLEST_EIGENVALUE = 1e-7  # relative to the largest; smaller ones are rounding errors of float32


@dataclass(frozen=True)
class Reduction:
    """Reduced rows, and the mapping back to weights of the original columns.

    Attributes
    ----------
    rows : ndarray of float64, shape (n, r)
        Scaled so that the mean squared norm of rows is 1.
    """

    rows: NDArray[np.float64]
    _landmarks: Maps
    _means: list[NDArray[np.float32]]
    _gains: list[NDArray[np.float32]]
    _basis: NDArray[np.float64] | None

    @classmethod
    def fit(
        cls,
        maps: Maps,
        seed: int = 0,
        shares: Sequence[float] | None = None,
        weight: NDArray[np.float64] | None = None,
    ) -> Reduction:
        """Centre each column, scale each channel and each layer, and reduce the rows.

        Each channel is divided by its standard deviation over rows and cells, so that strong channels do
        not dominate. Each layer then gets its share of the variance, by default the same for all, so that
        large maps do not dominate. Means and deviations are computed from these rows, weighted by ``weight``.
        """
        n = len(maps[0])
        shares = [1 / len(maps)] * len(maps) if shares is None else shares
        means = [_mean(array.reshape(n, -1), weight) for array in maps]
        gains = [
            _gain(array, mean, weight) * np.float32(np.sqrt(share))
            for array, mean, share in zip(maps, means, shares, strict=True)
        ]
        width = sum(map(len, means))
        n_basis = n if n <= EXACT_ROWS else min(n, LANDMARKS)
        if width <= n_basis:
            columns = scratch((n, width))
            for block in _cut(n, _ROWS):
                part = [array[block] for array in maps]
                np.concatenate(list(_scaled_blocks(part, means, gains)), axis=1, out=columns[block])
            return cls(columns, maps, means, gains, None)
        if n_basis == n:
            products = np.zeros((n, n))
            for scaled in _scaled_blocks(maps, means, gains):
                products += scaled @ scaled.T  # a product with its own transpose costs half
            rows, basis = rows_of(products, weight)
            return cls(rows, maps, means, gains, basis)
        chosen = np.sort(np.random.default_rng(seed).permutation(n)[:n_basis])
        landmarks = [array[chosen] for array in maps]
        scaled_landmarks = list(_scaled_blocks(landmarks, means, gains))
        rows = scratch((n, n_basis))
        for block in _cut(n, _ROWS):
            rows[block] = 0
            scaled_rows = _scaled_blocks([array[block] for array in maps], means, gains)
            for scaled, landmark in zip(scaled_rows, scaled_landmarks, strict=True):
                rows[block] += scaled @ landmark.T
        _, basis = _eigen_basis(rows[chosen])
        for block in _cut(n, _ROWS):
            rows[block, : basis.shape[1]] = rows[block] @ basis
        return cls(rows[:, : basis.shape[1]], landmarks, means, gains, basis)

    def expand(
        self, coefficients: NDArray[np.float64], intercept: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return weights (d, k) and intercept (k,) of raw columns, given those of reduced columns, (r, k)."""
        if self._basis is None:
            scaled_weights = coefficients
        else:
            duals = (self._basis @ coefficients).astype(np.float32)
            blocks = _scaled_blocks(self._landmarks, self._means, self._gains)
            scaled_weights = np.concatenate([scaled.T @ duals for scaled in blocks])
        weights = (scaled_weights * np.concatenate(self._gains)[:, None]).astype(np.float32)
        return weights, intercept - np.concatenate(self._means).astype(np.float64) @ weights


def products_of(array: NDArray[np.float32], weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Return the inner products (n, n) of the rows of one layer, centred and scaled as in ``fit``."""
    mean = _mean(array.reshape(len(array), -1), weight)
    products = np.zeros((len(array), len(array)))
    for scaled in _scaled_blocks([array], [mean], [_gain(array, mean, weight)]):
        products += scaled @ scaled.T
    return products


def rows_of(
    products: NDArray[np.float64], weight: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows (n, r) with these inner products (n, n), and the basis (n, r) that yields them.

    The products are centred again, in place, so that the weighted mean of the rows is 0 although means were
    rounded to float32.
    """
    centre = np.average(products, axis=0, weights=weight)
    products -= centre + (centre - np.average(centre, weights=weight))[:, None]
    values, basis = _eigen_basis(products)
    return basis * values, basis


def _eigen_basis(products: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eigenvalues (r,) above rounding errors, and the eigenvectors (n, r) over their roots."""
    values, vectors = np.linalg.eigh(products)
    kept = values > _SMALLEST_EIGENVALUE * max(values[-1], np.finfo(float).tiny)
    return values[kept], vectors[:, kept] / np.sqrt(values[kept])


def _scaled_blocks(
    maps: Maps, means: list[NDArray[np.float32]], gains: list[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Yield centred and scaled columns, a block at a time."""
    for array, mean, gain in zip(maps, means, gains, strict=True):
        flat = array.reshape(len(array), -1)
        for block in _cut(flat.shape[1], _COLUMNS):
            scaled = flat[:, block] - mean[block]
            scaled *= gain[block]
            yield scaled


def _mean(flat: NDArray[np.float32], weight: NDArray[np.float64] | None) -> NDArray[np.float32]:
    """Return the mean of each column."""
    return _average(flat, lambda rows: rows, weight).astype(np.float32)


def _average(
    flat: NDArray[np.float32],
    of: Callable[[NDArray[Any]], NDArray[Any]],
    weight: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Return the weighted mean (d,) of ``of(rows)``.

    Sums of a block of rows are precise enough in float32, unless they overflow or underflow.
    """
    for dtype in (np.float32, np.float64):
        sums = np.zeros(flat.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            for block in _cut(len(flat), 256):
                rows = of(flat[block].astype(dtype, copy=False))
                sums += rows.sum(axis=0) if weight is None else weight[block] @ rows
        sums /= len(flat) if weight is None else weight.sum()
        if np.isfinite(sums).all() and np.abs(sums).max() > _SMALLEST:
            break
    return sums


def _gain(
    array: NDArray[np.float32], mean: NDArray[np.float32], weight: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Return a factor per column that gives channels equal variance, and rows a mean squared norm of 1."""
    flat = array.reshape(len(array), -1)
    level = variance = _average(flat, lambda rows: np.square(rows - mean), weight)
    if array.ndim > 2:
        channels = variance.reshape(-1, array.shape[-1]).mean(axis=0)
        level = np.tile(channels, flat.shape[1] // array.shape[-1])
    if not level.any():
        return np.zeros(len(level), dtype=np.float32)
    # Without the floor, channels that are nearly always 0 would be amplified to the size of the others.
    gain = 1 / np.sqrt(np.maximum(level, _FLOOR * usual_size(level)))
    gain /= np.sqrt(float(variance @ gain**2))
    return np.minimum(gain, np.finfo(np.float32).max).astype(np.float32)


def _cut(length: int, size: int) -> list[slice]:
    """Return slices of rows or columns."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]

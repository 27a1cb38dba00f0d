"""Arrays of half precision: converted from and to single precision, and their largest magnitude.

NumPy treats these numbers one by one, which takes two to five times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# The exponent bias is 15 in half precision, and 127 in single precision. So a float32 with the bits of a half
# in the corresponding places is the same number times 2**-112, also for subnormal numbers and 0.
_SHIFT = np.float32(2.0**112)
_SIGN_AND_REST = np.int32(-(2**31) + 0x0FFFE000)
_SMALLEST = np.float32(2.0**-126)  # the smallest normal number
LARGEST_HALF, SMALLEST_HALF = 65504.0, 2.0**-14  # of normal numbers; smaller ones have fewer digits
_SMALLEST_BITS = int(np.float32(SMALLEST_HALF).view(np.int32))
_MAGNITUDE = np.int32(2**31 - 1)
_BLOCK = 1 << 15  # numbers that are rounded at a time, in the processor's cache


def as_single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers converted exactly to single precision; copied only if they have another type."""
    if not _shifts(array):
        return array.astype(np.float32, copy=False)
    single = _shifted(array)
    single *= _SHIFT
    return single


def as_half(array: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return numbers up to the largest of half precision, rounded to it as NumPy does."""
    numbers = np.ascontiguousarray(array, np.float32).reshape(-1)
    halves = np.empty(numbers.shape, np.float16)
    space = np.empty((3, min(len(numbers), _BLOCK)), np.int32)
    for start in range(0, len(numbers), _BLOCK):
        part = numbers[start : start + _BLOCK]
        bits, sign, odd = space[:, : len(part)]
        np.multiply(part, 1 / _SHIFT, out=bits.view(np.float32))
        np.right_shift(bits, 16, out=sign)
        sign &= 0x8000
        bits &= _MAGNITUDE
        # The last 13 bits are dropped: rounded to the nearest number, or to the even one of two.
        np.right_shift(bits, 13, out=odd)
        odd &= 1
        bits += odd
        bits += 0xFFF
        bits >>= 13
        bits |= sign
        halves[start : start + len(part)].view(np.uint16)[...] = bits
        # Smaller numbers but 0 would be rounded twice.
        np.bitwise_and(part.view(np.int32), _MAGNITUDE, out=bits)
        bits -= 1
        small = bits.view(np.uint32) < _SMALLEST_BITS
        if small.any():
            halves[start : start + len(part)][small] = part[small]
    return halves.reshape(np.shape(array))


def weighted_sums(array: NDArray[Any], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sums over the middle axis of numbers (n, m, c) times weights (n, m), in single precision."""
    if _shifts(array):
        array, weights = _shifted(array), weights * _SHIFT
    sums: NDArray[np.float32] = np.einsum("nm,nmc->nc", weights, array.astype(np.float32, copy=False))
    return sums


def _shifts(array: NDArray[Any]) -> bool:
    # Some libraries make threads treat numbers below the smallest one as 0.
    return array.dtype == np.float16 and bool(_SMALLEST / 2)


def _shifted(array: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return numbers times 2**-112."""
    bits = np.asarray(np.left_shift(array.view(np.int16), 13, dtype=np.int32))
    bits &= _SIGN_AND_REST
    return bits.view(np.float32)


def put(out: NDArray[Any], place: Any, row: NDArray[Any]) -> None:
    """Assign a row of half or single precision to a place of an array.

    In an array of half precision, a row of single precision becomes infinite if its largest magnitude is
    beyond the range of normal numbers.
    """
    if out.dtype == row.dtype:
        out[place] = row
    elif out.dtype != np.float16:
        out[place] = as_single(row)
    else:
        largest = max(float(row.max()), -float(row.min()))
        out[place] = row if largest == 0 or SMALLEST_HALF <= largest <= LARGEST_HALF else np.inf


def largest_magnitude(array: NDArray[np.float16]) -> float:
    """Return the largest absolute value; infinity if there is one, 0 for an empty array."""
    if not array.size:
        return 0.0
    # Their bits are ordered like magnitudes: as signed integers where positive, as unsigned where negative.
    positive, negative = int(array.view(np.int16).max()), int(array.view(np.uint16).max()) - 0x8000
    return float(np.array(max(positive, negative, 0), np.uint16).view(np.float16))

"""Arrays of half precision: converted to single precision, and their largest magnitude.

NumPy treats these numbers one by one, which takes three to five times as long.
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


def as_single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers converted exactly to single precision; copied only if they have another type."""
    return times(array, np.float32(1)) if array.dtype == np.float16 else array.astype(np.float32, copy=False)


def times(array: NDArray[Any], weight: Any) -> NDArray[np.float32]:
    """Return numbers multiplied by float32 weights, in single precision."""
    # Some libraries make threads treat numbers below the smallest one as 0.
    if array.dtype != np.float16 or not _SMALLEST / 2:
        return array.astype(np.float32, copy=False) * weight
    bits = array.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_REST
    single = bits.view(np.float32)
    single *= weight * _SHIFT
    return single


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

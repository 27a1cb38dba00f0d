"""Convert finite numbers from half to single precision.

NumPy converts them one by one, which takes three to five times as long.
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

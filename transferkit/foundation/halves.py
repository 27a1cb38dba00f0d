"""From half precision to single, of finite numbers.

Numpy converts one after the other, and takes three to five times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Exponents are stored 15 too large in a half, and 127 too large in a single. So a float32 with the bits of a
# half in their places is the same number times 2**-112, of the smallest halves and of 0 too.
_SHIFT = np.float32(2.0**112)
_SIGN_AND_REST = np.int32(-(2**31) + 0x0FFFE000)
_SMALLEST = np.float32(2.0**-126)  # that has all its bits


def as_single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers in single precision, exactly; a copy only of another type."""
    return times(array, np.float32(1)) if array.dtype == np.float16 else array.astype(np.float32, copy=False)


def times(array: NDArray[Any], weight: Any) -> NDArray[np.float32]:
    """Return numbers times weights, which are float32, in single precision."""
    # Some libraries tell threads to take numbers below the smallest one for 0.
    if array.dtype != np.float16 or not _SMALLEST / 2:
        return array.astype(np.float32, copy=False) * weight
    bits = array.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_REST
    single = bits.view(np.float32)
    single *= weight * _SHIFT
    return single

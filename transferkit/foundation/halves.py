"""From half precision to single: numpy converts number by number, and takes three to five times as long."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Exponents are stored 15 too large in a half, and 127 too large in a single. So a float32 with the bits of a
# half in their places is the same number times 2**-112, of the smallest halves and of 0 too.
SHIFT = np.float32(2.0**112)
_SIGN_AND_REST = np.int32(-(2**31) + 0x0FFFE000)


def as_single(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return finite numbers in single precision, exactly; a copy only of another type."""
    if array.dtype != np.float16:
        return array.astype(np.float32, copy=False)
    single = shifted(array)
    single *= SHIFT
    return single


def shifted(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return finite numbers times 2**-112, for who multiplies them anyway: by ``SHIFT`` times as much."""
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= _SIGN_AND_REST
    return bits.view(np.float32)

"""Scale values to 0..255.

uint8 is kept, and bool is black and white. Everything else is scaled by ``value_range=(black, white)`` if
given, and otherwise only if the range is unambiguous:

==================  ==============================  =======================================================
dtype               values                          range
==================  ==============================  =======================================================
all                 all zero                        black
16 bits             up to more than 255             0..65535
other integers      all in 0..255, one above 1      0..255
float               all in 0..1                     0..1 (as 0..255 the image would be black)
float               all in 0..255, one > 16         0..255 (0..1 overshoots by little)
==================  ==============================  =======================================================

Anything else (negative values, a maximum above 1 and up to 16, 16 bits within 0..255, ...) is ambiguous.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError, InvalidInputError

__all__ = ["ValueRange", "check_value_range", "is_uint16", "range_alone", "to_uint8"]

ValueRange = tuple[float, float]

_FULL_16 = (0.0, 65535.0)
_BLOCK = 1 << 20  # values converted at a time: limits the float copy to a few MB


def check_value_range(value_range: Any) -> ValueRange | None:
    """Return the range as two floats, or raise InvalidInputError."""
    if value_range is None:
        return None
    try:
        low, high = (float(bound) for bound in value_range)
        if np.isfinite(low) and np.isfinite(high) and low < high:
            return low, high
    except (TypeError, ValueError):
        pass
    raise InvalidInputError(
        "value_range must be two finite numbers (black, white) with black < white, such as (0, 1) or "
        f"(-1, 1). Got {value_range!r}."
    )


def is_uint16(dtype: np.dtype[Any]) -> bool:
    """Return True for unsigned integers of 16 bits, in either byte order."""
    return dtype.kind == "u" and dtype.itemsize == 2


def to_uint8(
    values: NDArray[Any], name: str, value_range: ValueRange | None, *, is_16_bit: bool = False
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return the values scaled to 0..255, and notes.

    ``is_16_bit`` means that the file format declares 0..65535.
    """
    if values.dtype == np.uint8:
        return values, ()
    if values.dtype == np.bool_:
        return values.view(np.uint8) * np.uint8(255), ()
    low, high = _extremes(values, name)
    wide = is_16_bit or is_uint16(values.dtype)
    if wide and value_range is None and 0 < high <= 255:
        raise BadImageError(
            name,
            "ambiguous_range",
            f"16 bits with values from {low:g} to {high:g} of 65535: black, or 8 bits stored as 16?",
            "Pass value_range=(0, 255) or value_range=(0, 65535), or convert to uint8 first.",
        )
    if value_range in (None, _FULL_16) and wide:
        # The high byte, which is what Pillow keeps of 16-bit colour: grey and colour must agree.
        return (values >> 8).astype(np.uint8), (_note_16(high),)
    chosen = value_range or _only_reading(values, name, low, high)
    return _scale(values, name, chosen, low, high), (f"values {chosen[0]:g}..{chosen[1]:g} scaled to 0..255",)


def range_alone(values: NDArray[Any]) -> ValueRange | None:
    """Return the range of a single array, or None if it is ambiguous."""
    try:
        low, high = _extremes(values, "")
        if is_uint16(values.dtype) and high > 255:
            return _FULL_16
        return _only_reading(values, "", low, high)
    except (BadImageError, ValueError):
        return None


def _extremes(values: NDArray[Any], name: str) -> tuple[float, float]:
    low, high = values.min(), values.max()
    # Any NaN or infinity shows in the minimum or maximum.
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(values.size - np.isfinite(values).sum())
        raise BadImageError(
            name,
            "non_finite",
            f"{bad:,} of {values.size:,} values are NaN or infinite.",
            "Replace them, for example with numpy.nan_to_num, or leave the image out.",
        )
    return float(low), float(high)


def _only_reading(values: NDArray[Any], name: str, low: float, high: float) -> ValueRange:
    """Return the range if it is unambiguous, else raise BadImageError."""
    is_float = values.dtype.kind == "f"
    if is_float and low >= 0 and 0 < high <= 1:
        return 0.0, 1.0
    # More than the 16 grey levels of scikit-learn's digits.
    smallest_white = 16.01 if is_float else 256 if is_uint16(values.dtype) else 2
    if low >= 0 and (high == 0 or smallest_white <= high <= 255):
        return 0.0, 255.0
    raise BadImageError(
        name,
        "ambiguous_range",
        f"{values.dtype} values from {low:g} to {high:g}: which value is black and which is white?",
        "Pass value_range=(black, white), such as (0, 1), (-1, 1), (0, 255) or (0, 65535), or convert to "
        "uint8 first.",
    )


def _scale(
    values: NDArray[Any], name: str, value_range: ValueRange, low: float, high: float
) -> NDArray[np.uint8]:
    """Map black..white to 0..255; values may lie outside by half a grey level, from rounding."""
    black, white = value_range
    slack = (white - black) / 510
    if low < black - slack or high > white + slack:
        raise BadImageError(
            name,
            "ambiguous_range",
            f"values from {low:g} to {high:g} lie outside value_range=({black:g}, {white:g}).",
            "Pass the actual range, or clip the values.",
        )
    flat = values.reshape(-1)
    result = np.empty(flat.size, np.uint8)
    for start in range(0, flat.size, _BLOCK):
        block = (flat[start : start + _BLOCK].astype(np.float64) - black) * (255 / (white - black))
        result[start : start + _BLOCK] = np.rint(block).clip(0, 255)
    return result.reshape(values.shape)


def _note_16(high: float) -> str:
    if 0 < high < 4096:
        return (
            f"16 bits scaled to 8; the brightest value is {high:g} of 65535: pass a value_range such as "
            "(0, 4095) if the image should be brighter"
        )
    return "16 bits scaled to 8"

"""Infer the values of black and white from several arrays together.

In a stack of floats within 0..255, a nearly black image may have no value above 1. On its own, it would be
read as 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import BadImageError, InvalidInputError
from transferkit.images._ranges import ValueRange, is_uint16
from transferkit.images._selection import pick_channels

__all__ = ["FAMILIES", "ArrayRanges", "array_ranges", "check_agreement", "family_of"]

ArrayRanges = Mapping[str, ValueRange]  # by family of dtypes

# Among many images, some are brighter than half of white. So a smaller maximum, such as 16 in scikit-learn's
# digits, means another range.
_LEAST_WHITE = 128
_RANGES = {"float": (0.0, 255.0), "integer": (0.0, 255.0), "uint16": (0.0, 65535.0)}
FAMILIES = tuple(_RANGES)
_LEAST = {"float": _LEAST_WHITE, "integer": _LEAST_WHITE, "uint16": 256}


def family_of(dtype: np.dtype[Any]) -> str | None:
    """Return "float", "uint16" or "integer"; None if the dtype alone determines white."""
    if dtype.kind == "f":
        return "float"
    if dtype.kind not in "iu" or dtype == np.uint8:
        return None
    return "uint16" if is_uint16(dtype) else "integer"


def array_ranges(images: Sequence[Any], channels: Sequence[int] | None = None) -> dict[str, ValueRange]:
    """Return the range of the arrays among images, by family of dtypes.

    Parameters
    ----------
    images : sequence of images
        Images that are not arrays are ignored.
    channels : sequence of int, optional
        Channels to consider; by default all.

    Returns
    -------
    dict of str to (float, float)
        Values of black and white. A family without arrays, or with black ones only, is left out.

    Raises
    ------
    InvalidInputError
        The range is ambiguous.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for array in _arrays(images, channels):
        if (family := family_of(array.dtype)) and (extremes := _extremes(array)):
            found.setdefault(family, []).append(extremes)
    ranges = {}
    for family, pairs in found.items():
        low, high = min(low for low, _ in pairs), max(high for _, high in pairs)
        if low == high == 0:
            continue
        if family == "float" and low >= 0 and high <= 1:
            ranges[family] = (0.0, 1.0)
        elif low >= 0 and _LEAST[family] <= high <= _RANGES[family][1]:
            ranges[family] = _RANGES[family]
        else:
            raise InvalidInputError(
                f"X has {len(pairs)} {family} arrays with values from {low:g} to {high:g}: which value is "
                f"black and which is white? Pass extractor=FeatureExtractor(value_range=({min(low, 0):g}, "
                f"{high:g})), or what they are, or convert them to uint8."
            )
    return ranges


def check_agreement(images: Sequence[Any], channels: Sequence[int] | None = None) -> None:
    """Raise InvalidInputError if some float arrays would be read as 0..1, and others as 0..255."""
    if len(images) < 2:
        return
    highest = [
        extremes[1]
        for array in _arrays(images, channels)
        if array.dtype.kind == "f" and (extremes := _extremes(array)) and extremes[1] > 0
    ]
    if highest and min(highest) <= 1 < max(highest):
        raise InvalidInputError(
            f"X has float arrays up to {max(highest):g}, and others up to {min(highest):g}, which would be "
            "read as 0..1. Pass value_range=(0, 255), or what they are, or fit a FeatureExtractor on all."
        )


def _arrays(images: Sequence[Any], channels: Sequence[int] | None) -> list[NDArray[Any]]:
    """Return the images that are arrays; others may be converted to arrays only when they are read."""
    arrays = [
        np.asarray(image)
        for image in images
        if isinstance(image, np.ndarray)
        or (
            hasattr(image, "__array__") and hasattr(image, "dtype") and not isinstance(image, PIL.Image.Image)
        )
    ]
    return arrays if channels is None else [array for each in arrays for array in _chosen(each, channels)]


def _chosen(array: NDArray[Any], channels: Sequence[int]) -> list[NDArray[Any]]:
    """Return the channels of an array; nothing if reading it will raise an error."""
    try:
        return [pick_channels(array, channels, "")]
    except BadImageError:
        return []


def _extremes(array: NDArray[Any]) -> tuple[float, float] | None:
    """Return the smallest and the largest value; None if reading the array will raise an error."""
    if array.size == 0 or array.dtype.kind not in "iuf":
        return None
    low, high = float(array.min()), float(array.max())
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None

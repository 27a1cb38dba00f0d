"""Convert arrays to RGB images."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.images._image import Image, Limits, check_size
from transferkit.images._pictures import picture_to_rgb
from transferkit.images._ranges import ValueRange, to_uint8

__all__ = ["CHANNELS", "array_to_image", "check_dtype", "describe"]

CHANNELS = (1, 3, 4)  # grey, RGB, RGBA

_EXPECTED = (
    "Expected (height, width), (height, width, 1), (height, width, 3) or (height, width, 4) of bool, "
    "integers or floats."
)


def describe(array: NDArray[Any]) -> str:
    """Return a description of an array for messages."""
    return f"array of shape {array.shape}"


def check_dtype(array: NDArray[Any]) -> None:
    """Raise BadImageError unless the array holds real numbers."""
    if np.ma.is_masked(array):
        raise BadImageError(
            describe(array), "bad_array", "has masked values.", "Fill them: array.filled(value)."
        )
    if array.dtype.kind not in "biuf":
        hint = "Convert it, for example with numpy.stack(list_of_arrays) or array.astype(numpy.uint8)."
        raise BadImageError(describe(array), "bad_array", f"has dtype {array.dtype}. {_EXPECTED}", hint)


def array_to_image(
    array: NDArray[Any],
    value_range: ValueRange | None,
    limits: Limits,
    settled: ValueRange | None = None,
    *,
    name: str = "",
) -> Image:
    """Return the image in an array of real numbers; ``settled`` is the range of all arrays, if known."""
    name = name or describe(array)
    if array.size == 0:
        raise BadImageError(name, "empty", "has no values.", "Was a crop outside its image?")
    upright, notes = _channels_last(array, name)
    height, width = upright.shape[:2]
    check_size(name, width, height, limits)
    if upright.ndim == 3 and upright.shape[2] == 4 and upright.dtype.kind == "f":
        _check_alpha(upright, name, value_range)
    _check_settled(upright, name, value_range, settled)
    pixels, scaled = to_uint8(upright, name, value_range or settled)
    notes += scaled
    if value_range is None and settled == (0, 255) and upright.dtype.kind == "f" and 0 < upright.max() <= 1:
        notes += ("values within 0..1 read as 0..255, as those of the training: nearly black",)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    elif pixels.shape[2] == 4:
        pixels, composited = picture_to_rgb(PIL.Image.fromarray(np.ascontiguousarray(pixels)), name)
        notes += composited
    return Image(_read_only(pixels), notes)


def _channels_last(array: NDArray[Any], name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the array as (h, w), (h, w, 3) or (h, w, 4), and a note if axes were moved."""
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    notes: tuple[str, ...] = ()
    if array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
        array = np.moveaxis(array, 0, -1)
        notes = ("channels first moved last",)
    if array.ndim == 3 and array.shape[2] in CHANNELS:
        return (array[:, :, 0] if array.shape[2] == 1 else array), notes
    if array.ndim == 2:
        return array, notes
    hint = "Pass several images as a list or an array with the images along the first axis."
    if array.ndim == 3:
        some = 3 if array.shape[2] > 3 else 1
        hint = f"Choose 1, 3 or 4 channels, such as array[..., :{some}], or pass single images."
    raise BadImageError(name, "bad_array", f"is not an array of one image. {_EXPECTED}", hint)


def _check_alpha(array: NDArray[Any], name: str, value_range: ValueRange | None) -> None:
    """Raise BadImageError for colours up to 255 with alpha up to 1: the result would be a white image."""
    if value_range is None and array[:, :, 3].max() <= 1 < array[:, :, :3].max():
        raise BadImageError(
            name,
            "ambiguous_range",
            "has colours above 1 but a fourth channel within 0..1.",
            "Scale both to 0..255, or drop the fourth channel: array[..., :3].",
        )


def _check_settled(
    array: NDArray[Any], name: str, value_range: ValueRange | None, settled: ValueRange | None
) -> None:
    """Raise BadImageError for an array outside the range of the training images."""
    if value_range is None and settled is not None and (high := array.max()) > settled[1] + settled[1] / 510:
        raise BadImageError(
            name,
            "ambiguous_range",
            f"has values up to {high:g}, but the arrays of fit were read as 0..{settled[1]:g}.",
            "Scale it as those were.",
        )


def _read_only(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a C-contiguous read-only view, since the memory may belong to the caller."""
    view = np.ascontiguousarray(pixels).view()
    view.flags.writeable = False
    return view

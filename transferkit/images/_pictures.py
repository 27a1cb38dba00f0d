"""Convert Pillow images to RGB: modes, transparency, orientation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.images._ranges import ValueRange, to_uint8
from transferkit.images._selection import pick_channels

__all__ = [
    "is_signed",
    "is_white_zero",
    "is_wide",
    "orientation_of",
    "picture_to_rgb",
    "upright",
    "upright_box",
]

_ORIENTATION = 0x0112  # the EXIF tag
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339  # TIFF tags; 0 is WhiteIsZero, and 2 signed integers
# EXIF 2.32, 4.6.4 A: orientation -> transposition that makes the image upright.
_TURNS = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
_WHITE = (255, 255, 255)


def orientation_of(picture: PIL.Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if the EXIF data is missing or broken."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF may raise anything, and is not fatal
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def upright(picture: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    """Return the image with its EXIF orientation applied."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def upright_box(
    box: tuple[float, float, float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Transform a box of a stored image of this width and height to the upright image."""
    left, upper, right, lower = box
    width, height = size
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        upper, lower = height - lower, height - upper
    return (left, upper, right, lower) if orientation < 5 else (upper, left, lower, right)


def is_wide(picture: PIL.Image.Image) -> bool:
    """Return True if the decoded image has other values than those of 8 bits without a sign."""
    return picture.mode == "F" or picture.mode.startswith("I") or is_signed(picture)


def is_signed(picture: PIL.Image.Image) -> bool:
    """Return True for a TIFF of 8 bits with a sign, whose bytes Pillow takes for 0 to 255."""
    return picture.mode == "L" and getattr(picture, "tag_v2", {}).get(_SAMPLE_FORMAT) in (2, (2,))


def is_white_zero(picture: PIL.Image.Image) -> bool:
    """Return True for a TIFF of more than 8 bits that stores white as 0, which Pillow does not invert."""
    return is_wide(picture) and getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0


def picture_to_rgb(
    picture: PIL.Image.Image,
    name: str,
    value_range: ValueRange | None = None,
    channels: Sequence[int] | None = None,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return pixels (height, width, 3) and notes; with ``channels``, alpha is an ordinary channel."""
    if channels is not None and not is_wide(picture):
        bands = picture if picture.mode in ("L", "LA", "RGB", "RGBA") else picture.convert("RGB")
        chosen = pick_channels(np.array(bands), channels, name)
        return (np.repeat(chosen, 3, axis=2) if chosen.shape[2] == 1 else chosen), ()
    if channels is not None and max(channels) > 0:
        pick_channels(np.asarray(picture), channels, name)  # grey has a single one
    if is_wide(picture):
        return _wide_to_rgb(picture, name, value_range)
    if picture.mode == "LAB":
        raise BadImageError(name, "format_not_supported", "has LAB colours.", "Save it as RGB.")
    key = picture.info.get("transparency")
    if picture.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
        # The transparent colour of a 16-bit file; the pixels have lost their low bytes.
        picture = picture.copy()
        picture.info["transparency"] = tuple(value >> 8 for value in key)
    if not picture.has_transparency_data:
        return np.array(picture if picture.mode == "RGB" else picture.convert("RGB")), ()
    # "La", grey with premultiplied alpha, cannot be converted to RGBA directly.
    with_alpha = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
    alpha = with_alpha.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return np.array(with_alpha.convert("RGB")), ()
    canvas = PIL.Image.new("RGB", with_alpha.size, _WHITE)
    canvas.paste(with_alpha.convert("RGB"), mask=alpha)
    return np.array(canvas), ("alpha composited on white",)


def _wide_to_rgb(
    picture: PIL.Image.Image, name: str, value_range: ValueRange | None
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Convert grey of 16 bits, 32 bits, floats, or bytes with a sign."""
    values = np.asarray(picture)
    if is_signed(picture):
        values = values.view(np.int8)
    # Some versions of Pillow hold 16-bit grey of PNG and PPM in 32 bits; both formats mean 0..65535.
    is_16_bit = picture.mode.startswith("I;16") or picture.format in ("PNG", "PPM")
    grey, notes = to_uint8(values, name, value_range, is_16_bit=is_16_bit and picture.mode != "F")
    if is_white_zero(picture):
        grey, notes = ~grey, (*notes, "inverted: zero is white in this file")
    see_through = picture.info.get("transparency")
    if isinstance(see_through, int) and (hidden := values == see_through).any():
        grey = np.where(hidden, np.uint8(255), grey)
        notes += ("alpha composited on white",)
    return np.repeat(grey[:, :, None], 3, axis=2), notes

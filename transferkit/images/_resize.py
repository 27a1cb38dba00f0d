"""Resize images to a square, and map coordinates to it."""

from __future__ import annotations

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError

__all__ = ["letterbox", "resize_image"]


def letterbox(
    width: int, height: int, size: int, *, resize: str = "stretch"
) -> tuple[float, float, float, float]:
    """Return the transformation from an image to the square of :func:`resize_image`.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels.
    size : int
        Side of the square in pixels.
    resize : {"stretch", "pad"}, default "stretch"
        As for :func:`resize_image`.

    Returns
    -------
    scale_x, scale_y, offset_x, offset_y : float
        A point ``(x, y)`` of the image, where integers are *centres* of pixels, maps to
        ``u = (x + 0.5) * scale_x + offset_x``, ``v = (y + 0.5) * scale_y + offset_y``: distances from the
        left and upper *edge* of the square, 0 to ``size``. Offsets are whole pixels. With "pad" the two
        scales differ slightly, because the content is rounded to whole pixels.

    Raises
    ------
    InvalidInputError
        A size below 1, or an unknown ``resize``.
    """
    if min(width, height, size) < 1:
        raise InvalidInputError(
            f"width, height and size must be at least 1. Got width={width}, height={height}, size={size}."
        )
    inner_width, inner_height = _content(width, height, size, resize)
    return (
        inner_width / width,
        inner_height / height,
        float((size - inner_width) // 2),
        float((size - inner_height) // 2),
    )


def resize_image(
    pixels: NDArray[np.uint8],
    size: int,
    *,
    resize: str = "stretch",
    original: tuple[int, int] | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> NDArray[np.uint8]:
    """Resize an image to a square.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), dtype uint8
    size : int
        Side of the square in pixels.
    resize : {"stretch", "pad"}, default "stretch"
        "stretch" fills the square and changes the aspect ratio; "pad" keeps it (to within half a pixel),
        centres the image and fills the rest with black.
    original : (int, int), optional
        Width and height of the full image, if it was decoded at reduced size: ``Image.size``.
    box : (float, float, float, float), optional
        The part of ``pixels`` that the image covers, by default all: ``Image.box``.

    Returns
    -------
    ndarray of shape (size, size, 3), dtype uint8
        Computed by Pillow's antialiasing bilinear filter. Never shares memory with ``pixels``.

    Raises
    ------
    InvalidInputError
        ``pixels`` has another shape or dtype, ``size`` is below 1, or ``resize`` is unknown.

    See Also
    --------
    letterbox : The transformation of coordinates.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise InvalidInputError(
            f"resize_image expects uint8 pixels of shape (height, width, 3). Got {pixels.dtype} of shape "
            f"{pixels.shape}. Pass load_image(...).pixels."
        )
    height, width = pixels.shape[:2]
    box = box or (0.0, 0.0, float(width), float(height))
    width, height = original or (width, height)
    _, _, left, top = letterbox(width, height, size, resize=resize)
    inner = _content(width, height, size, resize)
    if box == (0, 0, *inner) and inner == pixels.shape[1::-1]:
        content = pixels
    else:
        picture = PIL.Image.fromarray(pixels)
        content = np.asarray(resample(picture, inner, box))
        if inner == (size, size):
            return content
    square = np.zeros((size, size, 3), np.uint8)
    square[int(top) : int(top) + inner[1], int(left) : int(left) + inner[0]] = content
    return square


def resample(
    picture: PIL.Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> PIL.Image.Image:
    """Resize an image, or a box in it, with Pillow's antialiasing bilinear filter: along rows, then columns.

    Levels are rounded after each pass, so the order changes a quarter of the pixels by one level. By default,
    Pillow 12 starts with rows, but Pillow 13 with columns if the image is tall.
    """
    left, top, right, bottom = box or (0, 0, picture.width, picture.height)
    rows = picture.resize(
        (size[0], picture.height), PIL.Image.Resampling.BILINEAR, (left, 0, right, picture.height)
    )
    return rows.resize(size, PIL.Image.Resampling.BILINEAR, (0, top, size[0], bottom))


def _content(width: int, height: int, size: int, resize: str) -> tuple[int, int]:
    """Return width and height of the image inside the square, in whole pixels."""
    if resize == "stretch":
        return size, size
    if resize == "pad":
        longest = max(width, height)
        # Round half up in integers, so that float rounding cannot change the result.
        return tuple(max(1, (2 * side * size + longest) // (2 * longest)) for side in (width, height))  # type: ignore[return-value]
    raise InvalidInputError(f'resize must be "stretch" or "pad". Got {resize!r}.')

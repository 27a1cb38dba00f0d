"""Crop a rotated square from an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.images._resize import resample

__all__ = ["crop_image"]


def crop_image(pixels: NDArray[np.uint8], frame: Sequence[float], size: int) -> NDArray[np.uint8]:
    """Return the square inside a frame, rotated upright; black outside the image.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), dtype uint8
    frame : (x, y, side, angle)
        Centre and side in pixels, 0 at the image's left and upper *edge*, and the angle of the square's
        upper side in degrees, clockwise.
    size : int
        Side of the result in pixels.

    Returns
    -------
    ndarray of shape (size, size, 3), dtype uint8
        Bicubic interpolation. To shrink, the image is first reduced with Pillow's antialiasing bilinear
        filter.
    """
    x, y, side, angle = frame
    height, width = pixels.shape[:2]
    picture = PIL.Image.fromarray(pixels)
    per_pixel = side / size
    if per_pixel > 1:
        small = max(1, round(width / per_pixel)), max(1, round(height / per_pixel))
        picture = resample(picture, small)
    scale_x, scale_y = picture.width / width, picture.height / height
    cosine, sine = per_pixel * np.cos(np.radians(angle)), per_pixel * np.sin(np.radians(angle))
    # Pillow expects the map from the result to the input.
    left = x - (cosine - sine) * size / 2
    top = y - (sine + cosine) * size / 2
    coefficients = (
        cosine * scale_x, -sine * scale_x, left * scale_x,
        sine * scale_y, cosine * scale_y, top * scale_y,
    )  # fmt: skip
    square = picture.transform(
        (size, size), PIL.Image.Transform.AFFINE, coefficients, PIL.Image.Resampling.BICUBIC
    )
    return np.asarray(square)

"""An upright square cut out of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import PIL.Image
from numpy.typing import NDArray

__all__ = ["crop_image"]


def crop_image(pixels: NDArray[np.uint8], frame: Sequence[float], size: int) -> NDArray[np.uint8]:
    """Return the square that a frame cuts out, turned upright; black where it leaves the picture.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), dtype uint8
    frame : (x, y, side, angle)
        Centre and side in pixels, 0 at the picture's left and upper *edge*, and the angle in degrees of
        the square's upper side, clockwise as seen.
    size : int
        Side of the result in pixels.

    Returns
    -------
    ndarray of shape (size, size, 3), dtype uint8
        Bicubic. A picture that is to shrink is first reduced by Pillow's bilinear filter, which widens with
        the reduction, so that nothing aliases.
    """
    x, y, side, angle = frame
    height, width = pixels.shape[:2]
    picture = PIL.Image.fromarray(pixels)
    per_pixel = side / size
    if per_pixel > 1:
        small = max(1, round(width / per_pixel)), max(1, round(height / per_pixel))
        picture = picture.resize(small, PIL.Image.Resampling.BILINEAR)
    scale_x, scale_y = picture.width / width, picture.height / height
    cosine, sine = per_pixel * np.cos(np.radians(angle)), per_pixel * np.sin(np.radians(angle))
    # Pillow asks where each point of the result lies in the picture.
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

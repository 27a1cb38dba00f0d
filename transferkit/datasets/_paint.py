"""Draw smooth shapes on an image in units of its side."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

__all__ = ["Brush", "Colour", "mix", "smooth"]

FloatArray = npt.NDArray[np.float64]
Colour = tuple[int, int, int]


class Brush:
    """Fills and strokes shapes given in the unit square.

    Parameters
    ----------
    image : PIL.Image.Image
        Image to draw on, in place. The point (0, 0) is the outer corner of its first pixel.
    side : int, optional
        Side of the unit square in pixels; by default the image is the whole unit square.
    origin : sequence of 2 int, default=(0, 0)
        Column and row in the unit square at which the image starts, if it is only a part of it.
    """

    def __init__(self, image: Image.Image, side: int | None = None, origin: Sequence[int] = (0, 0)) -> None:
        self.image = image
        self.side = image.width if side is None else side
        self._shift = np.asarray(origin) + 0.5  # Pillow's integer coordinates are pixel centres
        self._draw = ImageDraw.Draw(image)

    def fill(self, points: FloatArray, colour: Colour | int) -> None:
        """Fill a polygon of shape (k, 2)."""
        self._draw.polygon(self._pixels(points), fill=colour)

    def stroke(self, points: FloatArray, width: float, colour: Colour | int) -> None:
        """Draw a line through the points; the width is in units of the side."""
        self._draw.line(self._pixels(points), fill=colour, width=max(1, round(width * self.side)))

    def disc(self, centre: FloatArray, across: float, down: float, colour: Colour | int) -> None:
        """Fill an axis-aligned ellipse with these semi-axes."""
        reach = np.array([across, down])
        self._draw.ellipse(self._pixels(np.stack([centre - reach, centre + reach])), fill=colour)

    def _pixels(self, points: FloatArray) -> list[int]:
        """Return points in the unit square as rounded Pillow coordinates; Pillow would truncate them."""
        flat: list[int] = np.rint(points * self.side - self._shift).astype(int).ravel().tolist()
        return flat


def smooth(points: FloatArray, *, closed: bool = True, steps: int = 5) -> FloatArray:
    """Return a Catmull-Rom curve through the points."""
    return np.asarray(_spline(len(points), closed, steps) @ points)


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Return `colour` mixed with a share of `other`; shares outside 0..1 extrapolate."""
    red, green, blue = (
        int(min(255, max(0, a + share * (b - a)))) for a, b in zip(colour, other, strict=True)
    )
    return red, green, blue


@functools.lru_cache(maxsize=64)
def _spline(n_points: int, closed: bool, steps: int) -> FloatArray:
    """Return the matrix from control points to points of the curve."""
    t = np.arange(steps) / steps
    weights = 0.5 * np.stack(  # Catmull and Rom 1974
        [-(t**3) + 2 * t**2 - t, 3 * t**3 - 5 * t**2 + 2, -3 * t**3 + 4 * t**2 + t, t**3 - t**2]
    )
    rows = []
    for start in range(n_points if closed else n_points - 1):
        near = np.arange(start - 1, start + 3)
        near = near % n_points if closed else near.clip(0, n_points - 1)
        block = np.zeros((steps, n_points))
        for weight, point in zip(weights, near, strict=True):
            block[:, point] += weight
        rows.append(block)
    if not closed:
        rows.append(np.eye(n_points)[-1:])
    return np.concatenate(rows)

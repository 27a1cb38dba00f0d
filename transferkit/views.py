"""Views: which square of an upright image a backbone sees, and where its points lie there.

A view is one more row of the same image. Its name goes into the cache key, so a name must mean
one geometry for ever. Points are in pixels of the upright original, where the integer
coordinate is the *centre* of a pixel; in the square they are fractions, ``0`` at the left or
upper edge and ``1`` at the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transferkit.images import letterbox, resize_image
from transferkit.keypoints import mirror_order


@dataclass(frozen=True)
class View:
    """The whole image, as it is or mirrored left to right.

    Parameters
    ----------
    name : str
        Name in the cache.
    mirror : bool, default=False
    """

    name: str
    mirror: bool = False

    def render(self, pixels: NDArray[np.uint8], image_size: int, resize: str) -> NDArray[np.uint8]:
        """Return the square, uint8 (image_size, image_size, 3), of upright pixels (h, w, 3)."""
        square = resize_image(pixels, image_size, resize=resize)
        # Mirrored after resizing, so that the two views are exact mirror images.
        return np.ascontiguousarray(square[:, ::-1]) if self.mirror else square

    def to_square(
        self, points: NDArray[np.float64], sizes: NDArray[np.int64], image_size: int, resize: str
    ) -> NDArray[np.float64]:
        """Map points (n, k, 2) in pixels of images with (width, height) sizes (n, 2) to the square."""
        scale, offset = _geometry(sizes, image_size, resize)
        square = ((points + 0.5) * scale + offset) / image_size
        return self._flip(square)

    def from_square(
        self, square: NDArray[np.float64], sizes: NDArray[np.int64], image_size: int, resize: str
    ) -> NDArray[np.float64]:
        """Map points (n, k, 2) of the square back to pixels of each image; undoes ``to_square``."""
        scale, offset = _geometry(sizes, image_size, resize)
        points: NDArray[np.float64] = (self._flip(square) * image_size - offset) / scale - 0.5
        return points

    def _flip(self, square: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mirror points, and swap left and right ones where the scheme is known."""
        if not self.mirror:
            return square
        order = mirror_order(square.shape[1])
        flipped = square if order is None else square[:, order]
        return flipped * [-1.0, 1.0] + [1.0, 0.0]


ORIGINAL = View("original")
MIRROR = View("mirror", mirror=True)


def _geometry(
    sizes: NDArray[np.int64], image_size: int, resize: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and offset, each (n, 1, 2) in (x, y), of every image's way into the square."""
    rows = np.array(
        [letterbox(int(width), int(height), image_size, resize=resize) for width, height in sizes]
    )
    rows = rows.reshape(len(sizes), 1, 4)
    return rows[..., :2], rows[..., 2:]

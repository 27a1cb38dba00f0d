"""Choose the reduced size at which a JPEG may be decoded for a small square."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Target"]

# At least twice the side of the square is decoded, so that the filter of resize_image still determines every
# pixel. The square differs from that of the full image by less than the JPEG rounding: on photographs by 0.4
# to 0.5 of 255 on average, by 1 in the worst of a hundred. With a factor of 1 it is 1.3 and 3.8.
_SPARE = 2
_FACTORS = (8, 4, 2)  # reductions supported by libjpeg's inverse cosine transform


class Target(NamedTuple):
    """The square for which an image is decoded.

    Parameters
    ----------
    size : int
        Side of the square in pixels.
    resize : {"stretch", "pad"}, default="stretch"
        As for :func:`resize_image`.
    side : float, optional
        Side of the part of the image that the square shows, in pixels; by default the whole image.
    """

    size: int
    resize: str = "stretch"
    side: float | None = None

    def reduction(self, width: int, height: int) -> int:
        """Return 8, 4, 2 or 1: the factor by which the image may be reduced in each direction."""
        side = self.side
        if side is None:
            side = max(width, height) if self.resize == "pad" else min(width, height)
        return next((factor for factor in _FACTORS if side >= factor * _SPARE * self.size), 1)

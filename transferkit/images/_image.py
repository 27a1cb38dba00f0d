"""What comes out of this package, how large it may be, and the names of what can go wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError

__all__ = ["CATEGORIES", "LIMITS", "Image", "Limits", "check_size"]

# Every category that a BadImageError of this package can have.
CATEGORIES: tuple[str, ...] = (
    "not_found",
    "not_a_file",
    "unreadable",
    "empty",
    "not_an_image",
    "format_not_supported",
    "truncated",
    "corrupt",
    "ambiguous_range",
    "non_finite",
    "too_large",
    "too_small",
    "extreme_aspect",
    "bad_array",
    "crashed",
    "timed_out",
)


@dataclass(frozen=True, eq=False)
class Image:
    """One picture, ready for a backbone.

    Attributes
    ----------
    pixels : ndarray of shape (height, width, 3), dtype uint8
        Upright RGB, C-contiguous and read-only: it may share memory with the array that was passed.
    notes : tuple of str
        What was done to the picture, such as ``"alpha composited on white"``; empty for a plain one.
    size : (int, int)
        Width and height of the upright picture. ``pixels`` are fewer where it was decoded smaller.
    box : (float, float, float, float)
        Left, upper, right and lower edge of the picture in ``pixels``. What was decoded smaller has whole
        pixels at its edges, of which the picture may cover a part.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Take size and box from the pixels, where they are not said."""
        if self.size == (0, 0):
            height, width = self.pixels.shape[:2]
            object.__setattr__(self, "size", (width, height))
            object.__setattr__(self, "box", (0.0, 0.0, float(width), float(height)))


@dataclass(frozen=True)
class Limits:
    """How large, small and narrow a picture may be.

    Attributes
    ----------
    max_pixels : int, default 50,000,000
        Width times height, checked in the header before pixels are allocated.
    max_bytes : int, default 100,000,000
        Size of a file or of encoded bytes.
    min_side : int, default 5
        Pixels. Below 5 the sides of an array cannot be told from its 1, 3 or 4 channels.
    max_aspect : float, default 50
        Long side over short side. Panoramas stay below 20.
    """

    max_pixels: int = 50_000_000
    max_bytes: int = 100_000_000
    min_side: int = 5
    max_aspect: float = 50.0


LIMITS = Limits()


def check_size(name: str, width: int, height: int, limits: Limits) -> None:
    """Raise BadImageError unless a picture of this size may be decoded."""
    shape = f"{width:,} x {height:,} pixels (width x height)"
    if width < 1 or height < 1:
        raise BadImageError(
            name, "too_small", f"has {shape}: nothing to see.", "Remove it or find the original."
        )
    if width * height > limits.max_pixels:
        raise BadImageError(
            name,
            "too_large",
            f"has {shape}, {width * height / 1e6:,.1f} megapixels; at most "
            f"{limits.max_pixels / 1e6:,.0f} are allowed.",
            "Scale it down first.",
        )
    if max(width, height) > limits.max_aspect * min(width, height):
        raise BadImageError(
            name,
            "extreme_aspect",
            f"has {shape}; the long side may be at most {limits.max_aspect:g} times the short one.",
            "Crop it to the part that matters.",
        )
    if min(width, height) < limits.min_side:
        raise BadImageError(
            name,
            "too_small",
            f"has {shape}; each side needs at least {limits.min_side}.",
            "Is it a placeholder or a tracking pixel? Remove it or find the original.",
        )

"""Decoded images, their size limits, and the categories of errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError

__all__ = ["CATEGORIES", "LIMITS", "Image", "Limits", "check_size"]

# All categories of BadImageError.
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
    "bad_channels",
    "bad_frame",
    "missing_package",
    "crashed",
    "timed_out",
)


@dataclass(frozen=True, eq=False)
class Image:
    """A decoded image.

    Attributes
    ----------
    pixels : ndarray of shape (height, width, 3), dtype uint8
        Upright RGB, C-contiguous and read-only: it may share memory with the array that was passed.
    notes : tuple of str
        Conversions applied, such as ``"alpha composited on white"``.
    size : (int, int)
        Width and height of the upright image; larger than ``pixels`` if it was decoded at reduced size.
    box : (float, float, float, float)
        Left, upper, right and lower edge of the image in ``pixels``. If it was decoded at reduced size, it
        may cover only a part of the last row and column.
    """

    pixels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Set default size and box from the pixels."""
        if self.size == (0, 0):
            height, width = self.pixels.shape[:2]
            object.__setattr__(self, "size", (width, height))
            object.__setattr__(self, "box", (0.0, 0.0, float(width), float(height)))


@dataclass(frozen=True)
class Limits:
    """Limits on the size and aspect ratio of images.

    Attributes
    ----------
    max_pixels : int, default 50,000,000
        Width times height, checked before pixels are allocated.
    max_bytes : int, default 100,000,000
        Size of the encoded file.
    min_side : int, default 5
        In pixels. Below 5, sides of an array could be confused with its 1, 3 or 4 channels.
    max_aspect : float, default 50
        Ratio of the long to the short side. Panoramas stay below 20.
    """

    max_pixels: int = 50_000_000
    max_bytes: int = 100_000_000
    min_side: int = 5
    max_aspect: float = 50.0


LIMITS = Limits()


def check_size(name: str, width: int, height: int, limits: Limits) -> None:
    """Raise BadImageError unless an image of this size is within the limits."""
    shape = f"{width:,} x {height:,} pixels (width x height)"
    if width < 1 or height < 1:
        raise BadImageError(name, "too_small", f"has {shape}.", "Remove it or find the original.")
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
            f"has {shape}; the long side may be at most {limits.max_aspect:g} times the short side.",
            "Crop it to the relevant part.",
        )
    if min(width, height) < limits.min_side:
        raise BadImageError(
            name,
            "too_small",
            f"has {shape}; each side needs at least {limits.min_side}.",
            "Is it a placeholder or a tracking pixel? Remove it or find the original.",
        )

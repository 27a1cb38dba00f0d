"""Read TIFF files with other than one or three channels, such as from satellites and microscopes.

Pillow reads at most four channels, and silently ignores all others.
"""

from __future__ import annotations

import io
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from transferkit.errors import BadImageError
from transferkit.images._failures import translated
from transferkit.images._image import Limits, check_size
from transferkit.images._quiet import quiet
from transferkit.images._selection import Selection, pick_channels

__all__ = ["MOST_CHANNELS", "Layout", "check_channels", "check_order", "read_bands", "read_layout"]

MOST_CHANNELS = 4  # largest number of channels that Pillow reads
_BITS, _COMPRESSION, _ORIENTATION, _SAMPLES, _PLANES = 258, 259, 274, 277, 284  # TIFF tags
_LARGEST = 20  # largest number of bytes of all channels per allowed pixel


class Layout(NamedTuple):
    """The number of channels of a page, and whether Pillow would mix their bytes up."""

    n_channels: int = 1
    mixed_up: bool = False


def read_layout(data: bytes, name: str, frame: int) -> Layout:
    """Return the layout of a page of a TIFF, or that of the last page if there are fewer."""
    with translated(name, "TIFF"), quiet():
        header = data[:16] if b"+" in data[2:4] else data[:8]  # BigTIFF or not
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        file = io.BytesIO(data)
        for _ in range(frame + 1):
            if not tags.next:
                break
            file.seek(tags.next)
            tags.load(file)
        n_channels = int(tags.get(_SAMPLES, 1))
        apart = tags.get(_PLANES) == 2 and tags.get(_COMPRESSION, 1) == 1 and max(tags.get(_BITS, (1,))) > 8
        return Layout(n_channels, apart and n_channels > 1)


def check_channels(count: int, read: int, name: str) -> None:
    """Raise BadImageError if not all channels would be read."""
    if count > read:
        raise BadImageError(
            name,
            "bad_channels",
            f"has {count} channels.",
            "Choose: FeatureExtractor(channels=(0, 1, 2)) for the first three, (0,) for the first as grey.",
        )


def check_order(layout: Layout, name: str) -> None:
    """Raise BadImageError if Pillow would mix up the bytes of channels."""
    if layout.mixed_up:
        raise BadImageError(
            name,
            "format_not_supported",
            "has channels of more than 8 bits one after the other, without compression.",
            "Save it with its channels side by side, or choose: FeatureExtractor(channels=(0, 1, 2)).",
        )


def read_bands(data: bytes, name: str, limits: Limits, selection: Selection) -> NDArray[Any]:
    """Return the chosen channels of a page as an array (height, width, 1 or 3).

    Raises
    ------
    BadImageError
        Category ``missing_package`` if tifffile, or what it needs for the compression, is not installed;
        ``bad_channels``, ``bad_frame``, and the usual ones.
    """
    assert selection.channels is not None
    try:
        import tifffile
    except ImportError as error:
        raise _missing(name, "has channels to choose among, which needs tifffile.") from error
    frame = selection.frame or 0
    with translated(name, "TIFF"), tifffile.TiffFile(io.BytesIO(data)) as file:
        if frame >= len(file.pages):
            raise BadImageError(name, "bad_frame", f"has no frame {frame}.", "Count from 0.")
        page = file.pages[frame]
        check_size(name, page.imagewidth, page.imagelength, limits)
        # A small file may claim any number of channels, and tiles far larger than the image.
        n_bytes = max(page.size, math.prod(page.chunks)) * page.bitspersample // 8
        if n_bytes > _LARGEST * limits.max_pixels:
            raise BadImageError(
                name,
                "too_large",
                f"has {n_bytes / 1e6:,.0f} MB in {page.samplesperpixel:,} channels; at most "
                f"{_LARGEST * limits.max_pixels / 1e6:,.0f} are allowed.",
                "Cut it, or keep only the channels in use.",
            )
        if _ORIENTATION in page.tags and page.tags[_ORIENTATION].value != 1:
            raise BadImageError(
                name,
                "format_not_supported",
                "is turned, which is not undone for so many channels.",
                "Save it upright.",
            )
        try:
            array = page.asarray()
        except (KeyError, ImportError) as error:  # raised by tifffile if a codec is missing
            if "imagecodecs" not in str(error):
                raise
            raise _missing(name, f"is compressed as {page.compression.name}.") from error
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    return pick_channels(array, selection.channels, name)


def _missing(name: str, reason: str) -> BadImageError:
    return BadImageError(name, "missing_package", reason, 'Run: pip install "transferkit[tiff]"')

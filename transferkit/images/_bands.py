"""TIFF files of other than one or three channels, such as those of satellites and microscopes.

Pillow reads four at most, and passes over the others without a word.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from transferkit.errors import BadImageError
from transferkit.images._failures import translated
from transferkit.images._image import Limits, check_size
from transferkit.images._quiet import quiet
from transferkit.images._selection import Selection, pick_channels

__all__ = ["MOST_CHANNELS", "check_channels", "count_channels", "read_bands"]

MOST_CHANNELS = 4  # that Pillow reads
_SAMPLES, _ORIENTATION = 277, 274  # TIFF tags


def count_channels(data: bytes, name: str) -> int:
    """Return the number of channels in the first page of a TIFF."""
    with translated(name, "TIFF"), quiet():
        header = data[:16] if b"+" in data[2:4] else data[:8]  # BigTIFF or not
        tags = TiffImagePlugin.ImageFileDirectory_v2(header)
        (file := io.BytesIO(data)).seek(tags.next)
        tags.load(file)
        return int(tags.get(_SAMPLES, 1))


def check_channels(count: int, read: int, name: str) -> None:
    """Raise BadImageError if only some of the channels would be read."""
    if count > read:
        raise BadImageError(
            name,
            "bad_channels",
            f"has {count} channels.",
            "Choose: FeatureExtractor(channels=(0, 1, 2)) for the first three, (0,) for the first as grey.",
        )


def read_bands(data: bytes, name: str, limits: Limits, selection: Selection) -> NDArray[Any]:
    """Return the chosen channels of a page as an array (height, width, 1 or 3).

    Raises
    ------
    BadImageError
        ``missing_package`` without tifffile, or what it needs for the compression; ``bad_channels``,
        ``bad_frame``, and the usual ones.
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
        if _ORIENTATION in page.tags and page.tags[_ORIENTATION].value != 1:
            raise BadImageError(
                name,
                "format_not_supported",
                "is turned, which is not undone for so many channels.",
                "Save it upright.",
            )
        try:
            array = page.asarray()
        except (KeyError, ImportError) as error:  # tifffile's way to say that a codec is missing
            if "imagecodecs" not in str(error):
                raise
            raise _missing(name, f"is compressed as {page.compression.name}.") from error
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    return pick_channels(array, selection.channels, name)


def _missing(name: str, reason: str) -> BadImageError:
    return BadImageError(name, "missing_package", reason, 'Run: pip install "transferkit[tiff]"')

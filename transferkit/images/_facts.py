"""Read facts from the header of an image file, without decoding its pixels."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.errors import BadImageError
from transferkit.images._decode import open_picture
from transferkit.images._failures import translated
from transferkit.images._formats import identify
from transferkit.images._quiet import quiet
from transferkit.images._sources import EncodedSource, PictureSource, Source

__all__ = ["FileFacts", "file_facts"]

_DECODED_WHEN_OPENED = ("WEBP", "HEIC", "GIF")  # opening these runs native code, not allowed with isolation
# The luminance table of the JPEG standard (ITU-T T.81, K.1), whose mean other tables are compared with.
_STANDARD_MEAN = 57.625


@dataclass(frozen=True)
class FileFacts:
    """Technical facts of an image file.

    Attributes
    ----------
    format : str
        Format, such as "JPEG"; "array" or "Pillow" for images that are not files.
    mode : str
        Pillow's mode of the pixels, such as "RGB", "L" or "P"; empty if unknown without decoding.
    n_bytes : int or None
        Size of the file; None for images that are not files.
    quality : float or None
        For a JPEG, the quality, 1 to 100, at which libjpeg's table would be as coarse on average. Other
        encoders have their own tables; so it distinguishes files, but is not the quality that was set.
    """

    format: str
    mode: str = ""
    n_bytes: int | None = None
    quality: float | None = None


def file_facts(source: Source, *, isolate: bool = False) -> FileFacts:
    """Return the facts known about a file before it is decoded.

    Parameters
    ----------
    source : Source
    isolate : bool, default=False
        Do not run a decoder in this process; the mode is then unknown for some formats.

    Returns
    -------
    FileFacts

    Raises
    ------
    BadImageError
        The file is not an image of a known format, or its header is damaged.
    """
    if isinstance(source, PictureSource):
        return FileFacts(source.picture.format or "Pillow", source.picture.mode)
    if not isinstance(source, EncodedSource):
        return FileFacts("array")
    data, name = source.data, source.name
    format = identify(data, name)
    if format == "DICOM" or (isolate and format in _DECODED_WHEN_OPENED):
        return FileFacts(format, "", len(data))
    try:
        with translated(name, format), quiet():
            picture = open_picture(io.BytesIO(data), format)
    except BadImageError:
        return FileFacts(format, "", len(data))  # Pillow has no mode for these channels
    return FileFacts(format, picture.mode, len(data), _quality(getattr(picture, "quantization", None)))


def _quality(tables: Mapping[int, Sequence[int]] | Any) -> float | None:
    """Return the quality at which libjpeg's first table would have the mean of this one."""
    if not tables or 0 not in tables:
        return None
    coarseness = 100 * sum(tables[0]) / len(tables[0]) / _STANDARD_MEAN
    quality = 5000 / coarseness if coarseness > 100 else (200 - coarseness) / 2
    return round(max(1.0, min(100.0, quality)), 1)

"""What the header of a file says beside its size, without decoding the pixels."""

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

_DECODED_WHEN_OPENED = ("WEBP", "HEIC", "GIF")  # not by Python alone, which is all that isolation allows
# The luminance table of the JPEG standard (ITU-T T.81, K.1), whose mean other tables are compared with.
_STANDARD_MEAN = 57.625


@dataclass(frozen=True)
class FileFacts:
    """What a file is, whatever it shows.

    Attributes
    ----------
    format : str
        Such as "JPEG"; "array" or "Pillow" for what is no file.
    mode : str
        Pillow's name of the pixels, such as "RGB", "L" or "P"; empty where nobody knows without decoding.
    n_bytes : int or None
        Size of the file; None for what is no file.
    quality : float or None
        Of a JPEG: the quality, 1 to 100, whose table is as coarse on average. Encoders of other makers than
        libjpeg have tables of their own, so it tells files apart and is not what somebody set.
    """

    format: str
    mode: str = ""
    n_bytes: int | None = None
    quality: float | None = None


def file_facts(source: Source, *, isolate: bool = False) -> FileFacts:
    """Return what is known of a file before it is decoded.

    Parameters
    ----------
    source : Source
    isolate : bool, default=False
        Open no decoder in this process: of some formats, the mode is then unknown.

    Returns
    -------
    FileFacts

    Raises
    ------
    BadImageError
        It is no image of a known format, or its header is damaged.
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
        return FileFacts(format, "", len(data))  # channels that Pillow has no mode for; decoding says more
    return FileFacts(format, picture.mode, len(data), _quality(getattr(picture, "quantization", None)))


def _quality(tables: Mapping[int, Sequence[int]] | Any) -> float | None:
    """Return the quality of a JPEG whose first table has this mean, by libjpeg's formula."""
    if not tables or 0 not in tables:
        return None
    coarseness = 100 * sum(tables[0]) / len(tables[0]) / _STANDARD_MEAN
    quality = 5000 / coarseness if coarseness > 100 else (200 - coarseness) / 2
    return round(max(1.0, min(100.0, quality)), 1)

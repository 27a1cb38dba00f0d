"""Detect files that end properly but lack pixels, which would silently be black or grey.

Both checks are cheap unless the last pixels have the value that Pillow uses for missing ones.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image
from PIL import ImageFile

from transferkit.errors import BadImageError

__all__ = ["MOST_SCANS", "check_complete", "check_scans"]

MOST_SCANS = 500  # as recommended by libjpeg-turbo; encoders write about ten
_GREY = 128
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # except those within the data of a scan
_EOI, _SOS = 0xD9, 0xDA
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # number of channels by colour type
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def check_scans(data: bytes, picture: PIL.Image.Image, name: str) -> None:
    """Raise BadImageError for a progressive JPEG with absurdly many scans, each as slow as an image."""
    if picture.info.get("progressive") and (n := data.count(bytes([0xFF, _SOS]))) > MOST_SCANS:
        raise BadImageError(
            name,
            "too_large",
            f"is a progressive JPEG of {n:,} scans; at most {MOST_SCANS} are allowed.",
            "Save it anew, or leave it out: it may be hostile.",
        )


def check_complete(
    data: bytes,
    format: str,
    picture: PIL.Image.Image,
    name: str,
    reopen: Callable[[bytes], PIL.Image.Image],
) -> None:
    """Raise BadImageError for a PNG or JPEG whose data ends before its last pixel.

    Parameters
    ----------
    data : bytes
        The file.
    format : str
    picture : PIL.Image.Image
        Decoded from it.
    name : str
    reopen : callable
        Opens other bytes of this format in the same way.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES or format not in ("PNG", "JPEG"):
        return
    if format == "PNG":
        # The last row and, for interlaced images, perhaps the one before it.
        lacking = any(set(_end_of_row(picture, row)) == {0} for row in (1, 2)) and _png_lacks_pixels(data)
    else:
        lacking = set(_end_of_row(picture, 1)) == {_GREY} and _jpeg_lacks_pixels(data, picture, reopen)
    if lacking:
        raise BadImageError(
            name,
            "truncated",
            f"{format} has an end, but its data stops before the last pixel.",
            "Download or copy the file again.",
        )


def _end_of_row(picture: PIL.Image.Image, row: int) -> list[Any]:
    """Return the values of the last pixels of a row, counted from the end."""
    width, height = picture.size
    pixels = [picture.getpixel((x, max(height - row, 0))) for x in range(max(width - 8, 0), width)]
    return [value for pixel in pixels for value in (pixel if isinstance(pixel, tuple) else (pixel,))]


def _png_lacks_pixels(data: bytes) -> bool:
    """Return True if the compressed data of a valid PNG has fewer bytes than its pixels."""
    width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    pixel_bits = bits * _CHANNELS.get(colour, 0)
    needed = 0
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            needed += rows * (1 + (columns * pixel_bits + 7) // 8)
    inflate, held = zlib.decompressobj(), 0
    try:
        for chunk in _png_data(data):
            rest = chunk
            while rest and held < needed:
                held += len(inflate.decompress(rest, 1 << 20))
                rest = inflate.unconsumed_tail
        held += len(inflate.flush()) if held < needed else 0
    except zlib.error:
        return False  # Pillow raises the error
    return held < needed


def _png_data(data: bytes) -> Iterator[bytes]:
    """Yield the content of the chunks that hold the pixels."""
    position = 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if data[position + 4 : position + 8] == b"IDAT":
            yield data[position + 8 : position + 8 + length]
        position += 12 + length


def _jpeg_lacks_pixels(
    data: bytes, picture: PIL.Image.Image, reopen: Callable[[bytes], PIL.Image.Image]
) -> bool:
    """Return True if inserting bytes before the end marker changes pixels, so that data is missing there."""
    end = _jpeg_end(data)
    if end is None:
        return False
    noise = np.random.default_rng(0).integers(0, 255, 512).astype(np.uint8).tobytes()  # without 0xff
    other = reopen(data[:end] + noise + data[end:])
    if other.size != picture.size:  # it was decoded at reduced size
        other.draft(None, picture.size)
    try:
        other.load()
    except (OSError, SyntaxError, ValueError):
        return True
    return other.size != picture.size or other.tobytes() != picture.tobytes()


def _jpeg_end(data: bytes) -> int | None:
    """Return the position of the end marker at which decoding stops."""
    position = 2
    while match := _MARKER.search(data, position):
        position = match.end()
        if data[position - 1] == _EOI:
            return position - 2
        position += int.from_bytes(data[position : position + 2], "big")  # the segment's own length
    return None

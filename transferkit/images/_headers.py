"""Header checks that Pillow omits, or performs only after allocating memory."""

from __future__ import annotations

import struct
import zlib

from transferkit.errors import BadImageError

__all__ = ["check_end", "check_png", "first_size", "trailing_bytes"]


def first_size(data: bytes, format: str) -> tuple[int, int] | None:
    """Return (width, height) of the first frame of a GIF or WebP, whose openers allocate it; else None."""
    try:
        if format == "WEBP":
            return _webp_size(data)
        if format == "GIF":
            return _gif_size(data)
    except (struct.error, IndexError):
        pass  # truncated inside the header: the decoder reports it
    return None


def check_end(data: bytes, format: str, name: str) -> None:
    """Raise BadImageError for a JPEG without an end marker, or a WebP or TIFF shorter than its header says.

    Pillow reports many of these as other errors.
    """
    if format == "JPEG" and data.rfind(b"\xff\xd9") < 0:
        raise _damaged(name, "truncated", f"JPEG ends after {len(data):,} bytes without an end marker.")
    needed = 0
    if format == "WEBP":
        needed = 8 + int.from_bytes(data[4:8], "little")
    elif format == "TIFF" and data[2:3] != b"+" and data[3:4] != b"+":  # not BigTIFF
        needed = 2 + int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big")
    if needed > len(data):
        text = f"{format} ends after {len(data):,} bytes; its header specifies at least {needed:,}."
        raise _damaged(name, "truncated", text)


def check_png(data: bytes, name: str) -> int:
    """Return the number of bytes after the last chunk; raise BadImageError for a bad checksum or no end.

    Pillow checks neither for the chunks that hold the pixels.
    """
    view, position = memoryview(data), 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, end = data[position + 4 : position + 8], position + 12 + length
        if end > len(data):
            break
        (stored,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[position + 4 : end - 4]) != stored:
            text = f"PNG chunk {kind.decode('latin-1')!r} at byte {position:,} has a wrong checksum."
            raise _damaged(name, "corrupt", text)
        if kind == b"IEND":
            return len(data) - end
        position = end
    raise _damaged(name, "truncated", f"PNG ends after {len(data):,} bytes, before its IEND chunk.")


def _damaged(name: str, category: str, text: str) -> BadImageError:
    return BadImageError(name, category, text, "Download or copy the file again.")


def trailing_bytes(data: bytes, format: str) -> int:
    """Return the number of bytes after the end marker of a JPEG or GIF; 0 for other formats."""
    marker = {"JPEG": b"\xff\xd9", "GIF": b"\x3b"}.get(format)
    if marker is None or (end := data.rfind(marker)) < 0:
        return 0
    return len(data) - end - len(marker)


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Return the size of the canvas; WebP container specification and RFC 6386, 9.1."""
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _gif_size(data: bytes) -> tuple[int, int]:
    """Return the size of the screen, extended to the first frame if that is larger; GIF89a, 18 to 24."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while data[position] == 0x21:  # extensions before the first frame
        position += 2
        while size := data[position]:
            position += 1 + size
        position += 1
    if data[position] == 0x2C:
        left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, position + 1)
        width, height = max(width, left + frame_width), max(height, top + frame_height)
    return width, height

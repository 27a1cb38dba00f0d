"""Recognise image files and side files by name."""

from __future__ import annotations

import os
from pathlib import PurePath

__all__ = ["IMAGE_SUFFIXES", "SUFFIX_FORMATS", "is_side_file"]

# Suffix -> format, for notes and folder scans only: decoding goes by content.
SUFFIX_FORMATS = {
    ".bmp": "BMP",
    ".dib": "BMP",
    ".gif": "GIF",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".mpo": "JPEG",
    ".pbm": "PPM",
    ".pfm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".pnm": "PPM",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}

#: Lower-case suffixes that a folder scan treats as images.
IMAGE_SUFFIXES: frozenset[str] = frozenset(SUFFIX_FORMATS)

_SIDE_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})


def is_side_file(path: str | os.PathLike[str]) -> bool:
    """Return True for files that operating systems leave next to images.

    Parameters
    ----------
    path : str or path-like
        Only the name counts; the file need not exist.

    Returns
    -------
    bool
        True for hidden names such as ``.DS_Store`` and ``._photo.jpg``, for ``Thumbs.db`` and
        ``desktop.ini``, and for everything in ``__MACOSX``.
    """
    parts = PurePath(os.fspath(path))
    name = parts.name.lower()
    return name in _SIDE_NAMES or name.startswith(".") or "__MACOSX" in parts.parts

"""Recognise image files and auxiliary files by name, and find images in folders."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path, PurePath
from typing import NoReturn

from transferkit.errors import InvalidInputError

__all__ = ["IMAGE_SUFFIXES", "SUFFIX_FORMATS", "image_files", "image_suffixes", "is_side_file", "log_ignored"]

logger = logging.getLogger("transferkit")

# Suffix -> format, only for notes and folder scans; for decoding, the content decides.
SUFFIX_FORMATS = {
    ".bmp": "BMP",
    ".dcm": "DICOM",
    ".dib": "BMP",
    ".gif": "GIF",
    ".heic": "HEIC",
    ".heif": "HEIC",
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


def image_files(folder: Path, ignored: Counter[str]) -> list[Path]:
    """Return the images at any depth, sorted by path; count other files by suffix.

    Auxiliary files are skipped, and links to folders are not followed. A folder that cannot be read raises
    InvalidInputError, so that its images are not silently missing.
    """
    found = []
    for here, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not is_side_file(name)]
        for path in (Path(here, name) for name in files if not is_side_file(name)):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                found.append(path)
            else:
                ignored[path.suffix.lower() or "no suffix"] += 1
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    raise InvalidInputError(
        f"X must be images. The folder {error.filename!r} cannot be read: {error.strerror}. Check its "
        "permissions, or pass a list of paths."
    ) from error


def log_ignored(folder: Path, ignored: Counter[str]) -> None:
    """Log how many files in a folder are not images according to their suffix."""
    if ignored:
        kinds = ", ".join(f"{count} with {suffix}" for suffix, count in sorted(ignored.items()))
        logger.warning("Ignored files without an image suffix in %s: %s.", folder, kinds)


def image_suffixes() -> str:
    """Return the image suffixes for messages."""
    return ", ".join(sorted(IMAGE_SUFFIXES))

"""HEIC, the format of phones, which is decoded by pillow-heif."""

from __future__ import annotations

from typing import IO

import PIL.Image

from transferkit.errors import BadImageError

__all__ = ["open_heic", "require_heic"]


def require_heic(name: str) -> None:
    """Raise BadImageError if pillow-heif is not installed."""
    try:
        import pillow_heif  # noqa: F401
    except ImportError as error:
        raise BadImageError(
            name,
            "missing_package",
            "is HEIC, which needs pillow-heif.",
            'Run: pip install "transferkit[heic]"',
        ) from error


def open_heic(file: IO[bytes]) -> PIL.Image.Image:
    """Open a file, without registering the format with Pillow."""
    from pillow_heif import HeifImageFile

    picture: PIL.Image.Image = HeifImageFile(file)
    return picture

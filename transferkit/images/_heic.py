"""HEIC, the format of telephones: another package decodes it."""

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
    """Open a file; Pillow itself is not told of the format."""
    from pillow_heif import HeifImageFile

    picture: PIL.Image.Image = HeifImageFile(file)
    return picture

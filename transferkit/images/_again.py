"""Make images readable more than once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.images._collections import as_image_list

__all__ = ["as_collection", "readable_again"]


def as_collection(X: Any) -> list[Any]:
    """Return the images to learn from as a list, each readable more than once; refuse one alone."""
    if isinstance(X, str | os.PathLike | bytes):
        raise InvalidInputError(
            f"fit expects a list of images. Got one {type(X).__name__}: {str(X)[:80]!r}. "
            "For a folder, use paths, labels = transferkit.datasets.read_image_folder(folder)."
        )
    return readable_again(as_image_list(X))


def readable_again(items: Sequence[Any]) -> list[Any]:
    """Return the images with file objects replaced by their bytes, so that each can be read again."""
    return [_content(item) if hasattr(item, "read") else item for item in items]


def _content(file: Any) -> Any:
    """Return the bytes of a file object, or the object itself if decoding it will raise the error."""
    try:
        start = file.tell()
        content = file.read()
    except (OSError, ValueError, AttributeError):
        return file
    if isinstance(content, bytes) and content:
        return content
    file.seek(start)
    return file

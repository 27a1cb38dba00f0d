"""Make images readable several times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.images._collections import is_single_image
from transferkit.images._files import read_rest
from transferkit.images._gather import as_image_list
from transferkit.images._image import LIMITS

__all__ = ["as_collection", "readable_again", "refuse_one_image"]


def as_collection(X: Any) -> list[Any]:
    """Return training images as a list, each readable several times; raise for a single image."""
    refuse_one_image(X)
    return readable_again(as_image_list(X))


def refuse_one_image(X: Any) -> None:
    """Raise InvalidInputError if X is the path or the bytes of one image, where several are expected."""
    if isinstance(X, str | os.PathLike | bytes) and is_single_image(X):
        raise InvalidInputError(
            f"fit expects a list of images. Got one {type(X).__name__}: {str(X)[:80]!r}. "
            "There is no folder of this name, and it is no pattern such as 'photos/*.jpg'."
        )


def readable_again(items: Sequence[Any]) -> list[Any]:
    """Return the images with file objects replaced by their bytes, so that each can be read again."""
    return [_content(item) if hasattr(item, "read") else item for item in items]


def _content(file: Any) -> Any:
    """Return the bytes of a file object, or the object itself if decoding it will raise the error."""
    try:
        start = file.tell()
        content = read_rest(file, LIMITS)
    except (OSError, ValueError, AttributeError):
        return file
    if isinstance(content, bytes) and content:
        return content
    file.seek(start)
    return file

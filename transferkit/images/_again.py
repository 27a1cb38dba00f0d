"""Make images readable more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["readable_again"]


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

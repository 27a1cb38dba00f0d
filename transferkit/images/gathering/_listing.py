"""Folders, and patterns such as ``photos/*.jpg`` or ``s3://bucket/photos/*.jpg``."""

from __future__ import annotations

import glob
from collections import Counter
from pathlib import Path

from transferkit.errors import InvalidInputError
from transferkit.images._folders import image_files, image_suffixes, is_side_file, log_ignored
from transferkit.images._remote import is_url, list_addresses

__all__ = ["has_pattern", "is_folder", "list_images"]


def has_pattern(text: str) -> bool:
    """Return True if a path is a pattern and not the name of an existing file or folder."""
    if is_url(text):  # in which a question mark begins a query
        return "*" in text
    return glob.has_magic(text) and "\0" not in text and not _exists(text)


def list_images(text: str) -> list[Path] | list[str] | None:
    """Return the sorted files of a folder or a pattern; None for the path of a single image.

    Raises
    ------
    InvalidInputError
        The folder has no images, or no file matches the pattern.
    """
    if is_url(text):
        return list_addresses(text) if has_pattern(text) else None
    if has_pattern(text):
        # Path.glob does not accept absolute patterns.
        matches = sorted(set(map(Path, glob.glob(text, recursive=True))))  # noqa: PTH207
        paths = [path for path in matches if path.is_file() and not is_side_file(path)]
        if not paths:
            raise InvalidInputError(
                f"X must be images. No file matches the pattern {text!r}. The current folder is {Path.cwd()}."
            )
        return paths
    if not is_folder(text):
        return None
    folder = Path(text)
    ignored: Counter[str] = Counter()
    paths = image_files(folder, ignored)
    log_ignored(folder, ignored)
    if not paths:
        raise InvalidInputError(
            f"X must be images. The folder {text!r} has none. Image suffixes are {image_suffixes()}. For "
            f"other files, pass a pattern, such as {text.rstrip('/') + '/*'!r}."
        )
    return paths


def is_folder(text: str) -> bool:
    """Return True for a folder that exists."""
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False

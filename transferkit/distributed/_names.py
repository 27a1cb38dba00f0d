"""Find the names of images in a list, a folder, a pattern, or a column of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.images import IMAGE_SUFFIXES, as_image_list, local_path

_EXPECTED = (
    "images must be paths or addresses that the workers can open: a list, a folder, a pattern, a Parquet "
    "table of them (column=...), or a Ray Dataset."
)


def list_names(images: Any, root: Any = None) -> list[str]:
    """Return the names of images without repetition, in their order.

    Raises
    ------
    InvalidInputError
        There are no names, a name is not text, images are passed as pixels, or ``images`` is a relative
        folder that would be listed in another place than ``root``.
    """
    folder = local_path(images)
    if root is not None and folder is not None and Path(folder).absolute() != Path(os.fsdecode(root), folder):
        raise InvalidInputError(
            f"images must be an absolute path, or a list of names, where root= is passed. Got {images!r}: "
            "it would be listed here, and its names read below root."
        )
    if isinstance(images, str) and local_path(images) is None and images.endswith("/"):
        found = [name for name in as_image_list(f"{images}**") if _suffix(name) in IMAGE_SUFFIXES]
        if not found:
            raise InvalidInputError(f"{_EXPECTED} The folder {images!r} has no image files.")
    else:
        found = as_image_list(images)
    for index, name in enumerate(found):
        if not isinstance(name, str | os.PathLike):
            raise InvalidInputError(
                f"{_EXPECTED} Got {type(name).__name__} at position {index}. Write pixels to files first, or "
                "use FeatureExtractor.transform on one machine."
            )
    names = list(dict.fromkeys(os.fsdecode(name) for name in found))
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"The name of each image must be text. Got {name!r}, which no Parquet file can hold. "
                "Rename it."
            ) from error
    return names


def is_table(images: Any, column: str | None) -> bool:
    """Return True if ``images`` is the name of a Parquet table."""
    return isinstance(images, str | os.PathLike) and (
        column is not None or os.fsdecode(images).rstrip("/").endswith(".parquet")
    )


def table_files(images: str | os.PathLike[str]) -> list[str]:
    """Return the files or folders of a Parquet table, which may be given by a pattern.

    Raises
    ------
    InvalidInputError
        Nothing matches the pattern.
    """
    text = os.fsdecode(images)
    if "*" in text:
        return [from_here(name) for name in as_image_list(text)]
    if local_path(text) is not None and not Path(text).exists():
        raise InvalidInputError(f"{_EXPECTED} There is no Parquet table {text!r}.")
    return [from_here(text)]


def from_here(name: str | os.PathLike[str]) -> str:
    """Return an absolute path, or an address: the workers may run in other folders than the driver."""
    text = os.fsdecode(name)
    return text if local_path(text) is None else os.path.abspath(text)  # noqa: PTH100


def blocks_of(names: list[str], n: int) -> Iterator[list[str]]:
    """Yield at most n names at a time."""
    return (names[start : start + n] for start in range(0, len(names), n))


def _suffix(name: Any) -> str:
    return os.path.splitext(os.fsdecode(name))[1].lower()  # noqa: PTH122 - of an address

"""Find the images of keypoint files, and choose their names for writing."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import BadImageError, InvalidInputError
from transferkit.foundation.arguments import is_number
from transferkit.images import IMAGE_SUFFIXES, Target, read_source

__all__ = [
    "check_different",
    "check_sizes",
    "checked_file",
    "counted",
    "image_size",
    "is_image_name",
    "laid_out",
    "names_to_write",
    "per_image",
    "read_json",
]


_OPENED = 40  # largest number of images whose size is compared with the stated one


def is_image_name(cell: str) -> bool:
    """Return True if a cell is the name of an image file."""
    return Path(cell.strip()).suffix.lower() in IMAGE_SUFFIXES


def checked_file(path: str | os.PathLike[str], what: str) -> Path:
    """Return the path of a file that exists."""
    path = Path(path)
    if not path.is_file():
        state = "It is a folder." if path.is_dir() else f"The current folder is {Path.cwd()}."
        raise InvalidInputError(f"Expected {what}, but there is no file {path}. {state}")
    return path


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InvalidInputError(f"{path} is not a JSON file in UTF-8: {error}. Export it again.") from error


@contextlib.contextmanager
def laid_out(path: Path, kind: str) -> Iterator[None]:
    """Raise errors that name the file if it lacks a part that its format requires, or has a wrong one."""
    try:
        yield
    except InvalidInputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidInputError(
            f"{path} is not laid out as {kind} files are: {type(error).__name__}, {error}. Export it again."
        ) from error


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an upright image; a large JPEG is decoded at reduced size."""
    width, height = read_source(path).decode(target=Target(32)).size
    return int(width), int(height)


def check_different(stated: Sequence[str], images: Sequence[Path], problems: list[str]) -> None:
    """Add a problem for images that match two names, which differ only in a removed folder."""
    first: dict[Path, str] = {}
    for name, image in zip(stated, images, strict=True):
        name = os.path.normpath(name.replace("\\", "/"))
        other = first.setdefault(image, name)
        if name != other:
            problems.append(
                f"{other!r} and {name!r} would both be {image}; pass an image_folder= that has their folders"
            )
            first[image] = name  # said once


def check_sizes(images: Sequence[Path], sizes: Sequence[Any], problems: list[str]) -> None:
    """Add a problem for images with another size than stated, since pixels would then be different, too.

    ``sizes`` are pairs of width and height; all else is ignored. Some dozens of images are opened.
    """
    known = [i for i, size in enumerate(sizes) if all(is_number(side, above=0) for side in size)]
    for i in known[:: -(-len(known) // _OPENED) or 1]:
        try:
            size = image_size(images[i])
        except BadImageError:
            continue  # the error is raised when its pixels are needed
        stated = round(sizes[i][0]), round(sizes[i][1])
        if size != stated:
            turned = " It is stored turned (EXIF), and labelled as stored." if size == stated[::-1] else ""
            problems.append(
                f"{images[i]} is {size[0]} x {size[1]} pixels, but the labels are of {stated[0]} x "
                f"{stated[1]}.{turned} Label the images as they are now, or pass the folder of the others"
            )


def per_image(names: Sequence[str]) -> npt.NDArray[np.str_] | None:
    """Return the image names as groups if any image has several subjects, which must not be separated."""
    images = [os.path.normpath(name) for name in names]  # also ./a.jpg and a.jpg
    return np.array(images, dtype=np.str_) if max(Counter(images).values(), default=0) > 1 else None


def counted(names: Sequence[str]) -> list[str]:
    """Return the number of each row among those of its image, counted from 1."""
    seen: Counter[str] = Counter()
    numbers = []
    for name in names:
        seen[name] += 1
        numbers.append(str(seen[name]))
    return numbers


def names_to_write(paths: Sequence[Path], folder: Path | None, file: Path) -> list[str]:
    """Return the names of images for a file to write.

    They are relative to the folder; by default to that of the file, or else to the deepest folder that
    contains all images. Paths outside the folder are absolute, since a reader takes others as relative to it.
    """
    whole = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links are to stay
    root = Path(os.path.abspath(file.parent if folder is None else folder))  # noqa: PTH100
    if folder is None and whole and not all(path.is_relative_to(root) for path in whole):
        root = Path(os.path.commonpath([str(path.parent) for path in whole]))
    return [(full.relative_to(root) if full.is_relative_to(root) else full).as_posix() for full in whole]

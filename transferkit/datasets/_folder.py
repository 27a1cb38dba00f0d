"""Read a folder of images with a sub-folder per class."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import IMAGE_SUFFIXES, image_files, image_suffixes, is_side_file, log_ignored

__all__ = ["ImageFolder", "read_image_folder"]

logger = logging.getLogger("transferkit")


class ImageFolder(NamedTuple):
    """Image files and their labels.

    Attributes
    ----------
    paths : list of Path
        Image files.
    labels : ndarray of str, shape (n,)
        Name of the sub-folder of each file.
    """

    paths: list[Path]
    labels: npt.NDArray[np.str_]


def read_image_folder(folder: str | os.PathLike[str], *, classes: Sequence[str] | None = None) -> ImageFolder:
    """Return the image files in a folder, labelled by their sub-folder.

    Images are not opened; damaged ones raise an error, with their path, when they are used.

    Parameters
    ----------
    folder : path
        Folder with a sub-folder per class, which contains images at any depth.
    classes : sequence of str, optional
        Sub-folders to read, in this order. By default all, sorted by name.

    Returns
    -------
    ImageFolder
        ``(paths, labels)``, by class and then sorted by path. A single class is allowed, since a folder to
        predict on may have only one.

    Raises
    ------
    InvalidInputError
        The folder does not exist, has no sub-folders or lacks one of `classes`, or a class has no image.

    Notes
    -----
    Auxiliary files such as ``._1.jpg``, ``.DS_Store`` and ``Thumbs.db`` are skipped silently; other files
    without an image suffix, and images in no sub-folder, are counted in a log message. The sub-folders of
    classes may be links; links to folders within them are not followed.

    Examples
    --------
    >>> paths, labels = read_image_folder("photos")        # doctest: +SKIP
    >>> sorted(set(labels))                                # doctest: +SKIP
    ['cat', 'dog']
    """
    root = Path(folder)
    names = _class_names(root, classes)
    paths: list[Path] = []
    labels: list[str] = []
    ignored: Counter[str] = Counter()
    empty = []
    for name in names:
        found = image_files(root / name, ignored)
        if not found:
            empty.append(name)
        paths += found
        labels += [name] * len(found)
    log_ignored(root, ignored)
    if empty:
        raise InvalidInputError(
            f"Each class needs at least one image. There are none in the sub-folder(s) {quoted(empty)} of "
            f"{root}. Image suffixes are {image_suffixes()}. Remove the folders, or pass classes= without "
            "them."
        )
    return ImageFolder(paths, np.array(labels, dtype=np.str_))


def _class_names(root: Path, classes: Sequence[str] | None) -> list[str]:
    """Return the names of the sub-folders to read, after checking that they exist."""
    if not os.path.isdir(root):  # noqa: PTH112 - False for a name that is too long
        state = "It is a file." if os.path.isfile(root) else "It does not exist."  # noqa: PTH113
        raise InvalidInputError(
            f"Expected a folder with a sub-folder per class. Got {root}. {state} "
            f"The current folder is {Path.cwd()}."
        )
    entries = sorted(entry for entry in root.iterdir() if not is_side_file(entry))
    there = [entry.name for entry in entries if entry.is_dir()]
    flat = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.name not in there]
    if not there:
        raise InvalidInputError(
            f"Expected a sub-folder per class in {root}. It has none, but {len(flat)} image(s). "
            "Move the images to one sub-folder per class."
        )
    if flat:
        logger.warning(
            "%d image(s) in %s itself, such as %s, are in no sub-folder of a class, and left out.",
            len(flat),
            root,
            flat[0].name,
        )
    if classes is None:
        return there
    names = [classes] if isinstance(classes, str) else list(classes)
    missing = [name for name in names if name not in there]
    if missing or not names or len(set(names)) < len(names):
        raise InvalidInputError(
            f"classes must be different sub-folders of {root}. Got {names}. "
            f"The sub-folders are {quoted(there)}."
        )
    return names

"""Read ``.pts`` files, one per image, such as those of 300-W."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import IMAGE_SUFFIXES, raise_problems
from transferkit.keypoints.files._columns import number
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_pts"]

_FORM = re.compile(r"\s*version\s*:\s*\d+\s+n_points\s*:\s*(\d+)\s*\{(.*?)\}\s*", re.S)


def read_pts(
    path: str | os.PathLike[str],
    *,
    image_folder: str | os.PathLike[str] | None = None,
    first_pixel: int = 1,
) -> KeypointTable:
    """Read ``.pts`` files, such as those of 300-W, with the image of the same name beside each.

    Parameters
    ----------
    path : path
        A file, or a folder with files at any depth. Each file has ``version: 1``, ``n_points: 68``, and a
        line for each point between braces.
    image_folder : path, optional
        Folder of the images, if not beside the files; it must have the same sub-folders.
    first_pixel : {0, 1}, default=1
        Coordinate of the first pixel. 300-W counts from 1, as MATLAB does; so 1 is subtracted.

    Returns
    -------
    KeypointTable
        Sorted by path.

    Raises
    ------
    InvalidInputError
        If there is no file, or one is invalid, has another number of points than the first, or has no image.

    References
    ----------
    https://ibug.doc.ic.ac.uk/resources/300-W/

    Examples
    --------
    >>> table = read_pts("300W/01_Indoor")  # doctest: +SKIP
    >>> table.keypoints.shape               # doctest: +SKIP
    (300, 68, 2)
    """
    path = Path(path)
    refuse_others(path, "pts")
    if first_pixel not in (0, 1):
        raise InvalidInputError(f"first_pixel must be 0 or 1. Got {first_pixel!r}.")
    files = sorted(path.rglob("*.pts")) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        raise InvalidInputError(f"Expected a .pts file, or a folder of them. There is none at {path}.")
    root = path if path.is_dir() else path.parent
    places = root if image_folder is None else Path(image_folder)
    problems: list[str] = []
    stems = [places / file.relative_to(root) for file in files]
    suffixes = {folder: _suffixes(folder) for folder in {stem.parent for stem in stems}}
    images = [
        _image(stem, suffixes[stem.parent], file, problems) for stem, file in zip(stems, files, strict=True)
    ]
    shapes = [_points(file, problems) for file in files]
    problems += [
        f"{file.name} has {len(shape)} points, but {files[0].name} has {len(shapes[0])}"
        for file, shape in zip(files, shapes, strict=True)
        if shape is not None and shapes[0] is not None and len(shape) != len(shapes[0])
    ]
    raise_problems(path, problems)
    return KeypointTable(images, np.array(shapes, dtype=np.float64) - first_pixel, folder=places)


def _suffixes(folder: Path) -> list[str]:
    """Return the suffixes of images in a folder, to ask for these only."""
    there = {file.suffix for file in folder.iterdir()} if folder.is_dir() else set()
    return sorted(suffix for suffix in there if suffix.lower() in IMAGE_SUFFIXES)


def _image(stem: Path, suffixes: list[str], file: Path, problems: list[str]) -> Path:
    """Return the image with the name of a file; there must be only one."""
    found: list[Path] = []
    for image in map(stem.with_suffix, suffixes):  # a file has two names where JPG is the same as jpg
        if image.is_file() and not any(image.samefile(other) for other in found):
            found.append(image)
    if not found:
        problems.append(
            f"{file.name} has no image {stem.with_suffix('.jpg')} or with another suffix of images"
        )
    elif len(found) > 1:
        names = quoted(image.name for image in found)
        problems.append(f"{file.name} is of {len(found)} images, {names}; keep one of them beside it")
    return found[0] if found else stem


def _points(file: Path, problems: list[str]) -> npt.NDArray[np.float64] | None:
    """Return the points of one file, (k, 2)."""
    found = _FORM.fullmatch(file.read_text(encoding="utf-8-sig", errors="replace"))
    if not found:
        problems.append(f"{file.name} must have 'version:' and 'n_points:', and points between two braces")
        return None
    lines = [line.split() for line in found[2].splitlines() if line.strip()]
    if len(lines) != int(found[1]) or any(len(line) != 2 for line in lines):
        problems.append(
            f"{file.name} must have {found[1]} lines of x and y, as its n_points says. Got {len(lines)}"
        )
        return None
    points = np.array([[number(cell) for cell in line] for line in lines])
    if np.isinf(points).any():
        line = int(np.flatnonzero(np.isinf(points).any(axis=1))[0])
        problems.append(f"{file.name}, point {line}: {' '.join(lines[line])!r} is not two finite numbers")
    points[np.isnan(points).any(axis=1)] = np.nan
    return points

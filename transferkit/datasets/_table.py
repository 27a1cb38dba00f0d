"""Keypoints in a CSV file: one row for each image."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import IMAGE_SUFFIXES

__all__ = ["KeypointTable", "read_keypoints_csv"]

_ENDINGS = ("_frames_keypoints", "_keypoints")
_PROBED = 20  # files looked for to find out where the images lie
_REPORTED = 10  # problems listed in one error


class KeypointTable(NamedTuple):
    """Image files and the keypoints of each.

    Attributes
    ----------
    paths : list of Path
    keypoints : ndarray of float64, shape (n, 2 * k)
        ``x0, y0, x1, y1, ...`` in pixels of the image; NaN is a missing point.
    """

    paths: list[Path]
    keypoints: npt.NDArray[np.float64]


def read_keypoints_csv(
    csv_path: str | os.PathLike[str], *, image_folder: str | os.PathLike[str] | None = None
) -> KeypointTable:
    """Return the images and keypoints of a CSV file.

    Parameters
    ----------
    csv_path : path
        Its first row is a header, such as ``,0,1,...,135``; each other row is a file name,
        then ``x0, y0, x1, y1, ...`` in pixels. An empty cell or ``nan`` is a missing point.
    image_folder : path, optional
        Where the file names start. By default the folder of the CSV file or, beside it, the one of its
        name without ``_frames_keypoints`` or ``_keypoints``: whichever has the first files.

    Returns
    -------
    KeypointTable
        ``(paths, keypoints)`` in the order of the file. No image is opened.

    Raises
    ------
    InvalidInputError
        If the file or the images are not found, a row has another number of cells, a value is not
        a number, or a file name occurs twice; row (the header is row 1), column and value are named.

    Examples
    --------
    >>> paths, keypoints = read_keypoints_csv("training_frames_keypoints.csv")  # doctest: +SKIP
    >>> keypoints.shape                                                         # doctest: +SKIP
    (2475, 136)
    """
    path = Path(csv_path)
    names, keypoints = _read_rows(path)
    folder = _find_folder(path, names) if image_folder is None else _checked_folder(image_folder, names)
    return KeypointTable([folder / name for name in names], keypoints)


def _read_rows(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the file names and the values, or raise with every problem."""
    rows = _numbered_rows(path)
    first, width = rows[0][0], len(rows[0][1])
    if width < 3 or width % 2 == 0:
        raise InvalidInputError(
            f"{path}: each row must be a file name and an even number of values, x0, y0, x1, y1, ..., "
            f"separated by commas. Row {first} has {width} cell(s)."
        )
    names = [row[0].strip() for _, row in rows]
    keypoints = np.full((len(rows), width - 1), np.nan)
    problems: list[str] = []
    for values, name, (number, row) in zip(keypoints, names, rows, strict=True):
        where = f"row {number} ({name or 'no file name'})"
        if not name:
            problems.append(f"{where} must begin with a file name")
        if len(row) == width:
            values[:] = [_number(cell) for cell in row[1:]]
            problems += [
                f"{where}, column {column + 2}: {row[column + 1]!r} is not a finite number"
                for column in np.flatnonzero(np.isinf(values))
            ]
        else:
            problems.append(f"{where} has {len(row)} cells instead of {width}, as row {first} has")
    counts = Counter(names)
    problems += [f"{name!r} stands in {counts[name]} rows; keep one" for name in counts if counts[name] > 1]
    if problems:
        rest = [f"and {len(problems) - _REPORTED} more problems"] if len(problems) > _REPORTED else []
        raise InvalidInputError(*(f"{path}: {text}." for text in problems[:_REPORTED] + rest))
    return names, keypoints


def _numbered_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows below the header that are not blank, numbered as a spreadsheet does."""
    if not path.is_file():
        state = "It is a folder." if path.is_dir() else f"The current folder is {Path.cwd()}."
        raise InvalidInputError(f"Expected a CSV file of keypoints. Nothing to read at {path}. {state}")
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the header
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path} is not a CSV file in UTF-8: {error}. Export it as such.") from error
    if rows and Path(rows[0][1][0].strip()).suffix.lower() not in IMAGE_SUFFIXES:
        del rows[0]  # the header; a table without one begins with an image
    if not rows:
        raise InvalidInputError(f"{path} has no row of keypoints below its header.")
    return rows


def _number(cell: str) -> float:
    """Return the value of a cell, NaN for an empty one, and infinity for what is no number."""
    try:
        return float(cell) if cell.strip() else np.nan
    except ValueError:
        return np.inf


def _find_folder(path: Path, names: list[str]) -> Path:
    """Return the folder near the CSV file that holds the first images."""
    stems = [path.stem.removesuffix(ending) for ending in _ENDINGS if path.stem.endswith(ending)]
    folders = [path.parent, *(path.parent / stem for stem in stems if stem)]
    found = [_count_there(folder, names) for folder in folders]
    if not any(found):
        raise InvalidInputError(
            f"None of the images of {path} was found: the first is {names[0]!r}, looked for in "
            f"{quoted(map(str, folders))}. Pass image_folder=."
        )
    return folders[int(np.argmax(found))]


def _checked_folder(image_folder: str | os.PathLike[str], names: list[str]) -> Path:
    """Return the given folder if it holds any of the first images."""
    folder = Path(image_folder)
    if not _count_there(folder, names):
        state = "has none of the first images" if folder.is_dir() else "is not a folder"
        raise InvalidInputError(
            f"image_folder={str(folder)!r} {state}; {names[0]!r} was expected in it. "
            "Pass the folder where the file names of the CSV start."
        )
    return folder


def _count_there(folder: Path, names: list[str]) -> int:
    """Return how many of the first files exist in this folder."""
    return sum((folder / name).is_file() for name in names[:_PROBED])

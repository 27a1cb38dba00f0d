"""Read and write CSV files of keypoints, with one row per image."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.images import IMAGE_SUFFIXES, find_folder, raise_problems, read_rows

__all__ = ["KeypointTable", "read_keypoints_csv", "write_keypoints_csv"]

_ENDINGS = ("_frames_keypoints", "_keypoints")


class KeypointTable(NamedTuple):
    """Image files and their keypoints.

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
    """Read image paths and keypoints from a CSV file.

    Parameters
    ----------
    csv_path : path
        The first row is a header, such as ``,0,1,...,135``; each further row is a file name followed by
        ``x0, y0, x1, y1, ...`` in pixels. An empty cell or ``nan`` is a missing point.
    image_folder : path, optional
        The folder that file names are relative to. By default the folder of the CSV file, or the folder
        beside it with its name without ``_frames_keypoints`` or ``_keypoints``: whichever has the first
        files.

    Returns
    -------
    KeypointTable
        ``(paths, keypoints)`` in the order of the file. No image is opened.

    Raises
    ------
    InvalidInputError
        If the file or the images are not found, rows differ in length, a value is not a number, or a file
        name occurs twice. The message gives row (the header is row 1), column and value.

    Examples
    --------
    >>> paths, keypoints = read_keypoints_csv("training_frames_keypoints.csv")  # doctest: +SKIP
    >>> keypoints.shape                                                         # doctest: +SKIP
    (2475, 136)
    """
    path = Path(csv_path)
    names, keypoints = _read_rows(path)
    stems = [path.stem.removesuffix(ending) for ending in _ENDINGS if path.stem.endswith(ending)]
    folder = find_folder(path, names, image_folder, tuple(stem for stem in stems if stem))
    return KeypointTable([folder / name for name in names], keypoints)


def write_keypoints_csv(path: Path, names: Iterable[str], keypoints: npt.NDArray[np.float64]) -> None:
    """Write a CSV file that `read_keypoints_csv` reads; `keypoints` has shape (n, 2 * k)."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", *range(keypoints.shape[1])])
        writer.writerows([name, *row.tolist()] for name, row in zip(names, keypoints, strict=True))


def _read_rows(path: Path) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return file names and values; raise InvalidInputError with all problems."""
    rows = _point_rows(path)
    first, width = rows[0][0], len(rows[0][1])
    if width < 3 or width % 2 == 0:
        raise InvalidInputError(
            f"{path}: each row must have a file name and an even number of values, x0, y0, x1, y1, ..., "
            f"separated by commas. Row {first} has {width} cell(s)."
        )
    names = [row[0].strip() for _, row in rows]
    keypoints = np.full((len(rows), width - 1), np.nan)
    problems: list[str] = []
    for values, name, (number, row) in zip(keypoints, names, rows, strict=True):
        where = f"row {number} ({name or 'no file name'})"
        if not name:
            problems.append(f"{where} must start with a file name")
        if len(row) == width:
            values[:] = [_number(cell) for cell in row[1:]]
            problems += [
                f"{where}, column {column + 2}: {row[column + 1]!r} is not a finite number"
                for column in np.flatnonzero(np.isinf(values))
            ]
        else:
            problems.append(f"{where} has {len(row)} cells, but row {first} has {width}")
    counts = Counter(names)
    problems += [f"{name!r} occurs in {counts[name]} rows; keep one" for name in counts if counts[name] > 1]
    raise_problems(path, problems)
    return names, keypoints


def _point_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the rows below the header, numbered as in a spreadsheet."""
    rows = read_rows(path, "keypoints")
    if rows and Path(rows[0][1][0].strip()).suffix.lower() not in IMAGE_SUFFIXES:
        del rows[0]  # the header, unless the first row is an image
    if not rows:
        raise InvalidInputError(f"{path} has no row of keypoints below its header.")
    return rows


def _number(cell: str) -> float:
    """Return the value of a cell; NaN if empty, infinity if not a number."""
    try:
        return float(cell) if cell.strip() else np.nan
    except ValueError:
        return np.inf

"""Read and write plain CSV files of keypoints, such as from spreadsheets."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation.files import write_text
from transferkit.images import NumberedRow, find_folder, raise_problems, read_rows
from transferkit.keypoints._layouts import as_points
from transferkit.keypoints.files._columns import Columns, number
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import counted, is_image_name, names_to_write, per_image
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_keypoints_csv", "write_keypoints_csv"]

_logger = logging.getLogger("transferkit")

_ENDINGS = ("_frames_keypoints", "_keypoints")


def read_keypoints_csv(
    csv_path: str | os.PathLike[str], *, image_folder: str | os.PathLike[str] | None = None
) -> KeypointTable:
    """Read image paths and keypoints from a CSV file.

    Parameters
    ----------
    csv_path : path
        CSV file in which each row is a file name followed by ``x0, y0, x1, y1, ...`` in pixels. Cells are
        separated by commas, semicolons or tabs; with the latter two, numbers may have a decimal comma. An
        empty cell, ``NA`` or ``nan`` is a missing point. A header is optional. In a header, ``nose_x,
        nose_y`` name a point, ``group`` is a column of groups, ``individual`` distinguishes several subjects
        of an image, and ``box_left, box_top, box_right, box_bottom`` are columns of boxes.
    image_folder : path, optional
        Folder that file names are relative to. By default the folder of the CSV file, or the folder beside it
        that has its name without ``_frames_keypoints`` or ``_keypoints``: whichever contains the first
        files.

    Returns
    -------
    KeypointTable
        Unpacks to ``(paths, keypoints)``, in the order of the file, with keypoints of shape (n, 2 * k).
        Images are not opened.

    Raises
    ------
    InvalidInputError
        If the file or the images are not found, rows differ in length, a value is not a number, a header
        names points and other columns, or a file name occurs twice without individuals or boxes that
        distinguish its subjects. The message gives row (the first is row 1), column and value. If the file
        has another format, the message names it.

    See Also
    --------
    read_keypoints : Read files of any format.

    Examples
    --------
    >>> paths, keypoints = read_keypoints_csv("training_frames_keypoints.csv")  # doctest: +SKIP
    >>> keypoints.shape                                                         # doctest: +SKIP
    (2475, 136)
    """
    path = Path(csv_path)
    refuse_others(path, "CSV")
    names, values, columns = _read_cells(path)
    stems = [path.stem.removesuffix(ending) for ending in _ENDINGS if path.stem.endswith(ending)]
    folder = find_folder(path, names, image_folder, tuple(stem for stem in stems if stem))
    groups = columns.groups if columns.groups is not None else per_image(names)
    _tell_missing(path, values[:, columns.points])
    return KeypointTable(
        [folder / name for name in names],
        values[:, columns.points],
        names=columns.names,
        boxes=values[:, columns.box] if columns.box else None,
        groups=groups,
        individuals=columns.individuals,
        folder=folder,
    )


def write_keypoints_csv(
    table: KeypointTable,
    path: str | os.PathLike[str],
) -> None:
    """Write a CSV file that `read_keypoints_csv` reads.

    Parameters
    ----------
    table : KeypointTable
        File names are relative to its folder; by default to that of the CSV file, or to the deepest folder
        that contains all images. Groups, individuals and boxes get their own columns. If an image has several
        subjects and the table has neither individuals nor boxes, individuals are numbered. Missing points are
        empty cells.
    path : path
        File to write.
    """
    path = Path(path)
    points = as_points(table.keypoints)
    names = table.names or [""] * points.shape[1]
    header = [
        f"{name}_{axis}" if name else "xy"[j] + str(i)
        for i, name in enumerate(names)
        for j, axis in enumerate("xy")
    ]
    extra: list[list[object]] = [[] for _ in table.paths]
    files = names_to_write(table.paths, table.folder, path)
    individuals = table.individuals
    if individuals is None and table.boxes is None and len(set(files)) < len(files):
        individuals = np.array(counted(files))
    for title, column in (("group", table.groups), ("individual", individuals)):
        if column is not None:
            header.append(title)
            extra = [[*row, str(cell)] for row, cell in zip(extra, column, strict=True)]
    if table.boxes is not None:
        header += [f"box_{side}" for side in ("left", "top", "right", "bottom")]
        extra = [[*row, *_cells(box)] for row, box in zip(extra, table.boxes, strict=True)]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["file", *header])
    writer.writerows(
        [name, *_cells(row), *more]
        for name, row, more in zip(
            files, points.reshape(len(points), 2 * points.shape[1]), extra, strict=True
        )
    )
    write_text(path, text.getvalue())


def _tell_missing(path: Path, values: npt.NDArray[np.float64]) -> None:
    """Warn of points where programs put those that are missing."""
    points = as_points(values)
    n = sum(int((points == place).all(axis=2).sum()) for place in (0, -1))
    if n:
        _logger.warning(
            "%s: %d point(s) are at (0, 0) or (-1, -1). If these are missing, leave their cells empty.",
            path,
            n,
        )


def _cells(values: npt.NDArray[np.float64]) -> list[object]:
    """Return numbers as cells, with empty cells for missing ones."""
    return ["" if value != value else value for value in values.tolist()]


def _is_data(rows: list[NumberedRow]) -> bool:
    """Return True if the first row is data rather than a header.

    Data rows have the name of an image file. If no row has one, since names have no suffix, data rows have
    numbers after the name; but titles may also be numbers: 0, 1, 2, ...
    """
    if any(is_image_name(cell) for cell in rows[0][1]):
        return True
    if not rows[0][1][0].strip() or any(is_image_name(cell) for _, row in rows for cell in row):
        return False
    values = [number(cell) for cell in rows[0][1][1:]]
    counts = all(value - values[0] == i for i, value in enumerate(values)) and len(values) > 2
    return bool(np.isfinite(values).any() and not np.isinf(values).any() and not counts)


def _read_cells(path: Path) -> tuple[list[str], npt.NDArray[np.float64], Columns]:
    """Return file names, the values of all columns, and their meaning; raise with all problems."""
    rows = read_rows(path, "keypoints")
    header = rows.pop(0)[1] if rows and not _is_data(rows) else None
    if not rows:
        raise InvalidInputError(f"{path} has no row of keypoints below its header.")
    first, width = rows[0][0], len(rows[0][1])
    columns = Columns.of(path, header, rows)
    names = [row[columns.file].strip() if len(row) > columns.file else "" for _, row in rows]
    values = np.full((len(rows), width), np.nan)
    problems: list[str] = []
    for cells, name, (place, row) in zip(values, names, rows, strict=True):
        where = f"row {place} ({name or 'no file name'})"
        if not name:
            problems.append(f"{where} must start with a file name")
        if len(row) != width:
            problems.append(f"{where} has {len(row)} cells, but row {first} has {width}")
            continue
        for column in (*columns.points, *columns.box):
            cells[column] = number(row[column])
            if np.isinf(cells[column]):
                problems.append(f"{where}, column {column + 1}: {row[column]!r} is not a finite number")
    if columns.groups is not None:
        problems += [
            f"row {place} ({name}) has no group"
            for name, group, (place, _) in zip(names, columns.groups, rows, strict=True)
            if not group
        ]
    counts = Counter(map(os.path.normpath, names))
    if not columns.box and columns.individuals is None:
        problems += [
            f"{name!r} occurs in {counts[name]} rows; keep one, or tell its subjects apart by a column "
            "'individual'"
            for name in counts
            if counts[name] > 1
        ]
    raise_problems(path, problems)
    return names, values, columns

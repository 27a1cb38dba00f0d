"""Read a CSV file with one image per row, and numbers or labels in its columns."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import check
from transferkit.images import find_folder, is_missing, raise_problems, read_rows

__all__ = ["ImageTable", "read_table"]

_NAME = re.compile(r"[-+]?0\d")
_BETWEEN = ";"  # separates several labels of an image
Cells = list[tuple[int, list[str]]]  # the number of each row, and its cells of the asked columns


class ImageTable(NamedTuple):
    """Image files and their targets.

    Attributes
    ----------
    paths : list of Path
        Image files.
    targets : ndarray
        Numbers, float64 (n,) or (n, k), with NaN for missing ones; labels, str (n,); or several labels per
        image, objects (n,), each a tuple of names.
    """

    paths: list[Path]
    targets: npt.NDArray[Any]


def read_table(
    csv_path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    image_folder: str | os.PathLike[str] | None = None,
    dtype: type[str] | type[float] | None = None,
    skip_empty: bool = False,
) -> ImageTable:
    """Read image paths and a column of numbers or labels, or several columns of numbers, from a CSV file.

    Parameters
    ----------
    csv_path : path
        CSV file whose first row is a header, and whose first column has file names.
    target : str or sequence of str
        Names of the columns to read. A column is read as numbers if all of its cells are numbers or missing
        (empty, ``NA`` or ``nan``), else as labels; cells such as ``007`` are labels. If any cell has several
        labels, as in ``cat;outdoor``, images may have several labels, and an empty cell has none.
    image_folder : path, optional
        Folder that file names are relative to; by default that of the CSV file.
    dtype : {str, float}, optional
        ``str`` reads labels, even if all are numbers; ``float`` reads numbers, even such as ``007``.
    skip_empty : bool, default=False
        Leave out rows whose cells are all empty, such as images that are not labelled yet.

    Returns
    -------
    ImageTable
        ``(paths, targets)`` in the order of the file. Images are not opened.

    Raises
    ------
    InvalidInputError
        The file, a column or the images are not found, a cell cannot be used, all are numbers but for commas
        (``"1,234"``), or a file name occurs twice. The message gives the row; the header is row 1.

    See Also
    --------
    read_keypoints_csv : Read keypoints.

    Examples
    --------
    >>> paths, ages = read_table("people.csv", "age")  # doctest: +SKIP
    >>> ages[:2]                                       # doctest: +SKIP
    array([31., 54.])
    """
    path = Path(csv_path)
    columns = [target] if isinstance(target, str) else list(target)
    names, cells = _columns(path, columns)
    if skip_empty:
        filled = [any(row) for _, row in cells]
        names, cells = list(compress(names, filled)), list(compress(cells, filled))
        if not cells:
            raise InvalidInputError(f"{path} has no row with a cell in {quoted(columns)}.")
    problems = _repeated(names)
    check([] if dtype in (None, str, float) else [f"dtype must be str, float or None. Got {dtype!r}."])
    if dtype is float:
        problems += [
            f"row {number} has {cell!r}, which is no number"
            for number, row in cells
            for cell in row
            if not (is_missing(cell) or _is_finite(cell))
        ]
        raise_problems(path, problems)
    if dtype is float or (dtype is None and _are_numbers([cell for _, row in cells for cell in row])):
        values = np.array([[_number(cell) for cell in row] for _, row in cells])
        targets: npt.NDArray[Any] = values[:, 0] if isinstance(target, str) else values
    else:
        problems += _numbers_with_commas(cells) if dtype is None else []
        targets = _labels(cells, columns, problems)
    raise_problems(path, problems)
    folder = find_folder(path, names, image_folder)
    return ImageTable([folder / name for name in names], targets)


def read_column(csv_path: str | os.PathLike[str], column: str, *, name: str = "column") -> npt.NDArray[Any]:
    """Read another column of a CSV file for :func:`read_table`, such as groups or weights of images.

    Parameters
    ----------
    csv_path : path
        CSV file whose first row is a header, and whose first column has file names.
    column : str
        Name of the column.
    name : str, default="column"
        Name of the argument in error messages, such as ``"groups"``.

    Returns
    -------
    ndarray of float64 or str, shape (n,)
        In the order of the file. Cells are unchanged text if any of them is not a number, such as ``007``.

    Raises
    ------
    InvalidInputError
        The file or the column is not found, or a cell is empty.

    Examples
    --------
    >>> people = read_column("people.csv", "person")  # doctest: +SKIP
    """
    _, cells = _columns(Path(csv_path), [column], name)
    numbers = _are_numbers([cell for _, (cell,) in cells])
    empty = [n for n, (cell,) in cells if (is_missing(cell) if numbers else not cell)]
    raise_problems(Path(csv_path), [f"row {n} has no {column}" for n in empty])
    if numbers:
        return np.array([float(cell) for _, (cell,) in cells])
    return np.array([cell for _, (cell,) in cells], dtype=np.str_)


def _columns(path: Path, columns: list[str], name: str = "target") -> tuple[list[str], Cells]:
    """Return file names and the cells of these columns."""
    rows = read_rows(path, "images with a header")
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if missing := [column for column in columns if column not in header[1:]]:
        raise InvalidInputError(
            f"{name} must name columns of {path}: {quoted(header[1:], 'or')}. "
            f"Got {quoted(map(str, missing))}. The first row must be a header, the first column file names."
        )
    problems = [
        f"row {number} has {len(row)} cells, but the header {len(header)}"
        for number, row in rows[1:]
        if len(row) != len(header)
    ]
    problems += [] if rows[1:] and columns else ["expected a row for each image below the header"]
    problems += [f"row {number} has no file name" for number, row in rows[1:] if not row[0].strip()]
    problems += [
        f"{name!r} is the name of {header[1:].count(name)} columns; rename all but one"
        for name in dict.fromkeys(columns)
        if header[1:].count(name) > 1
    ]
    raise_problems(path, problems)
    places = [header.index(column, 1) for column in columns]
    return (
        [row[0].strip() for _, row in rows[1:]],
        [(number, [row[place].strip() for place in places]) for number, row in rows[1:]],
    )


def _repeated(names: list[str]) -> list[str]:
    """Return files that are named in several rows, also in different forms (``a.jpg`` and ``./a.jpg``)."""
    spellings: dict[str, list[str]] = {}
    for name in names:
        spellings.setdefault(os.path.normpath(name), []).append(name)
    problems = []
    for first, *others in spellings.values():
        if others:
            also = "" if {first} == {*others} else f", also as {quoted(sorted({*others} - {first}))}"
            problems.append(f"{first!r} occurs in {1 + len(others)} rows{also}; keep one")
    return problems


def _numbers_with_commas(cells: Cells) -> list[str]:
    """Return the first row with a comma, if all cells are numbers but for commas."""
    commas = [(number, cell) for number, row in cells for cell in row if "," in cell]
    if not commas or not _are_numbers([cell.replace(",", "") for _, row in cells for cell in row]):
        return []
    number, cell = commas[0]
    return [
        f"row {number} has {cell!r}, which may be a number: write numbers without commas of thousands, and "
        "with a decimal point. If they are labels, dtype=str reads them"
    ]


def _labels(cells: Cells, columns: list[str], problems: list[str]) -> npt.NDArray[Any]:
    """Return one label, or a tuple of labels, for each row; add any problems to the list."""
    if len(columns) > 1:
        number, cell = next(
            (n, cell) for n, row in cells for cell in row if not (is_missing(cell) or _is_number(cell))
        )
        problems.append(
            f"row {number} has {cell!r}, which is no number. Several columns must have numbers; labels are "
            "in one"
        )
    if any(_BETWEEN in row[0] for _, row in cells):
        sets = np.empty(len(cells), dtype=object)
        sets[:] = [
            tuple(name for part in row[0].split(_BETWEEN) if (name := part.strip())) for _, row in cells
        ]
        return sets
    problems += [f"row {number} has no label" for number, row in cells if not row[0]]
    return np.array([row[0] for _, row in cells], dtype=np.str_)


def _are_numbers(cells: list[str]) -> bool:
    """Return True if cells are numbers, of which some may be missing; all may be empty."""
    stated = [cell for cell in cells if not is_missing(cell)]
    return all(map(_is_number, stated)) and bool(stated or not any(cells))


def _number(cell: str) -> float:
    return math.nan if is_missing(cell) else float(cell)


def _is_number(cell: str) -> bool:
    """Return True for a finite number that is not a name.

    ``007`` is a name, and so is an integer with so many digits that different ones are equal as floats.
    """
    if _NAME.match(cell) or not _is_finite(cell):
        return False
    return not cell.lstrip("+-").isdigit() or int(float(cell)) == int(cell)


def _is_finite(cell: str) -> bool:
    """Return True for a finite number."""
    try:
        return "_" not in cell and math.isfinite(float(cell))  # Python reads 1_2 as 12
    except ValueError:
        return False

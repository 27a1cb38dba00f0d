"""Read labels that a person entered in the table of an audit, or in any table of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from transferkit.auditing._csv import from_cell
from transferkit.errors import InvalidInputError, quoted
from transferkit.images import raise_problems, read_rows

NEW_LABEL = "new_label"
_OTHER = "other_"  # before the columns of the second image of a pair


class Correction(NamedTuple):
    """A cell of the column ``new_label`` that is not empty.

    Attributes
    ----------
    row : int
        Row of the table, as a spreadsheet numbers it.
    part : str
        "train" or "test"; empty if the table does not have it.
    path : str
        The file; empty if the table does not have it.
    position : int or None
        Position in X.
    given : str
        Current label of the image according to the table; may be empty.
    new : str
        The corrected label.
    cell : str
        The path exactly as in the table, with its blanks and apostrophes.
    """

    row: int
    part: str
    path: str
    position: int | None
    given: str
    new: str
    cell: str


def check_unfilled(path: str | os.PathLike[str]) -> None:
    """Raise if a file is a table with new labels, which would be lost if it were replaced.

    Raises
    ------
    InvalidInputError
        The table has new labels, or cannot be read, such as one that was saved in another encoding.
    """
    path = Path(path)
    try:
        rows = read_rows(path, "labels") if path.is_file() else []
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{path} would be replaced, but cannot be read, so nobody knows whether new labels "
            f"were filled in: {error} Or pass another file, or delete this one."
        ) from error
    header = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    new = [place for place, name in enumerate(header) if name in (NEW_LABEL, _OTHER + NEW_LABEL)]
    filled = sum(bool(cells[place].strip()) for _, cells in rows[1:] for place in new if place < len(cells))
    if filled:
        raise InvalidInputError(
            f"{path} has {filled} new label(s) that somebody filled in, and would be replaced. Pass another "
            "file, or delete it once relabel has read it."
        )


def read_corrections(csv_path: str | os.PathLike[str]) -> list[Correction]:
    """Return the filled cells of ``new_label``, and of ``other_new_label`` for the second image of a pair.

    Raises
    ------
    InvalidInputError
        The file cannot be read, or its header lacks the columns that identify images and labels.
    """
    path = Path(csv_path)
    rows = read_rows(path, "labels with a header")
    header = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    if NEW_LABEL not in header or not {"path", "index"} & set(header):
        raise InvalidInputError(
            f"{path} must have a header with {NEW_LABEL!r}, and with 'path' or 'index'. "
            f"Got {quoted(header) if header else 'an empty file'}. Write it with to_csv() of an audit, and "
            f"fill the column {NEW_LABEL!r}."
        )
    problems: list[str] = []
    found = []
    for number, cells in rows[1:]:
        # Spreadsheets may leave out empty cells at the end of a row.
        named = dict(zip(header, (from_cell(cell.strip()) for cell in cells), strict=False))
        as_is = dict(zip(header, cells, strict=False))
        found += [
            _correction(number, named, as_is.get(f"{start}path", ""), start, problems)
            for start in ("", _OTHER)
            if named.get(start + NEW_LABEL)
        ]
    raise_problems(path, problems)
    return found


def _correction(number: int, named: dict[str, str], cell: str, start: str, problems: list[str]) -> Correction:
    part, path, index, given = (named.get(start + name, "") for name in ("part", "path", "index", "label"))
    new = named[start + NEW_LABEL]
    place = None
    if index.removesuffix(".0").isdecimal():
        place = int(index.removesuffix(".0"))
    elif index:
        problems.append(f"row {number} has index {index!r}; it must be a position, 0 or more")
    if not path and not index:
        problems.append(f"row {number} has the label {new!r}, but neither path nor index of an image")
    return Correction(number, part.casefold(), path, place, given, new, cell)

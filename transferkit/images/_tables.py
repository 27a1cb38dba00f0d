"""Read CSV files with a header, and a file name and other values in each row."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from pathlib import Path

import numpy as np

from transferkit.errors import InvalidInputError, quoted

_PROBED = 20  # files checked to find the image folder
_REPORTED = 10  # problems listed in one error

_DECIMAL_COMMA = re.compile(r"^(\s*[-+]?\d*),(\d+(?:[eE][-+]?\d+)?\s*)$")

_DECIMAL_POINT = re.compile(r"^\s*[-+]?[\d,]*\.\d+\s*$")
_THOUSANDS = re.compile(r"^\s*[-+]?[1-9]\d{0,2},\d{3}\s*$")

NumberedRow = tuple[int, list[str]]

_MISSING = {"", "na", "n/a", "nan", "none", "null"}


def is_missing(cell: str) -> bool:
    """Return True if a cell marks a missing number, as written by spreadsheets, pandas and R."""
    return cell.strip().lower() in _MISSING


def read_rows(path: Path, what: str) -> list[NumberedRow]:
    """Return the non-blank rows, numbered as in a spreadsheet; ``what`` describes the file in errors.

    Cells are separated by commas, semicolons or tabs, whichever the first row has. If the separator is not a
    comma, numbers may have a decimal comma, which is replaced by a point. Where other numbers of the column
    have a decimal point, 1,234 stays as it is.
    """
    if not path.is_file():
        state = "It is a folder." if path.is_dir() else f"The current folder is {Path.cwd()}."
        raise InvalidInputError(f"Expected a CSV file of {what}, but there is no file {path}. {state}")
    try:
        text = _text(path)
        first = next((line for line in io.StringIO(text) if line.strip()), "")
        declared = re.fullmatch(r"sep=(.)\s*", first)  # Excel's declaration of the separator
        delimiter = declared[1] if declared else _delimiter(first)
        # strict, since an unclosed quote would otherwise swallow the following rows
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = [(number, row) for number, row in enumerate(reader, start=1) if any(row)]
    except (UnicodeError, csv.Error) as error:
        raise InvalidInputError(
            f"{path} is not a CSV file in UTF-8: {error}. Export it as CSV in UTF-8, and look for a quote "
            "that is not closed."
        ) from error
    del rows[: bool(declared)]
    if delimiter == ",":
        return rows
    pointed = {i for _, row in rows for i, cell in enumerate(row) if _DECIMAL_POINT.match(cell)}
    return [(number, [_with_point(cell, i in pointed) for i, cell in enumerate(row)]) for number, row in rows]


def _with_point(cell: str, pointed: bool) -> str:
    """Return a cell with a point for its decimal comma; among points, 1,234 may be a thousand and more."""
    return cell if pointed and _THOUSANDS.match(cell) else _DECIMAL_COMMA.sub(r"\1.\2", cell)


def _text(path: Path) -> str:
    """Return the text of a file in UTF-8, or in the UTF-16 that Excel calls Unicode text."""
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    # utf-8-sig: spreadsheets write a byte order mark
    return content.decode("utf-16" if wide else "utf-8-sig")


def _delimiter(line: str) -> str:
    """Return the separator of the cells in the first row, ignoring quoted text."""
    return next((mark for mark in "\t;" if len(next(csv.reader([line], delimiter=mark), [])) > 1), ",")


def find_folder(
    path: Path,
    names: list[str],
    image_folder: str | os.PathLike[str] | None,
    beside: tuple[str, ...] = (),
) -> Path:
    """Return the folder that the file names in a table are relative to.

    By default the folder of the table, or one ``beside`` it, such as ``"images"`` or ``".."``: whichever
    contains most of the first images. If another contains as many, which differ, that is an error.
    """
    if image_folder is not None:
        return _checked_folder(image_folder, names)
    folders = [path.parent, *(Path(os.path.normpath(path.parent / name)) for name in beside)]
    found = [_count_there(folder, names) for folder in folders]
    if not any(found):
        raise InvalidInputError(
            f"None of the images of {path} were found: the first, {names[0]!r}, is not in "
            f"{quoted(map(str, folders), 'or')}. Pass image_folder=."
        )
    own = folders[int(np.argmax(found))]
    for other, n in zip(folders, found, strict=True):
        if n == max(found) and _differ(own, other, names):
            raise InvalidInputError(
                f"Images of {path} have the same names, but differ in {str(own)!r} and {str(other)!r}. Pass "
                "image_folder=."
            )
    return own


def raise_problems(path: Path, problems: list[str]) -> None:
    """Raise if there are problems with a file, naming the first of them."""
    if problems:
        rest = [f"and {len(problems) - _REPORTED} more problems"] if len(problems) > _REPORTED else []
        raise InvalidInputError(*(f"{path}: {text}." for text in problems[:_REPORTED] + rest))


def _checked_folder(image_folder: str | os.PathLike[str], names: list[str]) -> Path:
    """Return the given folder if it contains any of the first images."""
    folder = Path(image_folder)
    if not _count_there(folder, names):
        state = "has none of the first images" if folder.is_dir() else "is not a folder"
        raise InvalidInputError(
            f"image_folder={str(folder)!r} {state}; {names[0]!r} was expected in it. "
            "Pass the folder that the file names in the table are relative to."
        )
    return folder


def _differ(one: Path, other: Path, names: list[str]) -> bool:
    """Return True if some of the first files are in both folders, with other sizes."""
    pairs = [(one / name, other / name) for name in names[:_PROBED]]
    return any(a.is_file() and b.is_file() and a.stat().st_size != b.stat().st_size for a, b in pairs)


def _count_there(folder: Path, names: list[str]) -> int:
    """Return the number of the first files that exist in this folder."""
    return sum((folder / name).is_file() for name in names[:_PROBED])

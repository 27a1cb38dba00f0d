"""Write tables that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transferkit.foundation.files import replaced

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell starts that a spreadsheet evaluates


def as_cell(value: Any) -> Any:
    """Return a value that a spreadsheet does not evaluate: text like a formula is prefixed by an apostrophe.

    So is text that already looks like such a prefixed formula; otherwise ``from_cell`` would remove its
    apostrophe.
    """
    if not isinstance(value, str) or not value.lstrip("'").startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def from_cell(text: str) -> str:
    """Undo ``as_cell``."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def write_table(
    path: str | os.PathLike[str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write rows as a CSV in UTF-8; columns that a row lacks stay empty.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows({name: as_cell(value) for name, value in row.items()} for row in rows)
    # Excel takes a CSV for UTF-8 only with a byte order mark, and would garble names.
    with replaced(path) as stream:
        stream.write(text.getvalue().encode("utf-8-sig", "surrogateescape"))

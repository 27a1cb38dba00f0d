"""Convert the tables of what ``fit`` tried to JSON and back; they have only plain names and values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# Limits far above what heads record. Records are for people: no prediction depends on them.
_MOST_ROWS, _MOST_KEYS, _MOST_VALUES, _LONGEST_TEXT = 1000, 32, 100, 2000
_TYPES: dict[str, tuple[type, ...]] = {
    "layers": (str, list), "shares": (list,), "chosen": (bool,), "used": (bool,), "why": (str,),
}  # fmt: skip
_NUMBER = (int, float, type(None))  # types of all other columns


def records_to_json(records: Mapping[str, Sequence[Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return tables as JSON data; NaN and infinite numbers become None."""
    return {
        table: [{name: _to_json(value) for name, value in row.items()} for row in rows]
        for table, rows in records.items()
    }


def records_from_json(records: Any, tables: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return these tables; raise ValueError if ``records_to_json`` cannot have written them."""
    if type(records) is not dict or set(records) != set(tables):
        raise ValueError(f"expected the tables {sorted(tables)}")
    return {table: [_row(row) for row in _checked(rows)] for table, rows in records.items()}


def _checked(rows: Any) -> list[Any]:
    if type(rows) is not list or len(rows) > _MOST_ROWS:
        raise ValueError("a table of records is not a list of rows")
    return rows


def _row(row: Any) -> dict[str, Any]:
    if not (type(row) is dict and len(row) <= _MOST_KEYS and all(map(_fits, row.keys(), row.values()))):
        raise ValueError(f"a record is {str(row)[:200]}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_to_json(part) for part in value]
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _fits(name: str, value: Any) -> bool:
    """Return True if this is a valid name with a value of the right type and length."""
    if not name.isidentifier() or type(value) not in _TYPES.get(name, _NUMBER):
        return False
    if isinstance(value, list):
        return len(value) <= _MOST_VALUES and all(type(part) in (int, float) for part in value)
    return not isinstance(value, str) or len(value) <= _LONGEST_TEXT

"""What was tried on held-out training rows, as JSON and back: a table of plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# Far more than heads record, and little to read: it is told to people only, and no answer depends on it.
_MOST_ROWS, _MOST_KEYS, _MOST_VALUES, _LONGEST_TEXT = 1000, 32, 100, 2000
_TYPES: dict[str, tuple[type, ...]] = {
    "layers": (str, list), "shares": (list,), "chosen": (bool,), "used": (bool,), "why": (str,),
}  # fmt: skip
_NUMBER = (int, float, type(None))  # everything else


def selection_to_json(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the rows of ``selection_`` as JSON data; what is no finite number is None."""
    return [{name: _to_json(value) for name, value in row.items()} for row in rows]


def selection_from_json(rows: Any) -> list[dict[str, Any]]:
    """Return ``selection_``; ValueError where this is no table that ``selection_to_json`` wrote."""
    if type(rows) is not list or len(rows) > _MOST_ROWS:
        raise ValueError("selection is no table")
    for row in rows:
        fits = type(row) is dict and len(row) <= _MOST_KEYS and all(map(_fits, row.keys(), row.values()))
        if not fits or ("chosen" in row and not {"layers", "shares"} <= set(row)):
            raise ValueError(f"a row of selection is {str(row)[:200]}")
    return [
        {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
        for row in rows
    ]


def _to_json(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_to_json(part) for part in value]
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _fits(name: str, value: Any) -> bool:
    """Say whether a value may stand under this name."""
    if not name.isidentifier() or type(value) not in _TYPES.get(name, _NUMBER):
        return False
    if isinstance(value, list):
        return len(value) <= _MOST_VALUES and all(type(part) in (int, float) for part in value)
    return not isinstance(value, str) or len(value) <= _LONGEST_TEXT

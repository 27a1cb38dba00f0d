"""Closed schemas: the keys and types that JSON data must have, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Types = tuple[type, ...]


def check_keys(what: str, data: Mapping[str, Any], expected: Mapping[str, Types]) -> None:
    """Raise ValueError unless the keys are these and each value has one of its types; bool is not int."""
    if set(data) != set(expected):
        raise ValueError(f"{what}: expected {sorted(expected)}, got {sorted(data)}")
    for name, types in expected.items():
        if type(data[name]) not in types:
            raise ValueError(f"{what}: {name} is {data[name]!r}")

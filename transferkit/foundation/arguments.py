"""Argument checks.

``is_*`` return a bool. The others return a list of problems, empty or with one sentence that names the
argument, so that a caller can report all of its arguments at once. Types are checked before values, because
comparing an array with a string gives an array, and a list cannot be hashed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, quoted

LARGEST_SEED = 2**32 - 1  # the limit of NumPy and scikit-learn


def is_count(value: Any) -> bool:
    """Return True for a positive integer; bool does not count."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def is_number(value: Any, *, above: float) -> bool:
    """Return True for a finite number above a bound; bool does not count."""
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(above < value < float("inf"))
    )


def is_seed(value: Any) -> bool:
    """Return True for an integer that random generators accept as a seed; bool does not count."""
    return isinstance(value, int | np.integer) and is_number(value, above=-1) and bool(value <= LARGEST_SEED)


def is_path(value: Any) -> bool:
    """Return True for a path; the empty string does not count, as it would mean the current folder."""
    return isinstance(value, str | os.PathLike) and bool(os.fspath(value))


def choice(name: str, value: Any, choices: Iterable[str], *, or_none: bool = False) -> list[str]:
    """Return a problem unless the value is one of the choices, or None if that is allowed."""
    words = list(choices)
    if (value is None and or_none) or (isinstance(value, str) and value in words):
        return []
    return [f"{name} must be {quoted(words, 'or')}{', or None' if or_none else ''}. Got {value!r}."]


def flag(name: str, value: Any) -> list[str]:
    """Return a problem unless the value is True or False."""
    return [] if isinstance(value, bool | np.bool_) else [f"{name} must be True or False. Got {value!r}."]


def seed(name: str, value: Any) -> list[str]:
    """Return a problem unless the value is a seed."""
    return [] if is_seed(value) else [f"{name} must be an integer in 0..2**32 - 1. Got {value!r}."]


def check(problems: Iterable[str]) -> None:
    """Raise InvalidInputError if there are problems."""
    if found := list(problems):
        raise InvalidInputError(*found)

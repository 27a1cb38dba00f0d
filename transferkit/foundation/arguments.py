"""Whether an argument is of the kind that is asked for.

``is_*`` answers; the others return the problems with an argument, none or one sentence that names it, so that
a caller can collect those of all arguments before it complains. Whatever comes in is looked at by its type
first: an array compared with a word would be an array of answers, and a list cannot be looked up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, quoted

LARGEST_SEED = 2**32 - 1  # of numpy's and scikit-learn's generators


def is_count(value: Any) -> bool:
    """Say whether this is a positive integer, no boolean."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


def is_number(value: Any, *, above: float) -> bool:
    """Say whether this is a finite number, no boolean, above a bound."""
    return (
        isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and bool(above < value < float("inf"))
    )


def is_seed(value: Any) -> bool:
    """Say whether this is an integer that generators take, no boolean."""
    return isinstance(value, int | np.integer) and is_number(value, above=-1) and bool(value <= LARGEST_SEED)


def is_path(value: Any) -> bool:
    """Say whether this can be the path of a file or a folder; an empty one would be the current folder."""
    return isinstance(value, str | os.PathLike) and bool(os.fspath(value))


def choice(name: str, value: Any, choices: Iterable[str], *, or_none: bool = False) -> list[str]:
    """Return the problem unless the value is one of these words, or None where that is a choice."""
    words = list(choices)
    if (value is None and or_none) or (isinstance(value, str) and value in words):
        return []
    return [f"{name} must be {quoted(words, 'or')}{', or None' if or_none else ''}. Got {value!r}."]


def flag(name: str, value: Any) -> list[str]:
    """Return the problem unless the value is True or False."""
    return [] if isinstance(value, bool | np.bool_) else [f"{name} must be True or False. Got {value!r}."]


def seed(name: str, value: Any) -> list[str]:
    """Return the problem unless the value is a seed."""
    return [] if is_seed(value) else [f"{name} must be an integer in 0..2**32 - 1. Got {value!r}."]


def check(problems: Iterable[str]) -> None:
    """Raise InvalidInputError if there are problems."""
    if found := list(problems):
        raise InvalidInputError(*found)

"""Left and right points, by their names."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

from transferkit.errors import InvalidInputError

__all__ = ["Pairs", "checked_pairs", "mirror_pairs_by_name"]

Pairs = tuple[tuple[int, int], ...]

_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}
# Words of a name: split at punctuation, between small and capital letters, and before a number.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def mirror_pairs_by_name(names: Sequence[str]) -> Pairs:
    """Return the pairs of points that swap when the image is mirrored, found by their names.

    Parameters
    ----------
    names : sequence of str
        Two names are a pair if they differ in one word only, ``left`` and ``right`` or ``l`` and ``r``, in
        any case: ``left_eye``, ``eye_L``, ``LeftEye``, ``l-eye``, ``earLeft``.

    Returns
    -------
    tuple of (int, int)
        Positions of the left and the right point. Empty if no name has a side.

    Examples
    --------
    >>> mirror_pairs_by_name(["nose", "left_eye", "right_eye", "EarL", "EarR"])
    ((1, 2), (3, 4))
    """
    places: dict[tuple[str, ...], dict[str, int]] = {}
    for index, name in enumerate(names):
        words = [word.lower() for word in _WORDS.findall(_spaced(name))]
        sided = [place for place, word in enumerate(words) if word in _SIDES]
        if len(sided) == 1:
            side = _SIDES[words[sided[0]]]
            words[sided[0]] = "*"
            places.setdefault(tuple(words), {}).setdefault(side, index)
    return tuple((pair["left"], pair["right"]) for pair in places.values() if len(pair) == 2)


def checked_pairs(pairs: Any, n_points: int) -> Pairs | None:
    """Return mirror pairs as tuples of int; None if there are none.

    Raises
    ------
    InvalidInputError
        They are no pairs of different points below `n_points`, or a point is in two.
    """
    if pairs is None or (hasattr(pairs, "__len__") and len(pairs) == 0):
        return None
    try:
        found = tuple((operator.index(a), operator.index(b)) for a, b in pairs)
    except (TypeError, ValueError):
        found = ()
    points = [point for pair in found for point in pair]
    if not found or len(set(points)) < len(points) or not set(points) <= set(range(n_points)):
        raise InvalidInputError(
            f"mirror_pairs must be pairs of different points in 0..{n_points - 1}, each in one pair at most, "
            f"such as ((0, 1), (2, 3)). Got {pairs!r}."
        )
    return found


def _spaced(name: str) -> str:
    """Return a name with a side that small letters touch set apart: ``leftear``, ``earleft``."""
    return re.sub(r"(?i)^(left|right)(?=[a-z])|(?<=[a-z])(left|right)$", r"\1\2_", name)

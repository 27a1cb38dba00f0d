"""Find pairs of left and right points by their names."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

from transferkit.errors import InvalidInputError

__all__ = ["Pairs", "checked_pairs", "mirror_pairs_by_name", "without_partner"]

Pairs = tuple[tuple[int, int], ...]

_SIDES = {"l": "left", "lft": "left", "r": "right", "rgt": "right"}
_OTHER = {"left": "right", "right": "left"}
_NO_SIDE = {"leftover", "lefty", "righty", "bright", "upright", "cleft"}
# Words of a name: split at punctuation, between small and capital letters, and before a number.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")


def mirror_pairs_by_name(names: Sequence[str]) -> Pairs:
    """Return the pairs of points that swap when the image is mirrored, found by their names.

    Parameters
    ----------
    names : sequence of str
        Names of the points. Two names are a pair if exchanging ``left`` and ``right``, or ``l`` and ``r``,
        turns one into the other. Upper and lower case and many spellings are recognized: ``left_eye``,
        ``eye_L``, ``LeftEye``, ``l-eye``, ``earLeft``, ``left_eye_right_corner``; and ``lhip`` where there is
        ``rhip``.

    Returns
    -------
    tuple of (int, int)
        Positions of the left and the right point. Empty if no name has a side, or if a name with a side has
        no partner, since a mirror image would then show a point without a name.

    Examples
    --------
    >>> mirror_pairs_by_name(["nose", "left_eye", "right_eye", "EarL", "EarR"])
    ((1, 2), (3, 4))
    >>> mirror_pairs_by_name(["left_eye", "right_eye", "left_paw"])
    ()
    """
    sided = _sided(names)
    if without_partner(names):
        return ()
    return tuple((i, sided[_exchanged(words)]) for words, i in sided.items() if _first_side(words) == "left")


def without_partner(names: Sequence[str]) -> list[str]:
    """Return the names that have a side, but whose counterpart on the other side is missing."""
    sided = _sided(names)
    return [names[i] for words, i in sided.items() if _exchanged(words) not in sided]


def _sided(names: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Return the position of each name that has a side, by its words; the first one if several are equal."""
    found: dict[tuple[str, ...], int] = {}
    split = [
        tuple(_SIDES.get(word.lower(), word.lower()) for word in _WORDS.findall(_spaced(name)))
        for name in names
    ]
    others = {name.lower() for name, words in zip(names, split, strict=True) if not _first_side(words)}
    for index, (name, words) in enumerate(zip(names, split, strict=True)):
        words = words if _first_side(words) else _by_letter(name.lower(), others)
        if _first_side(words):
            found.setdefault(words, index)
    return found


def _by_letter(name: str, others: set[str]) -> tuple[str, ...]:
    """Return the side and the rest of ``lhip`` if there is ``rhip``, or of ``hipl`` if there is ``hipr``."""
    first, last = _SIDES.get(name[:1]), _SIDES.get(name[-1:])
    if first and len(name) > 1 and _OTHER[first][0] + name[1:] in others:
        return first, name[1:]
    if last and len(name) > 1 and name[:-1] + _OTHER[last][0] in others:
        return name[:-1], last
    return ()


def _first_side(words: tuple[str, ...]) -> str | None:
    return next((word for word in words if word in _OTHER), None)


def _exchanged(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_OTHER.get(word, word) for word in words)


def checked_pairs(pairs: Any, n_points: int) -> Pairs | None:
    """Return mirror pairs as tuples of int; None if there are none.

    Raises
    ------
    InvalidInputError
        They are not pairs of different points below `n_points`, or a point is in two pairs.
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
    """Return a name with an underscore between its side and other letters: ``left_ear`` for ``leftear``."""
    if name.lower() in _NO_SIDE:
        return name
    return re.sub(r"(?i)^(left|right)(?=[a-z])|(?<=[a-z])(left|right)$", r"\1\2_", name)

"""Guess from file names which images belong together: ``Abdullah_Gul_03.jpg`` is one of a series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

_PART = re.compile(r"[^\W\d_]+|\d+")  # words and numbers
_WORDS = {"frame", "image", "img", "copy", "crop", "view", "photo", "no", "nr"}  # before a number
_LARGEST = 0.25  # share of the images in one series; above it, it is rather a class or a camera


class Series(NamedTuple):
    """A guess of which images belong together.

    Attributes
    ----------
    names : list of str
        The series of each image; an image in no series has one of its own.
    by : str
        What the guess is based on: "names" or "folders".
    n_series : int
        Number of series with two images or more.
    share : float
        Share of the images in one of these.
    """

    names: list[str]
    by: str
    n_series: int
    share: float


def guess_series(paths: Sequence[str | None], labels: Sequence[object]) -> list[Series]:
    """Return guesses from names and folders, those that group most images first; maybe none."""
    ways = {
        "names": [_stem(path, most=10) for path in paths],
        "last numbers": [_stem(path, most=1) for path in paths],
        "folders": [_folder(path) for path in paths],
    }
    guesses: list[Series] = []
    for by, keys in ways.items():
        guess = _series(keys, labels, "folders" if by == "folders" else "names")
        if guess is not None and all(guess.names != other.names for other in guesses):
            guesses.append(guess)
    return sorted(guesses, key=lambda one: -one.share)


def _stem(path: str | None, most: int) -> str | None:
    """Return the name without up to ``most`` trailing numbers; None if it has none, or nothing else."""
    if path is None:
        return None
    stem = PurePath(path.replace("\\", "/")).stem.casefold()
    parts = list(_PART.finditer(stem))
    left = len(parts)
    for _ in range(most):
        if not left or not parts[left - 1].group().isdecimal():
            break
        left -= 1
        if left and parts[left - 1].group() in _WORDS:
            left -= 1
    return stem[: parts[left - 1].end()] if 0 < left < len(parts) else None


def _folder(path: str | None) -> str | None:
    return None if path is None else str(PurePath(path.replace("\\", "/")).parent)


def _series(keys: Sequence[str | None], labels: Sequence[object], by: str) -> Series | None:
    counts = Counter(key for key in keys if key is not None)
    n = len(keys)
    known = {label for label in labels if label is not None}
    # A class is not a series: most of its images would share a name or a folder.
    largest = max(2, _LARGEST * n / max(1, len(known)))
    kept = {key for key, count in counts.items() if 2 <= count <= largest}
    if sum(count for key, count in counts.items() if count > largest) > n / 2 or not kept:
        return None
    names = [key if key in kept and key is not None else f"#{row}" for row, key in enumerate(keys)]
    return Series(names, by, len(kept), sum(counts[key] for key in kept) / n)

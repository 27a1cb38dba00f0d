"""Draw labels of any length and script.

Text uses the configured fonts, with other installed fonts as fallback for missing characters. Characters that
no font has are written as Python escapes (``\\u4e2d``), because matplotlib would draw a box and warn.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from transferkit.errors import MissingDependencyError

LABEL_LENGTH = 24
_ELLIPSIS = "…"
# Not for text: placeholder boxes for all characters, and fonts of mathematical symbols.
_NOT_FOR_TEXT = ("Last Resort", "STIX", "cm")


def as_text(value: Any, limit: int = LABEL_LENGTH) -> str:
    """Return a label on one line, shortened in the middle, without mathtext or missing characters."""
    return _escaped(shorten(_one_line(value), limit))


def _one_line(value: Any) -> str:
    text = " ".join(str(value).split())
    return "".join(c if _family(c) is not None else ascii(c)[1:-1] for c in text)


def _escaped(text: str) -> str:
    return text.replace("$", r"\$")


def as_texts(values: Iterable[Any], limit: int = LABEL_LENGTH) -> list[str]:
    """Return a label for each value, such that labels of different values differ.

    If shortened labels would be the same, the parts that differ are kept; if these are too long, labels are
    numbered.
    """
    values = [str(value) for value in values]
    lines = {value: _one_line(value) for value in values}
    texts = {value: shorten(line, limit) for value, line in lines.items()}
    for group in _same(texts):
        texts.update(zip(group, _around_difference([lines[value] for value in group], limit), strict=True))
    for group in _same(texts):
        texts.update({value: f"{texts[value]} ({number})" for number, value in enumerate(group, 1)})
    return [_escaped(texts[value]) for value in values]


def _same(texts: dict[str, str]) -> list[list[str]]:
    """Return the groups of several values that have the same text."""
    groups: dict[str, list[str]] = {}
    for value, text in texts.items():
        groups.setdefault(text, []).append(value)
    return [group for group in groups.values() if len(group) > 1]


def _around_difference(lines: list[str], limit: int) -> list[str]:
    """Shorten long lines around the part where they differ; in the middle if that is too long."""
    start = _n_common(lines)
    end = _n_common([line[start:][::-1] for line in lines])
    beside = (limit - 2 - max(len(line) for line in lines) + start + end) // 2
    if beside < 1:
        return [shorten(line, limit) for line in lines]
    return [
        (line[:start] if start <= beside else line[:beside] + _ELLIPSIS)
        + line[start : len(line) - end]
        + (line[len(line) - end :] if end <= beside else _ELLIPSIS + line[len(line) - beside :])
        for line in lines
    ]


def _n_common(lines: list[str]) -> int:
    """Return the length of the common prefix of all lines."""
    return sum(1 for _ in takewhile(lambda characters: len(set(characters)) == 1, zip(*lines, strict=False)))


def as_name(name: Any, limit: int = LABEL_LENGTH) -> str:
    """Return the file name of a path as a label."""
    return as_text(Path(str(name)).name or name, limit)


def caption_of(image: Any, otherwise: str = "") -> str:
    """Return the file name of an image as a label, or ``otherwise`` if the image is not a file."""
    return as_name(image) if isinstance(image, str | os.PathLike) else otherwise


def shorten(text: str, limit: int) -> str:
    """Shorten a long text in the middle, because file names often differ at the start or end.

    Examples
    --------
    >>> shorten("a_very_long_file_name_0042.jpg", 17)
    'a_very_l…0042.jpg'
    """
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    limit = max(3, limit * len(text) // max(1, len(text) + wide))  # these have double width
    if len(text) <= limit:
        return text
    kept = limit - 1
    return text[: (kept + 1) // 2] + _ELLIPSIS + text[len(text) - kept // 2 :]


def use_fonts(axes: Iterable[Any]) -> None:
    """Add fallback fonts for the characters of all texts on these Axes."""
    from matplotlib.text import Text

    for ax in axes:
        ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]  # this call updates them
        found = {_family(c) for text in [*ax.findobj(Text), *ticks] for c in text.get_text()}
        if families := sorted(family for family in found if family):
            for text in ax.findobj(Text):
                text.set_fontfamily([*text.get_fontfamily(), *families])


@lru_cache(maxsize=8192)
def _family(character: str) -> str | None:
    """Return the font family of a character: ``""`` for the font in use, None if no font has it."""
    if " " <= character <= "~":
        return ""
    if unicodedata.category(character) in ("Cc", "Cs"):  # control characters and undecodable bytes
        return None
    try:
        from matplotlib import font_manager
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "plots", "transferkit.plots") from error

    code = ord(character)
    if code in _characters(font_manager.findfont(font_manager.FontProperties())):
        return ""
    plain = [
        font
        for font in font_manager.fontManager.ttflist
        if font.style == "normal" and not font.name.startswith(_NOT_FOR_TEXT)
    ]
    for font in sorted(plain, key=lambda font: (not font.name.startswith("Noto Sans"), font.name)):
        if code in _characters(font.fname):
            return str(font.name)
    return None


@lru_cache(maxsize=1024)
def _characters(path: str) -> frozenset[int]:
    """Return the characters of a font file; none if it cannot be used."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()

"""Labels as they come: of any length, in any script, with signs that matplotlib takes for mathematics.

A text is drawn in the fonts that the settings name. For characters that those lack, an installed font that
has them is added behind; where none has them, they are written as Python's escapes (``\\u4e2d``), since
matplotlib would draw a box and warn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

LABEL_LENGTH = 24
_ELLIPSIS = "…"
# Not for running text: boxes for every character there is, and fonts of mathematical signs.
_NOT_FOR_TEXT = ("Last Resort", "STIX", "cm")


def as_text(value: Any, limit: int = LABEL_LENGTH) -> str:
    """Return a label on one line that can be drawn: shortened in the middle, no mathematics."""
    text = " ".join(str(value).split())
    text = "".join(c if _family(c) is not None else ascii(c)[1:-1] for c in text)
    return shorten(text, limit).replace("$", r"\$")


def as_name(name: Any, limit: int = LABEL_LENGTH) -> str:
    """Return the last part of a path as a label."""
    return as_text(Path(str(name)).name or name, limit)


def shorten(text: str, limit: int) -> str:
    """Leave out the middle of a long text: beginnings and endings tell file names apart.

    Examples
    --------
    >>> shorten("a_very_long_file_name_0042.jpg", 17)
    'a_very_l…0042.jpg'
    """
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    limit = max(3, limit * len(text) // max(1, len(text) + wide))  # these take the room of two
    if len(text) <= limit:
        return text
    kept = limit - 1
    return text[: (kept + 1) // 2] + _ELLIPSIS + text[len(text) - kept // 2 :]


def use_fonts(axes: Iterable[Any]) -> None:
    """Let every text on these Axes fall back on fonts that have its characters."""
    from matplotlib.text import Text

    for ax in axes:
        ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]  # brought up to date by asking
        found = {_family(c) for text in [*ax.findobj(Text), *ticks] for c in text.get_text()}
        if families := sorted(family for family in found if family):
            for text in ax.findobj(Text):
                text.set_fontfamily([*text.get_fontfamily(), *families])


@lru_cache(maxsize=8192)
def _family(character: str) -> str | None:
    """Return the installed family that has a character: ``""`` is the one in use, None is none."""
    if " " <= character <= "~":
        return ""
    if unicodedata.category(character) in ("Cc", "Cs"):  # control characters, and bytes that are no text
        return None
    from matplotlib import font_manager

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
    """Return the characters of a font file; none of one that cannot be drawn with."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()

"""Draw labels of any length and script.

Text uses the configured fonts, with other installed fonts as fallback for missing characters. Characters that
no font has are written as Python escapes (``\\u4e2d``), because matplotlib would draw a box and warn.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from transferkit.errors import MissingDependencyError

LABEL_LENGTH = 24
_ELLIPSIS = "…"
# Not for text: placeholder boxes for all characters, and fonts of mathematical symbols.
_NOT_FOR_TEXT = ("Last Resort", "STIX", "cm")


def as_text(value: Any, limit: int = LABEL_LENGTH) -> str:
    """Return a label on one line, shortened in the middle, without mathtext or missing characters."""
    text = " ".join(str(value).split())
    text = "".join(c if _family(c) is not None else ascii(c)[1:-1] for c in text)
    return shorten(text, limit).replace("$", r"\$")


def as_name(name: Any, limit: int = LABEL_LENGTH) -> str:
    """Return the file name of a path as a label."""
    return as_text(Path(str(name)).name or name, limit)


def caption_of(image: Any, otherwise: str = "") -> str:
    """Return the file name of an image as a label, or something else for what is no file."""
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
        ticks = [*ax.get_xticklabels(), *ax.get_yticklabels()]  # asking updates them
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

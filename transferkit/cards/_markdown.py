"""Cards in Markdown; text from outside is escaped, so that it cannot contain markup."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.foundation.tables import Table

# A comment, which is not displayed. It distinguishes unedited cards from those that somebody has edited.
_MARK = "\n<!-- Written by transferkit, SHA-256 of the text above: "
_MARKS = re.compile(r"([\\`*_\[\]|~#$])")


def markdown(card: Any) -> str:
    """Return a whole card."""
    parts = [f"# {escaped(card.title)}"]
    for section in card.sections:
        parts.append(f"## {escaped(section.title)}")
        lines = [
            f"- **{escaped(name)}:** {escaped(text)}" if name else f"- {escaped(text)}"
            for name, text in section.facts
        ]
        parts += ["\n".join(lines)] if lines else []
        parts += [_table(table) for table in section.tables]
    text = "\n\n".join(parts) + "\n"
    return f"{text}{_MARK}{_digest(text)} -->\n"


def check_unchanged(path: str | os.PathLike[str]) -> None:
    """Raise if there is a file that is not an unedited card, since replacing it would lose the edits.

    Raises
    ------
    InvalidInputError
    """
    path = Path(path)
    content = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
    text, mark, digest = content.replace("\r\n", "\n").rpartition(_MARK)
    if (text or digest).strip() and not (mark and digest == f"{_digest(text)} -->\n"):
        raise InvalidInputError(
            f"{path} would be replaced, and is not as this version writes cards: somebody has added text, or "
            "an earlier version wrote it. Move or delete it, or write this card to another place."
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def escaped(text: str) -> str:
    """Return a text on one line, without markup and without HTML."""
    line = " ".join(str(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", line)


def _table(table: Table) -> str:
    lines = [f"**{escaped(line)}**" for line in table.title.splitlines() if line.strip()]
    if lines:
        lines = ["\n\n".join(lines), ""]
    sides = [":--" if column in table.left else "--:" for column in range(len(table.header))]
    if table.rows:
        lines += [_row(table.header), _row(sides, plain=True), *map(_row, table.rows)]
    notes = "".join(f"\n\n{escaped(note)}" for note in table.notes)
    return "\n".join(lines) + notes


def _row(cells: Sequence[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cell if plain else escaped(cell) or ' ' for cell in cells)} |"

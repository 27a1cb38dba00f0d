"""Cards in Markdown; text that is not ours is escaped, and begins no markup of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from transferkit.foundation.tables import Table

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
    return "\n\n".join(parts) + "\n"


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

"""Small tables as aligned text, or as HTML for notebooks."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table", "render_html", "render_text"]


@dataclass(frozen=True)
class Table:
    """A table with an optional title and notes.

    Parameters
    ----------
    header : sequence of str
        One entry per column.
    rows : sequence of sequence of str
        The cells of each row.
    title : str, default=""
        Text above the table; may have several lines.
    notes : sequence of str, default=()
        Lines below the table.
    left : sequence of int, default=(0,)
        Indices of left-aligned columns; all others are right-aligned.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    notes: Sequence[str] = ()
    left: Sequence[int] = (0,)


def render_text(*tables: Table) -> str:
    """Return the tables as text, separated by empty lines."""
    return "\n\n".join(_text(table) for table in tables)


def render_html(*tables: Table) -> str:
    """Return the tables as HTML; all text is escaped."""
    return "\n".join(_html(table) for table in tables)


def _text(table: Table) -> str:
    cells = [list(table.header), *(list(row) for row in table.rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(table.header))]
    lines = []
    for row in cells:
        padded = [
            cell + " " * (width - _width(cell))
            if column in table.left
            else " " * (width - _width(cell)) + cell
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    title = table.title.splitlines()
    return "\n".join([*title, *lines, *table.notes])


def _html(table: Table) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        sides = ["left" if column in table.left else "right" for column in range(len(cells))]
        parts = [
            f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        ]
        return f"<tr>{''.join(parts)}</tr>"

    caption = html.escape(table.title).replace("\n", "<br>")
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in table.notes)
    return (
        '<div><table><caption style="caption-side:top;text-align:left;white-space:nowrap">'
        f"{caption}</caption><thead>{line(table.header, 'th')}</thead>"
        f"<tbody>{''.join(line(row, 'td') for row in table.rows)}</tbody></table>{notes}</div>"
    )


def _width(text: str) -> int:
    """Return the terminal width of a text: wide East Asian characters take 2 columns, combining marks 0."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )

"""A model card: sections of facts, as Markdown, HTML or text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.foundation.files import write_text
from transferkit.foundation.tables import Table, render_text


@dataclass(frozen=True)
class Section:
    """A section of a card.

    Attributes
    ----------
    title : str
    facts : tuple of (str, str)
        Name and value of each fact; the name is empty if the value is a complete sentence.
    tables : tuple of Table
    """

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class ModelCard:
    """Model card of a fitted model; print it, or write it to a file beside the model.

    Attributes
    ----------
    title : str
    sections : tuple of Section
        Sections of facts and tables.
    """

    title: str
    sections: tuple[Section, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON data.

        Returns
        -------
        dict
            For each title of a section: ``facts`` by name, ``notes`` (sentences), and ``tables`` as lists of
            rows.
        """
        return {
            section.title: {
                "facts": {name: text for name, text in section.facts if name},
                "notes": [text for name, text in section.facts if not name],
                "tables": [_rows(table) for table in section.tables],
            }
            for section in self.sections
        }

    def to_markdown(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the card in Markdown, for GitHub and Hugging Face, and write it to a file if one is given.

        Parameters
        ----------
        path : path, optional
            File to write. An existing file is replaced, unless somebody has edited it.

        Returns
        -------
        str
            The last line is a comment with a digest, by which edited cards are recognized.

        Raises
        ------
        InvalidInputError
            The existing file is not an unedited card.
        OSError
            The file cannot be written.
        """
        from transferkit.cards._markdown import check_unchanged, markdown

        text = markdown(self)
        if path is not None:
            check_unchanged(path)
            write_text(path, text, errors="replace")
        return text

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the card as a self-contained HTML page, and write it to a file if one is given.

        Parameters
        ----------
        path : path, optional
            File to write; replaced if it exists.

        Returns
        -------
        str
            The HTML page.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        from transferkit.cards._page import card_html, whole_page

        page = whole_page(self.title, card_html(self))
        if path is not None:
            write_text(path, page, errors="replace")
        return page

    def __str__(self) -> str:
        """Return the card as text."""
        parts = [self.title]
        for section in self.sections:
            lines = [section.title.upper(), *(f"  {name}: {text}" if name else f"  {text}"
                                               for name, text in section.facts)]  # fmt: skip
            parts.append("\n".join(lines))
            parts += [render_text(table) for table in section.tables]
        return "\n\n".join(parts)

    def _repr_markdown_(self) -> str:
        """Return Markdown for a notebook."""
        return self.to_markdown()


def _rows(table: Table) -> list[list[str]]:
    rows: Sequence[Sequence[str]] = [table.header, *table.rows]
    return [list(row) for row in rows]

"""The tables of a feature space, and all SQL that is spoken to them.

Rows refer to views and parts by number. A number is never given twice, and the checksum of a row
covers the names, so that a row can never be read under another name than it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection
from typing import Any, NamedTuple, TypeVar

from transferkit.cache._rows import checksum

# `rows` has row ids and an index beside it: a search in a table WITHOUT ROWID would have to step
# over the activations, which are larger than pages.
SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE views (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, shape TEXT NOT NULL, crc INTEGER NOT NULL
);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL, view INTEGER NOT NULL, part INTEGER NOT NULL,
    dtype TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX rows_by_key ON rows (digest, view, part)
"""
KEYS_PER_QUERY = 400  # SQLite before 3.32 takes 999 parameters
Item = TypeVar("Item")


class Part(NamedTuple):
    """The number of a part and the shape of its activations."""

    number: int
    shape: tuple[int, ...]


def known_parts(db: Connection) -> dict[str, Part]:
    """Return the parts whose record is sound."""
    return {
        name: Part(number, tuple(json.loads(shape)))
        for number, name, shape, crc in db.execute("SELECT id, name, shape, crc FROM parts")
        if text_checksum(name, shape) == crc
    }


def add_part(db: Connection, name: str, shape: tuple[int, ...]) -> Part:
    """Add a part; a damaged record of it goes, and rows under its old number are never read again."""
    text = json.dumps(shape)
    db.execute("DELETE FROM parts WHERE name = ?", (name,))
    cursor = db.execute(
        "INSERT INTO parts (name, shape, crc) VALUES (?, ?, ?)", (name, text, text_checksum(name, text))
    )
    return Part(int(cursor.lastrowid or 0), shape)


def view_numbers(db: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of views, adding those that are new."""
    known = {name: number for number, name in db.execute("SELECT id, name FROM views")}
    for name in names:
        if name not in known:
            known[name] = int(db.execute("INSERT INTO views (name) VALUES (?)", (name,)).lastrowid or 0)
    return known


def digests_with(db: Connection, digests: Sequence[bytes], view: str, parts: list[str]) -> list[bytes]:
    """Return the digests that have all the parts; the index alone answers this."""
    query = (
        f"SELECT digest FROM rows WHERE digest IN ({marks(digests)}) "
        "AND view = (SELECT id FROM views WHERE name = ?) "
        f"AND part IN (SELECT id FROM parts WHERE name IN ({marks(parts)})) "
        "GROUP BY digest HAVING COUNT(*) = ?"
    )
    return [digest for (digest,) in db.execute(query, (*digests, view, *parts, len(parts)))]


def rows_of(db: Connection, digests: Sequence[bytes], view: str, parts: Sequence[int]) -> Iterator[tuple]:
    """Return number, digest, part, dtype, checksum and data of rows."""
    query = (
        f"SELECT id, digest, part, dtype, crc, data FROM rows WHERE digest IN ({marks(digests)}) "
        f"AND view = (SELECT id FROM views WHERE name = ?) AND part IN ({marks(parts)})"
    )
    return db.execute(query, (*digests, view, *parts))


def replace_rows(db: Connection, rows: Iterable[tuple[bytes, int, int, str, int, bytes]]) -> None:
    """Store digest, view, part, dtype, checksum and data of rows."""
    db.executemany(
        "INSERT OR REPLACE INTO rows (digest, view, part, dtype, crc, data) VALUES (?, ?, ?, ?, ?, ?)", rows
    )


def delete_rows(db: Connection, rows: Iterable[tuple[int, object]]) -> None:
    """Delete rows by number and checksum, as the number may be that of a newer row by now."""
    db.executemany("DELETE FROM rows WHERE id = ? AND crc IS ?", rows)


def set_fact(db: Connection, name: str, text: str) -> None:
    """Store a fact."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (name, text, text_checksum(name, text)))


def get_fact(db: Connection, name: str) -> Any:
    """Return a fact, None if it is not there or damaged."""
    for text, crc in db.execute("SELECT value, crc FROM facts WHERE name = ?", (name,)):
        if text_checksum(name, text) == crc:
            return json.loads(text)
    return None


def text_checksum(name: str, text: str) -> int:
    """Return the CRC32 of a named text."""
    return checksum(0, repr(name).encode(), repr(text).encode())


def chunked(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Return slices that fit into one query."""
    return (items[start : start + KEYS_PER_QUERY] for start in range(0, len(items), KEYS_PER_QUERY))


def marks(values: Sequence[object]) -> str:
    """Return a question mark for each value."""
    return ", ".join("?" * len(values))

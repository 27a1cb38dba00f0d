"""The tables of a feature space and the SQL for them.

Rows refer to views and parts by number. Numbers are never reused and the checksum of a row covers the
names, so a row is never read under a name other than the one it was written under.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sqlite3 import Connection
from typing import Any, NamedTuple, TypeVar

from transferkit.cache._rows import checksum

# Names have no index: there are few enough to scan, and a damaged index could give the reader another
# number than the writer.
# `rows` has row ids and a separate index: a search in a table WITHOUT ROWID would have to step over the
# activations, which are larger than pages.
SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE views (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, shape TEXT NOT NULL, crc INTEGER NOT NULL
);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL, view INTEGER NOT NULL, part INTEGER NOT NULL,
    dtype TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX rows_by_key ON rows (digest, view, part)
"""
KEYS_PER_QUERY = 400  # SQLite before 3.32 allows 999 parameters
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
    """Add a new part; rows with the number of a damaged record are never read again."""
    text = json.dumps(shape)
    query = "INSERT INTO parts (name, shape, crc) VALUES (?, ?, ?)"
    return Part(_inserted(db, query, name, text, text_checksum(name, text)), shape)


def known_views(db: Connection) -> dict[str, int]:
    """Return the numbers of the views whose record is sound."""
    records = db.execute("SELECT id, name, crc FROM views")
    return {name: number for number, name, crc in records if text_checksum(name, "") == crc}


def add_view(db: Connection, name: str) -> int:
    """Add a new view."""
    return _inserted(db, "INSERT INTO views (name, crc) VALUES (?, ?)", name, text_checksum(name, ""))


def digests_with(db: Connection, digests: Sequence[bytes], view: str, parts: list[str]) -> list[bytes]:
    """Return the digests that have all the parts; reads only the index."""
    views, known = known_views(db), known_parts(db)
    if view not in views or not known.keys() >= set(parts):
        return []
    query = (
        f"SELECT digest FROM rows WHERE digest IN ({marks(digests)}) AND view = ? "
        f"AND part IN ({marks(parts)}) GROUP BY digest HAVING COUNT(*) = ?"
    )
    numbers = [known[part].number for part in parts]
    return [digest for (digest,) in db.execute(query, (*digests, views[view], *numbers, len(parts)))]


def rows_of(db: Connection, digests: Sequence[bytes], view: int, parts: Sequence[int]) -> Iterator[tuple]:
    """Return id, digest, part, dtype, checksum and data of rows."""
    query = (
        f"SELECT id, digest, part, dtype, crc, data FROM rows WHERE digest IN ({marks(digests)}) "
        f"AND view = ? AND part IN ({marks(parts)})"
    )
    return db.execute(query, (*digests, view, *parts))


def replace_rows(db: Connection, rows: Iterable[tuple[bytes, int, int, str, int, bytes]]) -> None:
    """Store digest, view, part, dtype, checksum and data of rows."""
    db.executemany(
        "INSERT OR REPLACE INTO rows (digest, view, part, dtype, crc, data) VALUES (?, ?, ?, ?, ?, ?)", rows
    )


def delete_rows(db: Connection, rows: Iterable[tuple[int, object]]) -> None:
    """Delete rows by id and checksum, since the id may belong to a newer row by now."""
    db.executemany("DELETE FROM rows WHERE id = ? AND crc IS ?", rows)


def set_facts(db: Connection, facts: Mapping[str, str]) -> None:
    """Store facts, given as JSON by name."""
    records = [(name, text, text_checksum(name, text)) for name, text in facts.items()]
    db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", records)


def find_facts(db: Connection, prefix: str, limit: int | None = None) -> dict[str, Any]:
    """Return the facts whose names start with a non-empty ASCII prefix, without the damaged ones."""
    query = "SELECT name, value, crc FROM facts WHERE name >= ? AND name < ? LIMIT ?"
    after = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return {
        name: json.loads(text)
        for name, text, crc in db.execute(query, (prefix, after, -1 if limit is None else limit))
        if text_checksum(name, text) == crc and str(name).startswith(prefix)
    }


def _inserted(db: Connection, query: str, *values: object) -> int:
    return int(db.execute(query, values).lastrowid or 0)


def text_checksum(name: str, text: str) -> int:
    """Return the CRC32 of a named text."""
    return checksum(0, repr(name).encode(), repr(text).encode())


def chunked(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Return slices that fit in one query."""
    return (items[start : start + KEYS_PER_QUERY] for start in range(0, len(items), KEYS_PER_QUERY))


def marks(values: Sequence[object]) -> str:
    """Return one SQL placeholder for each value."""
    return ", ".join("?" * len(values))

"""What is in the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from transferkit.cache._database import Database
from transferkit.cache._disk import last_used, own_files, size_of
from transferkit.cache._recipes import space_key
from transferkit.cache._tables import SCHEMA, known_parts
from transferkit.errors import CacheError


@dataclass(frozen=True)
class SpaceInfo:
    """One feature space.

    Attributes
    ----------
    key : str
        64 hex digits.
    recipe : dict
        What the features were computed with; empty if the file cannot be read.
    rows : int
        Stored activations.
    bytes : int
        Size on disk.
    parts : tuple of str
    last_used : datetime
        UTC.
    problem : str
        Why the file cannot be read, or an empty string.
    """

    key: str
    recipe: dict[str, Any]
    rows: int
    bytes: int
    parts: tuple[str, ...]
    last_used: datetime
    problem: str = ""


@dataclass(frozen=True)
class CacheInfo:
    """All of a cache; printed, it is a table.

    Attributes
    ----------
    folder : Path
    n_spaces, n_rows, n_bytes : int
        ``n_bytes`` counts the file index and files set aside as damaged, too.
    spaces : list of SpaceInfo
        The most recently used first.
    """

    folder: Path
    n_bytes: int
    spaces: list[SpaceInfo] = field(default_factory=list)

    @property
    def n_spaces(self) -> int:
        """Number of feature spaces."""
        return len(self.spaces)

    @property
    def n_rows(self) -> int:
        """Number of stored activations."""
        return sum(space.rows for space in self.spaces)

    def __str__(self) -> str:
        head = (
            f"{self.folder}: {self.n_spaces} feature spaces, {self.n_rows:,} rows, {megabytes(self.n_bytes)}"
        )
        lines = [
            f"  {space.key[:12]}  {space.rows:>9,} rows  {megabytes(space.bytes):>12}  "
            f"{space.last_used:%Y-%m-%d %H:%M}  {space.problem or describe(space)}"
            for space in self.spaces
        ]
        return "\n".join([head, *lines])


def describe(space: SpaceInfo) -> str:
    """Return a recipe and its parts on one line."""
    recipe = ", ".join(f"{name}={short(value)}" for name, value in space.recipe.items())
    return f"{recipe}; parts: {', '.join(space.parts)}"


def short(value: Any) -> str:
    """Return a value for a table; digests are cut."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def megabytes(n_bytes: int) -> str:
    """Return a size for people."""
    return f"{n_bytes / 1e6:,.1f} MB"


def inspect_folder(folder: Path) -> CacheInfo:
    """Read what is in a cache folder. The time of last use is left alone."""
    files = list(own_files(folder))
    spaces = [inspect_space(path, key) for path, key, damaged in files if not damaged and key != "files"]
    spaces.sort(key=lambda space: space.last_used, reverse=True)
    return CacheInfo(folder, sum(size_of(path) for path, *_ in files), spaces)


def inspect_space(path: Path, key: str) -> SpaceInfo:
    """Read what is in one file."""
    size, used = size_of(path), datetime.fromtimestamp(last_used(path), tz=timezone.utc)
    database = Database(path, SCHEMA, None)
    try:
        identity, rows, parts = database.read(_contents) or ("", 0, ())
    except CacheError as error:
        return SpaceInfo(key, {}, 0, size, (), used, str(error))
    finally:
        database.close()
    if space_key(identity) != key:
        return SpaceInfo(key, {}, 0, size, (), used, "damaged")
    return SpaceInfo(key, json.loads(identity)["recipe"], rows, size, parts, used)


def _contents(db: Connection) -> tuple[str, int, tuple[str, ...]]:
    (identity,) = db.execute("SELECT identity FROM about").fetchone()
    (rows,) = db.execute("SELECT COUNT(*) FROM rows").fetchone()
    return identity, rows, tuple(known_parts(db))

"""The contents of a cache, as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from transferkit.cache._database import Database
from transferkit.cache._disk import graph_files, last_used, own_files, size_of
from transferkit.cache._recipes import is_outdated, space_key
from transferkit.cache._tables import SCHEMA, known_parts
from transferkit.errors import CacheError


@dataclass(frozen=True)
class SpaceInfo:
    """One feature space.

    Attributes
    ----------
    key : str
        Key of the space, 64 hex digits.
    recipe : dict
        Settings that the features were computed with; empty if the file cannot be read.
    rows : int
        Number of stored activations.
    bytes : int
        Size on disk in bytes.
    parts : tuple of str
        Layers at their grids.
    last_used : datetime
        Time of last use, in UTC.
    problem : str
        Why the file cannot be read; empty if it can.
    outdated : bool
        Whether an earlier version wrote it with a recipe that this version can no longer use.
    """

    key: str
    recipe: dict[str, Any]
    rows: int
    bytes: int
    parts: tuple[str, ...]
    last_used: datetime
    problem: str = ""
    outdated: bool = False


@dataclass(frozen=True)
class CacheInfo:
    """The contents of a cache; the string form is a table.

    Attributes
    ----------
    folder : Path
    n_spaces, n_rows, n_bytes : int
        Numbers of spaces, rows and bytes; ``n_bytes`` includes the file index, graphs, and damaged files that
        were set aside.
    n_graphs, graph_bytes : int
        Number and size of converted networks, which new processes can run without TensorFlow.
    spaces : list of SpaceInfo
        Most recently used first.
    """

    folder: Path
    n_bytes: int
    spaces: list[SpaceInfo] = field(default_factory=list)
    n_graphs: int = 0
    graph_bytes: int = 0

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
        if self.n_graphs:
            networks = "networks" if self.n_graphs > 1 else "network"
            lines.append(f"  {self.n_graphs} converted {networks}, {megabytes(self.graph_bytes)}")
        if outdated := [space for space in self.spaces if space.outdated]:
            lines.append(
                f"{len(outdated)} feature space(s) ({megabytes(sum(space.bytes for space in outdated))}) "
                "were left by an earlier version and are never used; FeatureCache.clear(key) frees them."
            )
        return "\n".join([head, *lines])


def describe(space: SpaceInfo) -> str:
    """Return a recipe and its parts on one line."""
    recipe = ", ".join(f"{name}={short(value)}" for name, value in space.recipe.items())
    return f"{'(outdated) ' if space.outdated else ''}{recipe}; parts: {', '.join(space.parts)}"


def short(value: Any) -> str:
    """Return a value for a table; long ones, such as digests, are shortened."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def megabytes(n_bytes: int) -> str:
    """Return a size as text in MB."""
    return f"{n_bytes / 1e6:,.1f} MB"


def inspect_folder(folder: Path) -> CacheInfo:
    """Return the contents of a cache folder without changing times of last use."""
    files = list(own_files(folder))
    spaces = [inspect_space(path, key) for path, key, damaged in files if not damaged and key != "files"]
    spaces.sort(key=lambda space: space.last_used, reverse=True)
    graphs = [size_of(path) for path in graph_files(folder)]
    n_bytes = sum(size_of(path) for path, *_ in files) + sum(graphs)
    return CacheInfo(folder, n_bytes, spaces, len(graphs), sum(graphs))


def inspect_space(path: Path, key: str) -> SpaceInfo:
    """Return the contents of one feature space."""
    size, used = size_of(path), datetime.fromtimestamp(last_used(path), tz=UTC)
    database = Database(path, SCHEMA, None)
    try:
        identity, rows, parts = database.read(_contents) or ("", 0, ())
    except CacheError as error:
        return SpaceInfo(key, {}, 0, size, (), used, str(error))
    finally:
        database.close()
    if space_key(identity) != key:
        return SpaceInfo(key, {}, 0, size, (), used, "damaged")
    about = json.loads(identity)
    return SpaceInfo(key, about["recipe"], rows, size, parts, used, outdated=is_outdated(about))


def _contents(db: Connection) -> tuple[str, int, tuple[str, ...]]:
    (identity,) = db.execute("SELECT identity FROM about").fetchone()
    (rows,) = db.execute("SELECT COUNT(*) FROM rows").fetchone()
    return identity, rows, tuple(known_parts(db))

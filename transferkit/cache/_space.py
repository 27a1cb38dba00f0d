"""A feature space: one file with the activations of images under one way of computing them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.cache._database import SCHEMA_VERSION, Database
from transferkit.cache._folder import logger
from transferkit.cache._rows import RowKey, checksum, checksum_seed, decode, digest_bytes, encode
from transferkit.errors import InvalidInputError

# A rowid table with an index beside it: rows are far larger than pages, and would make a search
# in a WITHOUT ROWID table walk over them.
SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE views (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE parts (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, shape TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL, view INTEGER NOT NULL, part INTEGER NOT NULL,
    dtype TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX rows_by_key ON rows (digest, view, part)
"""
KEYS_PER_QUERY = 400  # SQLite before 3.32 takes 999 parameters
TOUCH_SECONDS = 60
Item = TypeVar("Item")


class FeatureSpace:
    """Activations of images under one recipe. Made by `FeatureCache.space`.

    It may be used by several threads, by several processes at once and after a fork, and used again
    after `close`. The file is created by the first write.

    Parameters
    ----------
    path : Path
        The SQLite file; its name is the key of the space.
    identity : str
        Canonical JSON of the recipe, see `space_identity`.
    half : bool
        Store float16 where that is precise enough (see `transferkit.cache._rows`).
    make_room : callable or None
        Called before rows are stored with this space and their number of bytes; False: do not store.

    Attributes
    ----------
    key : str
        SHA-256 of the recipe, 64 hex digits.
    path : Path
    """

    def __init__(
        self,
        path: Path,
        identity: str,
        *,
        half: bool,
        make_room: Callable[[FeatureSpace, int], bool] | None = None,
    ) -> None:
        self.path = path
        self.key = path.stem
        self.database = Database(path, SCHEMA, identity)
        self.wanted: set[bytes] = set()  # images of this run, which `make_room` spares
        self._half = half
        self._make_room = make_room
        self._touched = 0.0

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all the parts. No activation is read.

        Parameters
        ----------
        keys : iterable of RowKey
        parts : sequence of str

        Returns
        -------
        set of RowKey

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits, or ``parts`` is empty or a single string.
        CacheError
            The file cannot be read.
        """
        names = part_names(parts)
        found: set[RowKey] = set()
        for view, group in self._by_view(keys):
            for chunk in chunked(list(group), KEYS_PER_QUERY):
                held = self.database.read(lambda db: _digests_with(db, chunk, view, names), [])  # noqa: B023
                found.update(RowKey(group[digest], view) for digest in held if digest in group)
        return found

    def read(self, keys: Iterable[RowKey], parts: Sequence[str]) -> dict[tuple[RowKey, str], NDArray]:
        """Return the activations that are there.

        Parameters
        ----------
        keys : iterable of RowKey
        parts : sequence of str

        Returns
        -------
        dict of (RowKey, str) to ndarray
            float16 or float32 as stored, in their own shape. What is not there is left out, and so is
            a damaged row, which is reported by one warning of the logger and deleted.

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits, or ``parts`` is empty or a single string.
        CacheError
            The file cannot be read.
        """
        rows: dict[tuple[RowKey, str], NDArray] = {}
        self._visit(keys, parts, lambda key, part, array: rows.__setitem__((key, part), array.copy()))
        return rows

    def read_into(self, keys: Sequence[RowKey], part: str, out: NDArray) -> NDArray[np.bool_]:
        """Fill ``out[i]`` with the activation of ``keys[i]``.

        Parameters
        ----------
        keys : sequence of RowKey
            May repeat.
        part : str
        out : ndarray of shape (len(keys), *shape), float32 or float64
            Rows that are not there keep what they hold.

        Returns
        -------
        ndarray of bool, shape (len(keys),)
            Which rows were there and sound.

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits, or ``out`` has another shape or cannot hold float32.
        CacheError
            The file cannot be read.
        """
        shape = self.part_shape(part)
        expected = (len(keys), *(out.shape[1:] if shape is None else shape))
        if out.shape != expected or not np.can_cast(np.float32, out.dtype):
            raise InvalidInputError(
                f"out must have shape {expected} and dtype float32 or float64 for part {part!r}. "
                f"Got shape {out.shape} and dtype {out.dtype}."
            )
        filled = np.zeros(len(keys), dtype=bool)
        places: dict[RowKey, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(RowKey(*key), []).append(place)

        def fill(key: RowKey, part: str, array: NDArray) -> None:
            for place in places[key]:
                out[place] = array
                filled[place] = True

        self._visit(places, [part], fill)
        return filled

    def write(self, rows: Sequence[tuple[RowKey, str, ArrayLike]]) -> bool:
        """Store activations, all of them or none; those already there are replaced.

        Parameters
        ----------
        rows : sequence of (RowKey, str, array of float)
            Key, part and activation. All activations of one part have one shape.

        Returns
        -------
        bool
            False if nothing was stored because the folder is read-only or ``max_bytes`` is reached;
            the first time, a warning of the logger says so.

        Raises
        ------
        InvalidInputError
            A value is NaN or infinite, a shape differs from that of the part, or a digest is not 64 hex digits.
        CacheError
            The disk is full or fails, or the file belongs to another program or a newer version.
        """
        encoded = [
            (digest_bytes(key), key[1], part, encode(RowKey(*key), part, array, half=self._half))
            for key, part, array in rows
        ]
        shapes: dict[str, tuple[int, ...]] = {}
        for _, _, part, row in encoded:
            check_shape(part, shapes.setdefault(part, row.shape), row.shape)
        if not encoded:
            return True
        if self._make_room is not None:
            self.wanted.update(digest for digest, *_ in encoded)
            if not self._make_room(self, sum(len(row.data) for *_, row in encoded)):
                return False

        def change(db: Connection) -> None:
            views = {view: self._view_id(db, view) for view in {view for _, view, _, _ in encoded}}
            parts = {part: self._part_id(db, part, shape) for part, shape in shapes.items()}
            db.executemany(
                "INSERT OR REPLACE INTO rows (digest, view, part, dtype, crc, data) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        digest,
                        views[view],
                        parts[part],
                        row.dtype,
                        checksum(self._seed(view, part, row), digest, row.data),
                        row.data,
                    )
                    for digest, view, part, row in encoded
                ),
            )

        return self.database.write(change)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's activations, or None if none was ever stored."""
        known = self.database.read(self._parts, {})
        return known[part][1] if part in known else None

    def set_meta(self, name: str, value: Any) -> None:
        """Keep a small fact, such as resolved layer names, as JSON.

        Raises
        ------
        InvalidInputError
            The value is not JSON.
        CacheError
            The file cannot be written.
        """
        text = canonical_json(value, f"The value of {name!r}")
        crc = checksum(0, name.encode(), text.encode())
        self.database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", (name, text, crc))
        )

    def get_meta(self, name: str) -> Any:
        """Return a fact that was kept by `set_meta`, or None."""
        row = self.database.read(
            lambda db: db.execute("SELECT value, crc FROM facts WHERE name = ?", (name,)).fetchone(), None
        )
        if (
            row is None
            or not isinstance(row[0], str)
            or checksum(0, name.encode(), row[0].encode()) != row[1]
        ):
            return None
        return json.loads(row[0])

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        self.database.close()

    def __enter__(self) -> FeatureSpace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FeatureSpace {self.key[:12]} in {str(self.path.parent)!r}>"

    def _visit(
        self, keys: Iterable[RowKey], parts: Sequence[str], take: Callable[[RowKey, str, NDArray], None]
    ) -> None:
        """Call ``take(key, part, array)`` for every sound row; delete and report the damaged ones."""
        names = part_names(parts)
        damaged: list[tuple[int, object]] = []

        def query(db: Connection, view: str, group: dict[bytes, str], chunk: Sequence[bytes]) -> None:
            known = self._parts(db)
            asked = {known[name][0]: (name, known[name][1]) for name in names if name in known}
            seeds: dict[tuple[int, str], int] = {}
            for row_id, digest, part, dtype, crc, data in _rows_of(db, chunk, view, list(asked)):
                if part not in asked or digest not in group:
                    continue  # not what was asked: the index is damaged
                name, shape = asked[part]
                if (part, dtype) not in seeds:
                    seeds[part, dtype] = checksum_seed(self.key, view, name, shape, str(dtype))
                array = decode(seeds[part, dtype], digest, crc, shape, dtype, data)
                if array is None:
                    damaged.append((row_id, crc))
                else:
                    take(RowKey(group[digest], view), name, array)

        for view, group in self._by_view(keys):
            for chunk in chunked(list(group), KEYS_PER_QUERY):
                self.database.read(lambda db: query(db, view, group, chunk), None)  # noqa: B023
        if damaged:
            logger.warning(
                "%d damaged row(s) in %s: they are left out and will be computed again.",
                len(damaged),
                self.path,
            )
            self.database.write(
                lambda db: db.executemany("DELETE FROM rows WHERE id = ? AND crc IS ?", damaged)
            )

    def _by_view(self, keys: Iterable[RowKey]) -> list[tuple[str, dict[bytes, str]]]:
        """Group keys as ``view -> {digest bytes: digest}``, and take note that this space is in use."""
        groups: dict[str, dict[bytes, str]] = {}
        for key in keys:
            groups.setdefault(key[1], {})[digest_bytes(key)] = key[0]
        if self._make_room is not None:
            for group in groups.values():
                self.wanted.update(group)
        self._touch()
        return list(groups.items())

    def _touch(self) -> None:
        """Let the modification time of the file say when the space was last used."""
        if time.monotonic() - self._touched > TOUCH_SECONDS or not self._touched:
            self._touched = time.monotonic()
            try:
                os.utime(self.path)
            except OSError:
                return  # not created yet, or read-only

    def _seed(self, view: str, part: str, row: Any) -> int:
        return checksum_seed(self.key, view, part, row.shape, row.dtype)

    def _parts(self, db: Connection) -> dict[str, tuple[int, tuple[int, ...]]]:
        """Return ``name -> (id, shape)`` of all parts whose record is sound."""
        known = {}
        for number, name, shape, crc in db.execute("SELECT id, name, shape, crc FROM parts"):
            if crc == self._part_crc(number, name, shape):
                known[name] = (number, tuple(json.loads(shape)))
        return known

    def _part_crc(self, number: object, name: object, shape: object) -> int:
        return checksum_seed(self.key, str(name), str(shape), (), str(number))

    def _part_id(self, db: Connection, name: str, shape: tuple[int, ...]) -> int:
        known = self._parts(db)
        if name in known:
            check_shape(name, known[name][1], shape)
            return known[name][0]
        text = json.dumps(shape)
        # The id of a damaged record is not used again: rows under it are not ours to interpret.
        db.execute("DELETE FROM parts WHERE name = ?", (name,))
        (number,) = db.execute(
            "SELECT 1 + MAX((SELECT IFNULL(MAX(id), 0) FROM parts), (SELECT IFNULL(MAX(part), 0) FROM rows))"
        ).fetchone()
        db.execute(
            "INSERT INTO parts VALUES (?, ?, ?, ?)", (number, name, text, self._part_crc(number, name, text))
        )
        return number

    @staticmethod
    def _view_id(db: Connection, name: str) -> int:
        db.execute("INSERT OR IGNORE INTO views (name) VALUES (?)", (name,))
        return db.execute("SELECT id FROM views WHERE name = ?", (name,)).fetchone()[0]


def space_identity(recipe: Mapping[str, Any], dtype: str) -> str:
    """Return the canonical JSON of a recipe and of what else makes stored rows differ."""
    return canonical_json({"dtype": dtype, "recipe": dict(recipe), "schema": SCHEMA_VERSION}, "A recipe")


def space_key(identity: str) -> str:
    """Return the name of a space, the SHA-256 of its identity."""
    return hashlib.sha256(identity.encode()).hexdigest()


def canonical_json(value: Any, what: str) -> str:
    """Return JSON that is equal for equal values."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{what} must be JSON: strings, finite numbers, booleans, None, lists and mappings of these. Got {value!r} ({error})."
        ) from error


def part_names(parts: Sequence[str]) -> list[str]:
    """Return the parts without repetition."""
    if isinstance(parts, str) or not parts:
        raise InvalidInputError(f"parts must be a non-empty list of strings. Got {parts!r}.")
    return list(dict.fromkeys(parts))


def check_shape(part: str, expected: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raise if an activation has another shape than its part."""
    if shape != expected:
        raise InvalidInputError(
            f"Part {part!r} has shape {expected} in this feature space. Got {shape}. "
            "Whatever changes the shape belongs in the recipe or in the name of the part."
        )


def chunked(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Return slices of at most ``size`` items."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _digests_with(db: Connection, digests: Sequence[bytes], view: str, parts: list[str]) -> list[bytes]:
    """Return the digests that have all the parts; the index alone answers this."""
    query = (
        f"SELECT digest FROM rows WHERE digest IN ({marks(digests)}) "
        "AND view = (SELECT id FROM views WHERE name = ?) "
        f"AND part IN (SELECT id FROM parts WHERE name IN ({marks(parts)})) GROUP BY digest HAVING COUNT(*) = ?"
    )
    return [digest for (digest,) in db.execute(query, (*digests, view, *parts, len(parts)))]


def _rows_of(db: Connection, digests: Sequence[bytes], view: str, parts: list[int]) -> Iterable[tuple]:
    query = (
        f"SELECT id, digest, part, dtype, crc, data FROM rows WHERE digest IN ({marks(digests)}) "
        f"AND view = (SELECT id FROM views WHERE name = ?) AND part IN ({marks(parts)})"
    )
    return db.execute(query, (*digests, view, *parts))


def marks(values: Sequence[object]) -> str:
    """Return a question mark for each value."""
    return ", ".join("?" * len(values))

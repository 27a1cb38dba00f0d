"""A feature space: one file with the activations of images under one way of computing them."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.cache import _tables as tables
from transferkit.cache._database import Database
from transferkit.cache._folder import logger
from transferkit.cache._reading import RowReader, check_shape, part_names
from transferkit.cache._recipes import canonical_json
from transferkit.cache._rows import RowKey, checksum, checksum_seed, digest_bytes, encode
from transferkit.errors import InvalidInputError

TOUCH_SECONDS = 60


class FeatureSpace:
    """Activations of images under one recipe. Made by `FeatureCache.space`.

    It may be used by several threads, by several processes at once and after a fork, and used again
    after `close`. The file is created by the first write.

    Parameters
    ----------
    path : Path
        The SQLite file; its name is the key of the space.
    identity : str
        Canonical JSON of the recipe.
    half : bool
        Store float16 where that is precise enough.
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
        self.database = Database(path, tables.SCHEMA, identity)
        self.wanted: set[bytes] = set()  # images of this run, whose rows `make_room` spares
        self.spared_up_to = 0  # number of the last row that it has looked at
        self._half = half
        self._make_room = make_room
        self._touched = -np.inf

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
        for view, group in self._by_view(keys).items():
            for chunk in tables.chunked(list(group)):
                held = self.database.read(lambda db: tables.digests_with(db, chunk, view, names))  # noqa: B023
                found.update(RowKey(group[digest], view) for digest in held or () if digest in group)
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

        def keep(key: RowKey, part: str, array: NDArray) -> None:
            rows[key, part] = array.copy()

        self._visit(keys, parts, keep)
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
            A value is NaN or infinite, a shape is not that of the part, or a digest is not 64 hex digits.
        CacheError
            The disk is full or fails, or the file belongs to another program or a newer version.
        """
        encoded = [
            (digest_bytes(key), key[1], part, encode(key, part, array, half=self._half))
            for key, part, array in rows
        ]
        if not encoded:
            return True
        if self._make_room is not None:
            self.wanted.update(digest for digest, *_ in encoded)
            if not self._make_room(self, sum(len(row.data) for *_, row in encoded)):
                return False

        def change(db: sqlite3.Connection) -> None:
            views, parts = tables.known_views(db), tables.known_parts(db)
            records = []
            for digest, view, part, row in encoded:
                if view not in views:
                    views[view] = tables.add_view(db, view)
                if part not in parts:
                    parts[part] = tables.add_part(db, part, row.shape)
                check_shape(part, parts[part].shape, row.shape)
                crc = checksum(checksum_seed(self.key, view, part, row.shape, row.dtype), digest, row.data)
                records.append((digest, views[view], parts[part].number, row.dtype, crc, row.data))
            tables.replace_rows(db, records)

        return self.database.write(change)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's activations, or None if none was ever stored."""
        known = self.database.read(tables.known_parts) or {}
        return known[part].shape if part in known else None

    def set_meta(self, name: str, value: Any) -> None:
        """Keep a small fact, such as resolved layer names, as JSON.

        Raises
        ------
        InvalidInputError
            The value is not JSON.
        CacheError
            The file cannot be written.
        """
        self.set_metas({name: value})

    def set_metas(self, values: Mapping[str, Any]) -> bool:
        """Keep several facts in one transaction; return False where nothing may be written."""
        texts = {name: canonical_json(value, f"The value of {name!r}") for name, value in values.items()}
        return self.database.write(lambda db: tables.set_facts(db, texts))

    def get_meta(self, name: str) -> Any:
        """Return a fact that was kept by `set_meta`, or None."""
        return self.database.read(lambda db: tables.get_fact(db, name))

    def find_meta(self, prefix: str) -> dict[str, Any]:
        """Return the facts whose names begin with a prefix; damaged ones are left out."""
        return self.database.read(lambda db: tables.find_facts(db, prefix)) or {}

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
        for view, group in self._by_view(keys).items():
            for chunk in tables.chunked(list(group)):
                reader = RowReader(self.key, view, group, names)
                self.database.read(lambda db: damaged.extend(reader.read(db, chunk, take)))  # noqa: B023
        if damaged:
            logger.warning(
                "%d damaged row(s) in %s: left out, and deleted to be computed again.",
                len(damaged),
                self.path,
            )
            self.database.write(lambda db: tables.delete_rows(db, damaged))

    def _by_view(self, keys: Iterable[RowKey]) -> dict[str, dict[bytes, str]]:
        """Return ``view -> {digest bytes: digest}``, and take note of what this run uses."""
        groups: dict[str, dict[bytes, str]] = {}
        for key in keys:
            groups.setdefault(key[1], {})[digest_bytes(key)] = key[0]
        if self._make_room is not None:
            for group in groups.values():
                self.wanted.update(group)
        if time.monotonic() > self._touched + TOUCH_SECONDS:
            self._touched = time.monotonic()
            touch(self.path)
        return groups


def touch(path: Path) -> None:
    """Let the modification time of a file say that it is in use, if it exists and that is allowed."""
    try:
        os.utime(path)
    except OSError:
        return

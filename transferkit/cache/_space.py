"""A feature space: one file with the activations of images under one recipe."""

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
from transferkit.cache._rows import EncodedRow, RowKey, checksum, checksum_seed, digest_bytes, encode
from transferkit.errors import InvalidInputError
from transferkit.foundation.halves import put

TOUCH_SECONDS = 60
LARGEST_RUN = 200_000  # images of a run that are spared from eviction: about 20 MB of digests


class FeatureSpace:
    """Activations of images under one recipe, on disk; created by `FeatureCache.space`.

    Several threads and processes may use it at once. It works after a fork and can be used again after
    `close`. The first write creates the file.

    Parameters
    ----------
    path : Path
        The SQLite file; its name is the key of the space.
    identity : str
        Canonical JSON of the recipe.
    half : bool
        Store float16 where that is precise enough.
    make_room : callable or None
        Called with this space and the number of bytes before rows are stored. If it returns False, they
        are not stored.

    Attributes
    ----------
    key : str
        SHA-256 of the identity, 64 hex digits.
    path : Path
    half : bool
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
        self.wanted: dict[bytes, None] = {}  # digests of this run, whose rows `make_room` spares
        self.spared_up_to = 0  # id of the last row that `make_room` has examined
        self.half = half
        self._make_room = make_room
        self._touched = -np.inf

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all the parts, without reading activations.

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits, or ``parts`` is empty or a single string.
        CacheError
            The file cannot be read.
        """
        names = part_names(parts)
        groups = _grouped(keys)
        self._note_use(groups)
        found: set[RowKey] = set()
        for view, group in groups.items():
            for chunk in tables.chunked(list(group)):
                held = self.database.read(lambda db: tables.digests_with(db, chunk, view, names))  # noqa: B023
                found.update(RowKey(group[digest], view) for digest in held or () if digest in group)
        return found

    def read(self, keys: Iterable[RowKey], parts: Sequence[str]) -> dict[tuple[RowKey, str], NDArray]:
        """Return the activations that are stored.

        Returns
        -------
        dict of (RowKey, str) to ndarray
            float16 or float32, as stored. Missing rows are left out; damaged rows too, which are logged
            in one warning and deleted.

        Raises
        ------
        InvalidInputError, CacheError
            As for `find`.
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
        out : ndarray of shape (len(keys), *shape), float16, float32 or float64
            Missing rows are left unchanged. Rows that float16 cannot hold become infinite in it.

        Returns
        -------
        ndarray of bool, shape (len(keys),)
            True where a sound row was found.

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits, or ``out`` has another shape or another dtype.
        CacheError
            The file cannot be read.
        """
        shape = self.part_shape(part)
        expected = (len(keys), *(out.shape[1:] if shape is None else shape))
        if out.shape != expected or out.dtype not in (np.float16, np.float32, np.float64):
            raise InvalidInputError(
                f"out must have shape {expected} and dtype float16, float32 or float64 for part {part!r}. "
                f"Got shape {out.shape} and dtype {out.dtype}."
            )
        filled = np.zeros(len(keys), dtype=bool)
        places: dict[RowKey, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(RowKey(*key), []).append(place)

        def fill(key: RowKey, part: str, array: NDArray) -> None:
            for place in places[key]:
                put(out, place, array)
                filled[place] = True

        self._visit(places, [part], fill)
        return filled

    def write(self, rows: Sequence[tuple[RowKey, str, ArrayLike | EncodedRow]]) -> bool:
        """Store activations, all of them or none, replacing existing ones.

        Parameters
        ----------
        rows : sequence of (RowKey, str, array of float or EncodedRow)
            Key, part and activation. All activations of a part have the same shape.

        Returns
        -------
        bool
            False if nothing was stored because the folder is read-only or ``max_bytes`` is reached, which
            is logged once.

        Raises
        ------
        InvalidInputError
            A value is NaN or infinite, a shape differs from that of its part, or a digest is not 64 hex
            digits.
        CacheError
            The disk is full or fails, or the file belongs to another program or a newer version.
        """
        encoded = [
            (digest_bytes(key), key[1], part, encode(key, part, array, half=self.half))
            for key, part, array in rows
        ]
        if not encoded:
            return True
        if self._make_room is not None:
            self._want(digest for digest, *_ in encoded)
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
        """Return the shape of a part's activations, or None if none was stored."""
        known = self.database.read(tables.known_parts) or {}
        return known[part].shape if part in known else None

    def find_facts(self, prefix: str, limit: int | None = None) -> dict[str, Any]:
        """Return the facts whose names start with a prefix, at most ``limit``; damaged ones are left out."""
        return self.database.read(lambda db: tables.find_facts(db, prefix, limit)) or {}

    def keep_facts(self, facts: Mapping[str, Any]) -> bool:
        """Store facts as JSON by name, all of them or none.

        Returns
        -------
        bool
            False if the folder is read-only.

        Raises
        ------
        InvalidInputError
            A value is not JSON.
        CacheError
            The file cannot be written.
        """
        texts = {name: canonical_json(value, f"The value of {name!r}") for name, value in facts.items()}
        return self.database.write(lambda db: tables.set_facts(db, texts))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
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
        groups = _grouped(keys)
        self._note_use(groups)
        damaged: list[tuple[int, object]] = []
        for view, group in groups.items():
            for chunk in tables.chunked(list(group)):
                reader = RowReader(self.key, view, group, names)
                self.database.read(lambda db: damaged.extend(reader.read(db, chunk, take)))  # noqa: B023
        if damaged:
            logger.warning(
                "%d damaged row(s) in %s were ignored and deleted. They will be computed again.",
                len(damaged),
                self.path,
            )
            self.database.write(lambda db: tables.delete_rows(db, damaged))

    def _want(self, digests: Iterable[bytes]) -> None:
        """Spare the rows of these images from eviction; of very many, those of the latest."""
        with self.database.lock:
            self.wanted.update(dict.fromkeys(digests))
            while len(self.wanted) > LARGEST_RUN:
                del self.wanted[next(iter(self.wanted))]

    def _note_use(self, groups: Mapping[str, Mapping[bytes, str]]) -> None:
        """Mark the images as needed by this run, and the file as used."""
        if self._make_room is not None:
            for group in groups.values():
                self._want(group)
        if time.monotonic() > self._touched + TOUCH_SECONDS:
            self._touched = time.monotonic()
            touch(self.path)


def _grouped(keys: Iterable[RowKey]) -> dict[str, dict[bytes, str]]:
    """Return ``{view: {digest as bytes: digest}}``."""
    groups: dict[str, dict[bytes, str]] = {}
    for key in keys:
        groups.setdefault(key[1], {})[digest_bytes(key)] = key[0]
    return groups


def touch(path: Path) -> None:
    """Set the modification time of a file to now; do nothing if that is impossible."""
    try:
        os.utime(path)
    except OSError:
        return

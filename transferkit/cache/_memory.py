"""Feature spaces in memory: for ``cache=False``, rows that the cache cannot store and rows needed at once."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cache._patience import Patience
from transferkit.cache._rows import EncodedRow, RowKey, encode
from transferkit.cache._space import FeatureSpace
from transferkit.cache._waiting import waiting_for
from transferkit.errors import CacheError
from transferkit.foundation.halves import put

Rows = Sequence[tuple[RowKey, str, NDArray[Any] | EncodedRow]]
_FEW_BYTES = 4 << 20
_ENTRY_BYTES = 512  # memory of a row's key and objects, which are larger than a small row itself


class MemorySpace:
    """A feature space in memory.

    Rows are rounded as in the cache on disk, so a model gives the same numbers with a cache and without.

    Parameters
    ----------
    half : bool, default=True
        Whether to round rows to float16 if that is precise enough.
    limit : int, optional
        Approximate limit in bytes for the memory of rows; the oldest are dropped first.
    """

    def __init__(self, *, half: bool = True, limit: int | None = None) -> None:
        self.half = half
        self._rows: dict[tuple[RowKey, str], NDArray[Any]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._facts: dict[str, Any] = {}
        self._limit, self._lock, self._n_bytes = limit, threading.Lock(), 0
        # Rows of single predictions must not accumulate as long as the process runs.
        self._few = MemorySpace(half=half, limit=_FEW_BYTES) if limit is None else None

    def recent(self, *, soon: bool = False) -> RecentSpace:
        """Return a view of this space for a few images whose rows are read right after writing."""
        return RecentSpace(self, soon=soon)

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all the parts."""
        asked = set(keys)
        found = {key for key in asked if all((key, part) in self._rows for part in parts)}
        return found if self._few is None else found | self._few.find(asked - found, parts)

    def read_into(self, keys: Sequence[RowKey], part: str, out: NDArray[Any]) -> NDArray[Any]:
        """Fill ``out[i]`` with the row of ``keys[i]``; return a mask of the rows that were found."""
        found = np.zeros(len(keys), dtype=bool)
        for i, key in enumerate(keys):
            if (row := self._rows.get((key, part))) is not None:
                put(out, i, row)
                found[i] = True
            elif self._few is not None:
                found[i : i + 1] = self._few.read_into([key], part, out[i : i + 1])
        return found

    def write(self, rows: Rows) -> bool:
        """Store rows, replacing existing ones; return True."""
        for key, part, array in rows:
            stored = encode(key, part, array, half=self.half)
            self._shapes[part] = stored.shape
            row = np.frombuffer(stored.data, stored.dtype).reshape(stored.shape)
            with self._lock:
                old = self._rows.pop((key, part), None)
                self._rows[key, part] = row
                self._n_bytes += _cost(row) - (0 if old is None else _cost(old))
                while self._limit is not None and self._n_bytes > self._limit:
                    self._n_bytes -= _cost(self._rows.pop(next(iter(self._rows))))
        return True

    def write_few(self, rows: Rows) -> bool:
        """Store rows of a few images, which replace the oldest such rows; return True."""
        return self.write(rows) if self._few is None else self._few.write(rows)

    write_soon = write_few

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, or None if there are none."""
        shape = self._shapes.get(part)
        return shape if self._few is None else shape or self._few.part_shape(part)

    def find_facts(self, prefix: str, limit: int | None = None) -> dict[str, Any]:
        """Return the facts whose names start with a prefix, at most ``limit``."""
        if prefix in self._facts:  # a complete name
            return {prefix: self._facts[prefix]}
        names = islice((name for name in list(self._facts) if name.startswith(prefix)), limit)
        return {name: self._facts[name] for name in names}

    def keep_facts(self, facts: Mapping[str, Any]) -> bool:
        """Store facts; return True."""
        self._facts.update(facts)
        return True


def _read_missing(
    space: SpillingSpace | MemorySpace,
    keys: Sequence[RowKey],
    part: str,
    out: NDArray[Any],
    found: NDArray[Any],
) -> NDArray[Any]:
    """Fill rows that are still missing from another space; return the mask of all rows found so far."""
    if not found.any():
        return space.read_into(keys, part, out)
    for i in np.flatnonzero(~found).tolist():
        found[i : i + 1] = space.read_into([keys[i]], part, out[i : i + 1])
    return found


def _cost(row: NDArray[Any]) -> int:
    """Return the approximate memory of a row in bytes."""
    return row.nbytes + _ENTRY_BYTES


class SpillingSpace:
    """A feature space on disk that keeps in memory what cannot be stored there.

    The cache or its disk may be read-only or full, or another process may hold its lock; the features of the
    present run must be complete anyway.
    """

    def __init__(self, space: FeatureSpace) -> None:
        self._space = space
        self.half = space.half
        self._spilled = MemorySpace(half=self.half)
        self._reading = Patience(space.database)
        self._writing = Patience(space.database, CacheError)
        self._waiting = waiting_for(space.path)
        self.has_spilled = False
        self.path = space.path

    def recent(self, *, soon: bool = False) -> RecentSpace:
        """Return a view of this space for a few images whose rows are read right after writing."""
        return RecentSpace(self, soon=soon)

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all the parts, on disk or in memory."""
        asked = set(keys)
        self._waiting.settle(asked)
        found: set[RowKey] = self._reading.attempt(lambda: self._space.find(asked, parts), set())
        return found | self._spilled.find(asked - found, parts)

    def read_into(self, keys: Sequence[RowKey], part: str, out: NDArray[Any]) -> NDArray[Any]:
        """Fill ``out[i]`` with the row of ``keys[i]``; return a mask of the rows that were found."""
        self._waiting.settle(keys)
        nothing = np.zeros(len(keys), dtype=bool)
        found = self._reading.attempt(lambda: self._space.read_into(keys, part, out), nothing)
        return _read_missing(self._spilled, keys, part, out, found)

    def write(self, rows: Rows) -> bool:
        """Store rows on disk, or else in memory; return True."""
        return self._write(rows, self._spilled.write)

    def write_few(self, rows: Rows) -> bool:
        """Store rows of a few images on disk, or else in memory for a while; return True."""
        return self._write(rows, self._spilled.write_few)

    def write_soon(self, rows: Sequence[tuple[RowKey, str, EncodedRow]]) -> bool:
        """Store rows of a few images on disk in a moment, or else in memory for a while; return True."""
        # The first rows create the file at once: later, somebody may have deleted the folder.
        return (self.path.exists() and self._waiting.add(rows, self._write_late)) or self.write_few(rows)

    def _write_late(self, rows: Rows) -> None:
        if self.path.exists():
            self.write_few(rows)

    def _write(self, rows: Rows, spill: Callable[[Rows], bool]) -> bool:
        if not self._writing.attempt(lambda: self._space.write(rows), False):
            self.has_spilled = True
            spill(rows)
        return True

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, or None if there are none."""
        shape = self._reading.attempt(lambda: self._space.part_shape(part), None)
        return shape or self._spilled.part_shape(part)

    def find_facts(self, prefix: str, limit: int | None = None) -> dict[str, Any]:
        """Return the facts whose names start with a prefix, at most ``limit`` each of disk and memory."""
        facts: dict[str, Any] = self._reading.attempt(lambda: self._space.find_facts(prefix, limit), {})
        return facts | self._spilled.find_facts(prefix, limit)

    def keep_facts(self, facts: Mapping[str, Any]) -> bool:
        """Store facts on disk, or else in memory; return True."""
        kept = self._writing.attempt(lambda: self._space.keep_facts(facts), False)
        return kept or self._spilled.keep_facts(facts)


class RecentSpace:
    """A feature space that also keeps in memory what is written through this object.

    It serves a few images whose features are needed at once, so that a prediction does not wait for the disk,
    and rows that were lost once, so that they cannot be lost again.

    Parameters
    ----------
    space : SpillingSpace or MemorySpace
    soon : bool, default=False
        Return from `write` at once, and write to disk a moment later.
    """

    def __init__(self, space: SpillingSpace | MemorySpace, *, soon: bool = False) -> None:
        self._space, self._soon = space, soon
        self.half = space.half
        self._recent = MemorySpace(half=space.half)
        self._lost = False

    def for_lost_rows(self) -> RecentSpace:
        """Return the same space, which searches memory only, because a row on disk may be lost again."""
        twin = copy.copy(self)
        twin._lost = True
        return twin

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all the parts in the underlying space."""
        return (self._recent if self._lost else self._space).find(keys, parts)

    def read_into(self, keys: Sequence[RowKey], part: str, out: NDArray[Any]) -> NDArray[Any]:
        """Fill ``out[i]`` with the row of ``keys[i]``; return a mask of the rows that were found."""
        found = self._recent.read_into(keys, part, out)
        return _read_missing(self._space, keys, part, out, found)

    def write(self, rows: Rows) -> bool:
        """Store rows in the underlying space and in memory; return True."""
        rounded = [(key, part, encode(key, part, array, half=self.half)) for key, part, array in rows]
        write = self._space.write_soon if self._soon else self._space.write_few
        return write(rounded) and self._recent.write(rounded)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, or None if there are none."""
        return self._recent.part_shape(part) or self._space.part_shape(part)

    def find_facts(self, prefix: str, limit: int | None = None) -> dict[str, Any]:
        """Return the facts of the underlying space whose names start with a prefix, at most ``limit``."""
        return self._space.find_facts(prefix, limit)

    def keep_facts(self, facts: Mapping[str, Any]) -> bool:
        """Store facts in the underlying space."""
        return self._space.keep_facts(facts)

"""Feature spaces in memory: for ``cache=False``, for what a cache declines, for what is wanted at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from transferkit.cache import FeatureSpace, RowKey
from transferkit.cache._rows import encode


class MemorySpace:
    """Keep rows in a dictionary, with the interface of ``FeatureSpace``.

    Rows are rounded to half precision as the cache does, so that a model gives the same
    numbers with a cache and without.
    """

    def __init__(self, *, half: bool = True) -> None:
        self.half = half
        self._rows: dict[tuple[RowKey, str], np.ndarray] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._facts: dict[str, Any] = {}

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all parts."""
        return {key for key in keys if all((key, part) in self._rows for part in parts)}

    def read_into(self, keys: Sequence[RowKey], part: str, out: np.ndarray) -> np.ndarray:
        """Fill ``out[i]`` for ``keys[i]`` and return which were there."""
        found = np.zeros(len(keys), dtype=bool)
        for i, key in enumerate(keys):
            if (row := self._rows.get((key, part))) is not None:
                out[i] = row
                found[i] = True
        return found

    def write(self, rows: Sequence[tuple[RowKey, str, np.ndarray]]) -> None:
        """Add rows."""
        for key, part, array in rows:
            stored = encode(key, part, array, half=self.half)
            self._shapes[part] = stored.shape
            self._rows[key, part] = np.frombuffer(stored.data, stored.dtype).reshape(stored.shape)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, None while there are none."""
        return self._shapes.get(part)

    def find_facts(self, prefix: str) -> dict[str, Any]:
        """Return the facts whose names begin so."""
        facts = dict(self._facts)  # other threads may add to it
        return {name: value for name, value in facts.items() if name.startswith(prefix)}

    def keep_facts(self, facts: Mapping[str, Any]) -> None:
        """Keep small facts beside the rows."""
        self._facts.update(facts)


class SpillingSpace:
    """A feature space on disk, with the rows that it declined kept in memory for this run.

    A read-only cache and a full one decline rows; features must be right and complete all the same.
    """

    def __init__(self, space: FeatureSpace, *, half: bool) -> None:
        self._space = space
        self.half = half
        self._spilled = MemorySpace(half=half)
        self.has_spilled = False
        self.path = space.path

    def recent(self) -> RecentSpace:
        """Return this space for a few images, whose rows are read at once."""
        return RecentSpace(self)

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all parts, in one of the two."""
        asked = set(keys)
        found = self._space.find(asked, parts)
        return found | self._spilled.find(asked - found, parts)

    def read_into(self, keys: Sequence[RowKey], part: str, out: np.ndarray) -> np.ndarray:
        """Fill ``out[i]`` for ``keys[i]`` and return which were there."""
        found = self._space.read_into(keys, part, out)
        for i in np.flatnonzero(~found).tolist():
            found[i : i + 1] = self._spilled.read_into([keys[i]], part, out[i : i + 1])
        return found

    def write(self, rows: Sequence[tuple[RowKey, str, np.ndarray]]) -> None:
        """Add rows."""
        if not self._space.write(rows):
            self.has_spilled = True
            self._spilled.write(rows)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, None while there are none."""
        return self._space.part_shape(part) or self._spilled.part_shape(part)

    def find_facts(self, prefix: str) -> dict[str, Any]:
        """Return the facts whose names begin so."""
        return self._space.find_meta(prefix) | self._spilled.find_facts(prefix)

    def keep_facts(self, facts: Mapping[str, Any]) -> None:
        """Keep small facts beside the rows."""
        if not self._space.set_metas(facts):
            self._spilled.keep_facts(facts)


class RecentSpace:
    """A feature space, with what is written through this object kept in memory too.

    For a few images whose features are read the moment they are there: a prediction does not wait for
    the disk. Rows are rounded as the space rounds them.
    """

    def __init__(self, space: SpillingSpace) -> None:
        self._space = space
        self.half = space.half
        self._recent = MemorySpace(half=space.half)
        self.path = space.path

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all parts in the space."""
        return self._space.find(keys, parts)

    def read_into(self, keys: Sequence[RowKey], part: str, out: np.ndarray) -> np.ndarray:
        """Fill ``out[i]`` for ``keys[i]`` and return which were there."""
        found = self._recent.read_into(keys, part, out)
        for i in np.flatnonzero(~found).tolist():
            found[i : i + 1] = self._space.read_into([keys[i]], part, out[i : i + 1])
        return found

    def write(self, rows: Sequence[tuple[RowKey, str, np.ndarray]]) -> None:
        """Add rows."""
        self._space.write(rows)
        self._recent.write(rows)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, None while there are none."""
        return self._recent.part_shape(part) or self._space.part_shape(part)


AnySpace = MemorySpace | SpillingSpace | RecentSpace

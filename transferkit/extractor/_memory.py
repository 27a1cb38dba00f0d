"""A feature space in memory, for ``cache=False``: the same rows, rounded the same way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from transferkit.cache import RowKey
from transferkit.cache._rows import encode


class MemorySpace:
    """Keep rows in a dictionary, with the interface of ``FeatureSpace``.

    Rows are rounded to half precision as the cache does, so that a model gives the same
    numbers with a cache and without.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[RowKey, str], np.ndarray] = {}
        self._meta: dict[str, Any] = {}

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
            stored = encode(key, part, array, half=True)
            self._rows[key, part] = np.frombuffer(stored.data, stored.dtype).reshape(stored.shape)

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, None while there are none."""
        return next((row.shape for (_, name), row in self._rows.items() if name == part), None)

    def get_meta(self, name: str) -> Any:
        """Return a small fact, None if unknown."""
        return self._meta.get(name)

    def set_meta(self, name: str, value: Any) -> None:
        """Remember a small fact."""
        self._meta[name] = value

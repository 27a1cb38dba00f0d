"""The interface that all feature spaces share, on disk or in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from transferkit.cache._rows import EncodedRow, RowKey


class Space(Protocol):
    """Activations of images under one recipe.

    Attributes
    ----------
    half : bool
        Whether rows are rounded to float16 where that is precise enough.
    """

    half: bool

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        """Return the keys that have all the parts."""

    def read_into(self, keys: Sequence[RowKey], part: str, out: NDArray[Any]) -> NDArray[Any]:
        """Fill ``out[i]`` with the row of ``keys[i]``; return a mask of the rows that were found.

        In an array of half precision, rows that it cannot hold become infinite.
        """

    def write(self, rows: Sequence[tuple[RowKey, str, NDArray[Any] | EncodedRow]]) -> bool:
        """Store rows, replacing existing ones; return False if they were not stored."""

    def part_shape(self, part: str) -> tuple[int, ...] | None:
        """Return the shape of a part's rows, or None if there are none."""

    def find_facts(self, prefix: str, limit: int | None = None) -> dict[str, Any]:
        """Return the facts whose names start with a prefix, at most ``limit``."""

    def keep_facts(self, facts: Mapping[str, Any]) -> bool:
        """Store facts, small JSON values by name; return False if they were not stored."""

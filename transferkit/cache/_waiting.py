"""Rows of a few images that wait to be written to one file."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from transferkit.cache._later import LOCK, finish, soon
from transferkit.cache._rows import EncodedRow, RowKey

_MOST_BYTES = 16 << 20  # more are written at once

Rows = Sequence[tuple[RowKey, str, EncodedRow]]


class WaitingRows:
    """Rows that this process will write to one file a moment later, in one transaction.

    Whoever looks for rows calls `settle` first: if they wait, they are written, so none is computed twice.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[RowKey, str, EncodedRow]] = []
        self._keys: set[RowKey] = set()
        self._n_bytes = 0

    def add(self, rows: Rows, write: Callable[[Rows], object]) -> bool:
        """Take rows that ``write`` is to store later; return False if these are too many.

        Of several functions, the first is called with all rows that have come meanwhile.
        """
        n_bytes = sum(len(row.data) for *_, row in rows)
        with LOCK:
            if self._n_bytes + n_bytes > _MOST_BYTES:
                return False
            is_first = not self._rows
            self._rows += rows
            self._keys.update(key for key, *_ in rows)
            self._n_bytes += n_bytes
        if is_first:
            soon(lambda: self._write(write))
        return True

    def settle(self, keys: Iterable[RowKey]) -> None:
        """Write all rows now if those of any of these keys are among them."""
        if self._keys:
            with LOCK:
                waits = not self._keys.isdisjoint(keys)
            if waits:
                finish()

    def _write(self, write: Callable[[Rows], object]) -> None:
        with LOCK:
            rows, self._rows, self._n_bytes = self._rows, [], 0
        try:
            write(rows)
        finally:
            with LOCK:
                self._keys = {key for key, *_ in self._rows}


_of_files: weakref.WeakValueDictionary[Path, WaitingRows] = weakref.WeakValueDictionary()


def waiting_for(path: Path) -> WaitingRows:
    """Return the rows that wait for a file: the same object for all of this process."""
    with LOCK:
        return _of_files.setdefault(path, WaitingRows())

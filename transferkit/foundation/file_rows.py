"""Rows of an array in a temporary file, for arrays that are read a few rows at a time.

In a memory-mapped file, pages that were read count as memory of the process until the system reclaims them.
Here, rows are copied when they are read, and nothing else stays in memory.
"""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class FileRows:
    """An array in a file that can be written by slices of rows, and read by slices and indices.

    Parameters
    ----------
    shape : sequence of int
        Shape of the array.
    dtype : dtype
        Type of its values.

    Notes
    -----
    The file is in the system's temporary folder (``TMPDIR``), has no name, and is removed with this object.
    """

    def __init__(self, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.ndim, self.size = len(self.shape), math.prod(self.shape)
        self._row_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with this object)
        self._lock = threading.Lock()  # protects the position in the file

    def __del__(self) -> None:
        """Close the file."""
        if hasattr(self, "_file"):
            self._file.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __setitem__(self, rows: slice, values: NDArray[Any]) -> None:
        """Write the rows of a slice without steps."""
        array: Any = np.ascontiguousarray(values, self.dtype)
        data = memoryview(array).cast("B")
        with self._lock:
            self._file.seek((rows.start or 0) * self._row_bytes)
            while len(data):
                data = data[self._file.write(data) or 0 :]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Return a copy of some rows."""
        rows = np.arange(len(self))[index]
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        flat: Any = out.reshape(-1)
        data = memoryview(flat).cast("B")
        # Consecutive rows are read at once.
        starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1).tolist()
        with self._lock:
            for first, last in zip(starts, [*starts[1:], len(rows)], strict=False):
                self._file.seek(int(rows[first]) * self._row_bytes)
                part = data[first * self._row_bytes : last * self._row_bytes]
                while len(part) and (n := self._file.readinto(part)):
                    part = part[n:]
                part[:] = bytes(len(part))  # what was not written yet
        return out

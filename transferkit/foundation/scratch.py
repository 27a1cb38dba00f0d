"""Arrays for a while: in memory, or in a temporary file where they are large for the memory that is allowed.

What lies in a file is read and written by the operating system page by page, and does not count as memory
that the process claims. Code that goes through rows in blocks runs as before, at the speed of the disk.
"""

from __future__ import annotations

import contextlib
import contextvars
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# A fit has a handful of large arrays at a time: the layers, their products, the rows made of them.
_SHARE = 8


_largest: contextvars.ContextVar[float] = contextvars.ContextVar("largest", default=float("inf"))


@contextlib.contextmanager
def memory_limit(n_bytes: float | None) -> Iterator[None]:
    """Keep large arrays to about this many bytes of memory within this context, and the rest in files.

    Parameters
    ----------
    n_bytes : float or None
        Arrays of more than an eighth of it lie in files; None: no array does. Files are where the system
        keeps temporary ones (``TMPDIR``); they have no name, and are gone with their array or the process.
    """
    token = _largest.set(float("inf") if n_bytes is None else n_bytes / _SHARE)
    try:
        yield
    finally:
        _largest.reset(token)


def scratch(shape: Sequence[int], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of any content."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if n_bytes <= _largest.get():
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        file.truncate(n_bytes)
        return np.memmap(file, dtype, "r+", shape=tuple(shape))

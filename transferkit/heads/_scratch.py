"""Arrays for a while: in memory, or in a temporary file where they are larger than a limit.

What lies in a file is read and written by the operating system page by page, and does not count as
memory of the process; code that goes through rows in blocks runs as before, at the speed of the disk.
"""

from __future__ import annotations

import contextlib
import contextvars
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_limit: contextvars.ContextVar[float] = contextvars.ContextVar("memory_limit", default=float("inf"))


@contextlib.contextmanager
def memory_limit(n_bytes: float) -> Iterator[None]:
    """Put arrays of more bytes than this into temporary files, within this context."""
    token = _limit.set(n_bytes)
    try:
        yield
    finally:
        _limit.reset(token)


def scratch(shape: Sequence[int], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array whose values are whatever was there."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if n_bytes <= _limit.get():
        return np.empty(shape, dtype)
    # The file has no name, and is gone with the array.
    with tempfile.TemporaryFile() as file:
        file.truncate(n_bytes)
        return np.memmap(file, dtype, "r+", shape=tuple(shape))

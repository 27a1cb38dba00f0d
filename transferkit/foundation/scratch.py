"""Temporary arrays, kept in memory or, if they exceed the memory limit, in a memory-mapped temporary file.

The operating system pages a mapped file in and out, so it does not count as memory of the process. Code that
processes rows in blocks runs unchanged, at the speed of the disk.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# A fit needs several large arrays at once: the layers, their products, and the rows made from them.
_SHARE = 8

_largest: contextvars.ContextVar[float] = contextvars.ContextVar("largest", default=float("inf"))


@contextlib.contextmanager
def memory_limit(n_bytes: float | None) -> Iterator[None]:
    """Limit the memory of scratch arrays within this context; larger ones go to temporary files.

    Parameters
    ----------
    n_bytes : float or None
        Arrays larger than an eighth of this are kept in files; None keeps all arrays in memory. The files
        are in the system's temporary folder (``TMPDIR``), have no name, and are removed with the array or the
        process.
    """
    token = _largest.set(float("inf") if n_bytes is None else n_bytes / _SHARE)
    try:
        yield
    finally:
        _largest.reset(token)


def scratch(shape: Sequence[int], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an uninitialised array.

    Raises
    ------
    OSError
        The folder for temporary files has no room for it.
    """
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if n_bytes <= _largest.get():
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        _make_room(file.fileno(), n_bytes)
        return np.memmap(file, dtype, "r+", shape=tuple(shape))


def _make_room(file: int, n_bytes: int) -> None:
    """Allocate the disk space of an empty file.

    If only its size were set, space would be allocated when the memory map is written to; on a full disk,
    that kills the process (SIGBUS).
    """
    try:
        try:
            os.posix_fallocate(file, 0, n_bytes)
        except (AttributeError, OSError) as error:  # not on this system, or on this file system
            if getattr(error, "errno", errno.EINVAL) not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            os.ftruncate(file, n_bytes)
    except OSError as error:
        raise OSError(
            error.errno,
            f"An array of {n_bytes / 1e6:,.1f} MB is beyond memory_limit, and no temporary file could be "
            f"made for it: {error.strerror}. Set TMPDIR to a folder with more room, or pass a larger limit",
            tempfile.gettempdir(),
        ) from error

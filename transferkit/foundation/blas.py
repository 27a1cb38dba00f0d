"""BLAS on one thread, while threads of our own do the work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

_lock = threading.RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in a block; blocks in other threads wait for each other.

    The limit is one of the whole process: of two blocks that overlap, the first one to end would take it from
    the other, which would then learn other weights, and leave the limit behind.
    """
    with _lock, threadpool_limits(1, "blas"):
        yield

"""Limit BLAS to one thread while our own threads do the work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

_lock = threading.RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread within a block; blocks in different threads wait for each other.

    The limit applies to the whole process. If two blocks overlapped, the first one to end would lift the
    limit for the other one, which would then learn other weights, and the limit would remain set afterwards.
    """
    with _lock, threadpool_limits(1, "blas"):
        yield

"""BLAS on one thread, while threads of our own do the work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

_lock = threading.Lock()
_inside: list[Any] = []  # as many as there are blocks that run


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in a block.

    The limit is one of the whole process. So the first of blocks that overlap in several threads sets it, and
    the last one takes it back.
    """
    with _lock:
        _inside.append(_inside[0] if _inside else threadpool_limits(1, "blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _inside.pop()
            if not _inside:
                limit.restore_original_limits()

"""Suppress warnings of decoders about odd metadata."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]

_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a child must not inherit a held lock or another thread's filters
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings in a block, such as Pillow's about odd metadata.

    ``catch_warnings`` swaps a global, so two threads inside it could leave the filters changed permanently.
    The lock prevents that; it is held while headers are parsed, not while pixels are decoded.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

"""One thread at a time with a Pillow image.

Pillow loads an image when its pixels are first requested, without a lock. If two threads request them at the
same time, one may see an image that is still empty, and its features would be stored under the full image.
"""

from __future__ import annotations

import os
import threading

import PIL.Image

__all__ = ["turn_with"]

_MANY = 61  # a prime, because addresses of objects are multiples of 16
_locks: list[threading.Lock] = []


def turn_with(picture: PIL.Image.Image) -> threading.Lock:
    """Return the lock of an image; images cannot be keys of a dictionary, so several may share a lock."""
    return _locks[id(picture) % _MANY]


def _renew() -> None:
    """Create new locks: in a forked child, those held by other threads would never be released."""
    _locks[:] = [threading.Lock() for _ in range(_MANY)]


_renew()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

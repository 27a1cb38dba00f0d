"""One thread at a time with a Pillow image.

Pillow reads a file when its pixels are first asked for, and guards nothing: of two threads that ask at once,
one may see an image that is still empty, whose features would be stored for the whole one.
"""

from __future__ import annotations

import os
import threading

import PIL.Image

__all__ = ["turn_with"]

_MANY = 61  # a prime: addresses of objects are multiples of 16
_locks: list[threading.Lock] = []


def turn_with(picture: PIL.Image.Image) -> threading.Lock:
    """Return the lock of an image, which it may share with others: images can neither be keys nor marked."""
    return _locks[id(picture) % _MANY]


def _renew() -> None:
    """Take new locks: in a forked child, those that other threads held would stay held."""
    _locks[:] = [threading.Lock() for _ in range(_MANY)]


_renew()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)

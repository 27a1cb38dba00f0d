"""No database is open while a process forks.

It is not enough that the child leaves its parent's connections alone: SQLite keeps its file
locks in process-wide tables, which the child inherits and takes for its own
(https://sqlite.org/howtocorrupt.html, section 2.6).
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Closable(Protocol):
    """What is closed before a fork, while its lock is held."""

    lock: threading.RLock

    def close(self) -> None:
        """Close."""


_watched: weakref.WeakSet[Closable] = weakref.WeakSet()
_held: list[Closable] = []
_forking = threading.Lock()


def close_before_forks(database: Closable) -> None:
    """Close this database whenever the process forks; it must open itself again."""
    with _forking:  # one that is made amid a fork would be missed by it
        _watched.add(database)


def _before() -> None:
    _forking.acquire()  # two threads that fork at once would take the locks in different orders
    for database in list(_watched):
        database.lock.acquire()
        _held.append(database)
        database.close()


def _after() -> None:
    while _held:
        _held.pop().lock.release()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)

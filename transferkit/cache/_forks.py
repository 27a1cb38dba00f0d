"""Close all databases before a fork.

It is not enough that the child does not use its parent's connections: SQLite keeps its file locks in
process-wide tables, which the child inherits and treats as its own
(https://sqlite.org/howtocorrupt.html, section 2.6).
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Closable(Protocol):
    """An object that is closed before a fork, with its lock held."""

    lock: threading.RLock

    def close(self) -> None:
        """Close."""


_watched: weakref.WeakSet[Closable] = weakref.WeakSet()
_held: list[Closable] = []
_forking = threading.Lock()


def close_before_forks(database: Closable) -> None:
    """Close a database whenever the process forks; it must reopen itself."""
    with _forking:  # a database created during a fork would be missed
        _watched.add(database)


def _before() -> None:
    _forking.acquire()  # two threads that fork at once could take the locks in different orders
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

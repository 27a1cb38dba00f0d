"""Write small things to disk a moment later, so that no prediction waits for the disk.

A transaction of SQLite waits until the data are on the disk. That takes milliseconds, on some disks as long
as a small network takes. So what one prediction writes is collected. A thread writes it after
`DELAY_SECONDS`, or earlier if the process ends or forks, or something asks for it. If the process is killed
in between, that much is computed again.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable

import transferkit.cache._forks  # noqa: F401 - see below
from transferkit.cache._folder import logger

DELAY_SECONDS = 0.2

LOCK = threading.Lock()  # guards what waits; nothing else is locked while it is held
_turn = threading.RLock()  # one thread writes at a time
_actions: list[Callable[[], object]] = []
_timer: threading.Timer | None = None
_finalized_in: int | None = None  # process
_busy = False


def soon(action: Callable[[], object]) -> None:
    """Call ``action()`` in a thread after a moment, and at the latest when the process ends."""
    global _timer, _finalized_in
    # A forked worker of multiprocessing ends without atexit, but calls what is registered there.
    if _finalized_in != os.getpid() and (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(None, finish, exitpriority=10)
        _finalized_in = os.getpid()
    with LOCK:
        _actions.append(action)
        if _timer is not None:
            return
        _timer = timer = threading.Timer(DELAY_SECONDS, finish)
    timer.name, timer.daemon = "transferkit-later", True
    try:
        timer.start()
    except RuntimeError:  # no more threads, as at the end of the process
        finish()


def finish() -> None:
    """Call everything that waits now; errors are logged."""
    global _timer, _busy
    with _turn:
        if _busy:  # called by an action
            return
        with LOCK:
            _timer = None
        _busy = True
        try:
            while _actions:
                try:
                    _actions[0]()
                except Exception:  # noqa: BLE001 - nobody waits for it
                    logger.exception("Features could not be stored. They will be computed again.")
                del _actions[0]  # not before: after Ctrl-C, it is called again
        finally:
            _busy = False


def _before_fork() -> None:
    finish()
    _turn.acquire()
    LOCK.acquire()


def _after_fork() -> None:
    LOCK.release()
    _turn.release()


def _in_child() -> None:
    global _timer
    _timer = None  # its thread does not exist here
    _after_fork()


# What is registered last is called first before a fork: what waits must be written before the databases are
# closed, which is why `_forks` is imported.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
atexit.register(finish)

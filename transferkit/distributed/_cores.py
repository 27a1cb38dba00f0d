"""Bind each actor to its own cores, so that actors on one machine do not compete for them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any


def claim_cores(n: int) -> Any:
    """Bind this process to n cores that no other actor has claimed; return an object that holds the claim.

    Ray counts cores, but does not enforce their number, and OpenVINO, TensorFlow and our own threads use all
    cores that a process may run on. A claim always ends with its process. If processes cannot be bound, or
    all cores are taken, nothing happens.
    """
    if not hasattr(os, "sched_getaffinity"):
        return None
    import fcntl

    cores = sorted(os.sched_getaffinity(0))
    for slot in range(len(cores) // n if n < len(cores) else 0):
        path = Path(tempfile.gettempdir()) / f"transferkit-cores-{os.getuid()}-{n}-{slot}.lock"
        lock = path.open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        for thread in Path("/proc/self/task").iterdir():  # threads of Ray are running already
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores[slot * n : (slot + 1) * n])
        return lock
    return None

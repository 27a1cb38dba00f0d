"""Cores for an actor: as many as it was given, and not those of its neighbours on the machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any


def claim_cores(n: int) -> Any:
    """Bind this process to n cores that no other actor has claimed; return what holds the claim.

    Ray counts processors and leaves it to each process to keep to them. OpenVINO, TensorFlow and our own
    threads take all that a process may run on. A claim ends with its process, however that ends. Where
    processes cannot be bound, or all cores are taken, nothing happens.
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
        for thread in Path("/proc/self/task").iterdir():  # Ray's own are there already
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores[slot * n : (slot + 1) * n])
        return lock
    return None

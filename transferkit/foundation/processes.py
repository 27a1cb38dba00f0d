"""Other processes of this machine."""

from __future__ import annotations

import os


def is_running(process: int) -> bool:
    """Return True if a process of this machine is running, or if that cannot be determined."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)  # signal 0 only checks
    except ProcessLookupError:
        return False
    except OSError:  # a process of another user
        pass
    return True

"""Other processes of this machine."""

from __future__ import annotations

import os


def is_running(process: int) -> bool:
    """Return whether a process of this machine runs; True where that cannot be told."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)  # only asks
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True

"""Files beside the one that is to be written, and those that killed processes have left."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from transferkit.foundation.processes import is_running

_DAY = 24 * 3600
_NAME = re.compile(r"\.transferkit-(?P<machine>.+)-(?P<process>\d+)-[0-9a-f]{16}\.\w+")


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Give a path beside the target, and remove what is left of it and of files named like it.

    Files of exports to the same folder that were killed are removed too.
    """
    _remove_left(target.parent)
    name = f".transferkit-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        yield target.with_name(name + target.suffix)
    finally:
        for left in target.parent.glob(f"{name}.*"):
            left.unlink()


def _machine() -> str:
    return re.sub(r"\W", "_", platform.node()) or "unknown"


def _remove_left(folder: Path) -> None:
    """Remove files of processes that have ended; of other machines, those of yesterday."""
    for path in folder.glob(".transferkit-*"):
        if found := _NAME.fullmatch(path.name):
            with contextlib.suppress(OSError):  # it is gone, or not ours
                here = os.name == "posix" and found["machine"] == _machine()
                ended = here and not is_running(int(found["process"]))
                if ended or path.stat().st_mtime < time.time() - _DAY:
                    path.unlink()

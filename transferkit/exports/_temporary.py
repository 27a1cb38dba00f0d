"""Temporary files beside the target, and the removal of those left by killed processes."""

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
    """Yield a temporary path beside the target, and remove it and files with similar names afterwards.

    Files left in the same folder by killed exports are removed, too.
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
    """Remove files of ended processes of this machine, and all files older than a day."""
    for path in folder.glob(".transferkit-*"):
        if found := _NAME.fullmatch(path.name):
            with contextlib.suppress(OSError):  # it is gone, or not ours
                here = os.name == "posix" and found["machine"] == _machine()
                ended = here and not is_running(int(found["process"]))
                if ended or path.stat().st_mtime < time.time() - _DAY:
                    path.unlink()

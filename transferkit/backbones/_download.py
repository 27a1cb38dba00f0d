"""Download weights into a temporary folder, check them, and move them into place in one step.

Keras writes to the final path, so a killed process leaves a partial file, and two processes write to the
same one. Here a subprocess downloads to its own folder, and only a complete, verified file is kept.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["download_beside", "note_of"]

_CODE = """
import os, sys
from importlib import import_module

os.dup2(2, 1)  # Keras prints its progress to the standard output
module, _, name = sys.argv[1].partition(":")
size = int(sys.argv[2])
try:
    getattr(import_module(module), name)(include_top=False, weights="imagenet", input_shape=(size, size, 3))
except Exception as error:
    with open(sys.argv[3], "w", encoding="utf-8") as stream:
        stream.write(f"{type(error).__name__}: {error}")
    sys.exit(1)
"""
_PREFIX = ".transferkit-download-"
_ABANDONED_SECONDS = 86_400  # age from which on a folder counts as left by a killed process


def note_of(path: Path) -> Path:
    """Return the path where the SHA-256 of a file is noted, as ``sha256sum`` writes it."""
    return path.with_name(f"{path.name}.sha256")


def download_beside(constructor: str, image_size: int, target: Path, check: Callable[[Path], str]) -> None:
    """Let Keras download the weights of a constructor, and move them to their target.

    Their SHA-256 is noted beside them, so that later damage is noticed even if Keras states no digest.

    Parameters
    ----------
    constructor : str
        As ``"module:name"``.
    image_size : int
        Side in pixels.
    target : Path
        Final path, in a folder ``models``.
    check : callable
        Returns the SHA-256 of a file, or raises if it is not the expected one.

    Raises
    ------
    OSError
        The download failed, or the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _clean(target.parent)
    folder = target.parent / f"{_PREFIX}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE, constructor, str(image_size), str(folder / "error")],
            check=False,
            env={
                **os.environ,
                "KERAS_HOME": str(folder),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
            },
        )
        arrived = folder / "models" / target.name
        if done.returncode or not arrived.is_file():
            report = folder / "error"
            raise OSError(report.read_text("utf-8") if report.exists() else f"exit code {done.returncode}")
        sha = check(arrived)
        note = folder / "note"
        note.write_text(f"{sha}  {target.name}\n", "utf-8")
        # Old note, file, new note: a kill in between leaves a file without a note, not with a wrong one.
        note_of(target).unlink(missing_ok=True)
        arrived.replace(target)
        note.replace(note_of(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clean(parent: Path) -> None:
    """Remove folders of processes that were killed long ago."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

"""Downloading weights: beside their place, checked, and put there in one step.

Keras writes straight to the final path, so that a process that is killed leaves half a file there, and two
processes write into the same one. Here another process lets Keras download into a folder of its own; what
arrives is whole and right, or it is not kept.
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

os.dup2(2, 1)  # Keras reports to the standard output, amid the user's results
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
_ABANDONED_SECONDS = 86_400  # what a killed process left behind


def note_of(path: Path) -> Path:
    """Return where the SHA-256 of a file is noted, as ``sha256sum`` does it."""
    return path.with_name(f"{path.name}.sha256")


def download_beside(constructor: str, image_size: int, target: Path, check: Callable[[Path], str]) -> None:
    """Let Keras download the weights of a constructor, and put them at their place.

    Their SHA-256 is noted beside them, since Keras states none for some: what is damaged later is noticed.

    Parameters
    ----------
    constructor : str
        As ``"module:name"``.
    image_size : int
    target : Path
        Where the file belongs, in a folder ``models``.
    check : callable
        Returns the SHA-256 of a file, or raises where it is not the right one.

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
            told = folder / "error"
            raise OSError(told.read_text("utf-8") if told.exists() else f"exit code {done.returncode}")
        sha = check(arrived)
        note = folder / "note"
        note.write_text(f"{sha}  {target.name}\n", "utf-8")
        # The note goes last, and the old one first: a kill in between leaves a file without one.
        note_of(target).unlink(missing_ok=True)
        arrived.replace(target)
        note.replace(note_of(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clean(parent: Path) -> None:
    """Remove what processes left behind that were killed long ago."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

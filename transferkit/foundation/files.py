"""Write files atomically: a crash leaves either the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside a path, and move it there once everything is written.

    After an error, such as a full disk, the old file is unchanged.
    """
    target = Path(path)
    temporary = target.parent / f".transferkit-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:  # name the path in the message, not the temporary file
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def write_text(path: str | os.PathLike[str], text: str, *, errors: str = "strict") -> None:
    """Write text as UTF-8, completely or not at all; line ends are not changed.

    ``errors`` says how to encode file names that are not valid text, as for ``str.encode``.
    """
    with replaced(path) as stream:
        stream.write(text.encode("utf-8", errors))


def _sync_folder(folder: Path) -> None:
    """Make the rename survive a power cut, if the system supports it; the file exists anyway."""
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

"""Write a file as a whole: a crash leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file beside a path, and put it in that place once all is written.

    After an error, such as a full disk, what was there before is as it was.
    """
    target = Path(path)
    temporary = target.parent / f".transferkit-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:  # whoever reads it knows nothing of the temporary file
        raise type(error)(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def write_text(path: str | os.PathLike[str], text: str, *, errors: str = "strict") -> None:
    """Write text in UTF-8, whole or not at all; lines end as they do in the text.

    ``errors`` says what becomes of names of files that are no text, as for ``str.encode``.
    """
    with replaced(path) as stream:
        stream.write(text.encode("utf-8", errors))


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut, where the system can; the file is there anyway."""
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

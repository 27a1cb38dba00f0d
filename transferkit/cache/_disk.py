"""A database on disk and its journal, which are renamed, deleted and measured together."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from transferkit.errors import CacheError

# The journal comes first: if the database were removed before it, another process could start a new database
# in between, and we would remove its new journal. Earlier versions kept a log of two files.
SUFFIXES = ("-journal", "-wal", "-shm", "")
OWN_NAME = re.compile(r"(?P<key>[0-9a-f]{64}|files)\.sqlite(?P<damaged>\.damaged-\d+)?")
# Including what a killed process left half written.
NOTE_NAME = re.compile(r"(engine|backbone|weights)-[0-9a-f]{32}\.json.*")
GRAPH_NAME = re.compile(r"graph-[0-9a-f]{32}\.bin.*")


def own_files(folder: Path) -> Iterator[tuple[Path, str, bool]]:
    """Yield path, key and whether it was set aside as damaged, for each database of the cache in a folder."""
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            match = OWN_NAME.fullmatch(path.name)
            if match:
                yield path, match["key"], match["damaged"] is not None


def note_path(folder: Path, kind: str, key: str) -> Path:
    """Return the path of the note (engine verdicts, probe outputs or weights path) on a network."""
    return folder / f"{kind}-{key[:32]}.json"


def note_files(folder: Path) -> list[Path]:
    """Return the files of notes in a folder."""
    return [path for path in folder.glob("*-*.json*") if NOTE_NAME.fullmatch(path.name)]


def graph_path(folder: Path, key: str) -> Path:
    """Return the path of the file with a converted graph."""
    return folder / f"graph-{key[:32]}.bin"


def graph_files(folder: Path) -> list[Path]:
    """Return the files of converted graphs in a folder."""
    return [path for path in folder.glob("graph-*") if GRAPH_NAME.fullmatch(path.name)]


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, or None if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def size_of(path: Path) -> int:
    """Return the size of a database in bytes."""
    return sum(status.st_size for status in _statuses(path))


def last_used(path: Path) -> float:
    """Return the time of last use of a database, in seconds since the epoch."""
    return max((status.st_mtime for status in _statuses(path)), default=0.0)


def set_aside(path: Path) -> Path:
    """Rename a database to the next free ``*.damaged-<n>``; return the new path."""
    number = 1
    while (aside := Path(f"{path}.damaged-{number}")).exists():
        number += 1
    for suffix in SUFFIXES:
        _take_away(Path(f"{path}{suffix}"), lambda file, to=f"{aside}{suffix}": file.replace(to))
    return aside


def remove(path: Path) -> int:
    """Delete a database and return the number of bytes freed."""
    freed = size_of(path)
    for suffix in SUFFIXES:
        _take_away(Path(f"{path}{suffix}"), Path.unlink)
    return freed


def _statuses(path: Path) -> list[os.stat_result]:
    statuses = []
    for suffix in SUFFIXES:
        with contextlib.suppress(FileNotFoundError):  # other processes may delete at any time
            statuses.append(Path(f"{path}{suffix}").stat())
    return statuses


def _take_away(file: Path, action: Callable[..., object]) -> None:
    try:
        action(file)
    except FileNotFoundError:
        return  # another process was faster, or the file has no log
    except OSError as error:
        raise CacheError(
            f"Cannot rename or delete {file}: {error.strerror}. Close the programs that use it.", path=file
        ) from error

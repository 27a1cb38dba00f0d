"""The file index: the digest of a file that stood still since it was hashed, without opening it.

A digest is trusted while size, modification time, change time, inode and device are what they
were. Times are coarse, though (2 s on FAT, some milliseconds elsewhere): a file that was changed
just before it was hashed may be changed again within the same tick and look the same. As git
does with its index, such an entry is not kept, and the file is hashed once more by a later run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection

from transferkit.cache._database import Database
from transferkit.cache._rows import RowKey, checksum, digest_bytes
from transferkit.cache._tables import chunked, marks

SCHEMA = """
CREATE TABLE files (path BLOB PRIMARY KEY, status TEXT NOT NULL, digest BLOB NOT NULL, crc INTEGER NOT NULL)
"""
FRESH_NS = 2_000_000_000


class FileIndex:
    """Digests of files by path. It serves images and weight files alike.

    Call `lookup`, hash what it does not know, and `remember` that; so the index knows a moment
    before which the hashing cannot have begun.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, SCHEMA, "files")
        self._asked: dict[bytes, int] = {}  # path -> when `lookup` did not know it, in ns

    def lookup(self, paths: Sequence[Path | str]) -> list[str | None]:
        """Return the digests of files, None where a file is new, changed, gone or too fresh to trust.

        No file is opened.

        Parameters
        ----------
        paths : sequence of path-like

        Returns
        -------
        list of str or None
            64 hex digits each.

        Raises
        ------
        CacheError
            The index cannot be read.
        """
        now = time.time_ns()
        names = [file_name(path) for path in paths]
        known: dict[bytes, tuple[str, bytes]] = {}
        for chunk in chunked(list(dict.fromkeys(names))):
            for name, status, digest, crc in self._database.read(lambda db: _entries(db, chunk)) or ():  # noqa: B023
                if entry_checksum(name, status, digest) == crc:
                    known[name] = (status, digest)
        digests: list[str | None] = []
        for name in names:
            status, digest = known.get(name, ("", b""))
            if status and status == current_status(name):
                digests.append(digest.hex())
            else:
                digests.append(None)
                self._asked.setdefault(name, now)  # the earliest: a thread may be hashing since then
        return digests

    def remember(self, entries: Sequence[tuple[Path | str, os.stat_result, str]]) -> None:
        """Keep the digests of files.

        Parameters
        ----------
        entries : sequence of (path-like, os.stat_result, str)
            The status must be taken *before* the file is read, and after `lookup`.

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits.
        CacheError
            The index cannot be written.
        """
        now = time.time_ns()
        kept, dropped = [], []
        for path, status, digest in entries:
            name, text, raw = file_name(path), status_text(status), digest_bytes(RowKey(digest, ""))
            if is_fresh(status, self._asked.pop(name, now)):
                dropped.append((name,))
            else:
                kept.append((name, text, raw, entry_checksum(name, text, raw)))

        def change(db: Connection) -> None:
            db.executemany("DELETE FROM files WHERE path = ?", dropped)
            db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", kept)

        if kept or dropped:
            self._database.write(change)

    def close(self) -> None:
        """Close the file. The next use opens it again."""
        self._database.close()


def file_name(path: Path | str) -> bytes:
    """Return the absolute path as bytes, which any name survives."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps "..")


def status_text(status: os.stat_result) -> str:
    """Return everything of a status that changes with the content."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} {status.st_dev}"


def current_status(name: bytes) -> str | None:
    """Return the status of a file as it is now."""
    try:
        return status_text(os.stat(name))  # noqa: PTH116 (Path takes no bytes)
    except OSError:
        return None


def is_fresh(status: os.stat_result, hashed_ns: int) -> bool:
    """Tell whether a change right after hashing could go unseen.

    A change time ahead of the clock counts as fresh. A modification time far ahead does not: users may
    set it to anything, and the change time still tells.
    """
    return status.st_ctime_ns > hashed_ns - FRESH_NS or abs(status.st_mtime_ns - hashed_ns) < FRESH_NS


def entry_checksum(name: bytes, status: object, digest: object) -> int | None:
    """Return the CRC32 of an entry, None if it is not even of the right types."""
    if not (isinstance(status, str) and isinstance(digest, bytes) and len(digest) == 32):
        return None
    return checksum(len(name), name, status.encode() + digest)


def _entries(db: Connection, names: Sequence[bytes]) -> list[tuple]:
    query = f"SELECT path, status, digest, crc FROM files WHERE path IN ({marks(names)})"
    return db.execute(query, names).fetchall()

"""The file index: digests of files that are unchanged since they were hashed, without opening them.

A digest is trusted while size, modification time, change time, inode and device are the same. Timestamps are
coarse, though (2 s on FAT, some milliseconds elsewhere): a file that was changed just before it was hashed
may change again within the same tick and look unchanged. As in git's index, such an entry is not kept, and
a later run hashes the file again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection

from transferkit.cache._database import Database
from transferkit.cache._later import soon as later
from transferkit.cache._patience import Patience
from transferkit.cache._rows import RowKey, checksum, digest_bytes
from transferkit.cache._tables import chunked, marks

SCHEMA = """
CREATE TABLE files (path BLOB PRIMARY KEY, status TEXT NOT NULL, digest BLOB NOT NULL, crc INTEGER NOT NULL)
"""
FRESH_NS = 2_000_000_000


class FileIndex:
    """Cache of file digests by path, for images and weight files.

    Call `lookup`, hash the files that it does not know, and `remember` them. The time of `lookup` tells the
    index when hashing can have started at the earliest.

    Parameters
    ----------
    path : Path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, SCHEMA, "files")
        self._reading, self._writing = Patience(self._database), Patience(self._database)
        self._lookup_times: dict[bytes, int] = {}  # path -> time of the first failed lookup, in ns

    def lookup(self, paths: Sequence[Path | str]) -> list[str | None]:
        """Return the digests of files without opening them.

        Parameters
        ----------
        paths : sequence of path-like

        Returns
        -------
        list of str or None
            64 hex digits each; None if a file is new, changed, missing or too fresh to be trusted.

        Raises
        ------
        CacheError
            The file belongs to another program or a newer version.
        """
        now = time.time_ns()
        names = [file_name(path) for path in paths]
        known = self._known(names)
        digests: list[str | None] = []
        for name in names:
            status, digest = known.get(name, ("", b""))
            if status and status == current_status(name):
                digests.append(digest.hex())
            else:
                digests.append(None)
                self._lookup_times.setdefault(name, now)  # keep the first: a thread may be hashing since
        return digests

    def remember(
        self, entries: Sequence[tuple[Path | str, os.stat_result, str]], *, soon: bool = False
    ) -> None:
        """Store the digests of files.

        Parameters
        ----------
        entries : sequence of (path-like, os.stat_result, str)
            Take the status after `lookup` and *before* reading the file.
        soon : bool, default=False
            Return at once, and write a moment later. Until then, the files are not known.

        Raises
        ------
        InvalidInputError
            A digest is not 64 hex digits.
        CacheError
            The file belongs to another program or a newer version.
        """
        now = time.time_ns()
        read = [
            (file_name(path), status, digest_bytes(RowKey(digest, ""))) for path, status, digest in entries
        ]
        # Each extraction of an image reports its file. A transaction for what is stored already would cost
        # more than the lookup.
        known = self._known([name for name, _, _ in read])
        kept, dropped = [], []
        for name, status, raw in read:
            text = status_text(status)
            if is_fresh(status, self._lookup_times.pop(name, now)):
                if name in known:
                    dropped.append((name,))
            elif known.get(name) != (text, raw):
                kept.append((name, text, raw, entry_checksum(name, text, raw)))

        def change(db: Connection) -> None:
            db.executemany("DELETE FROM files WHERE path = ?", dropped)
            db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", kept)

        def write(*, create: bool = False) -> None:
            if create or self.path.exists():
                self._writing.attempt(lambda: self._database.write(change), False)

        if not (kept or dropped):
            return
        if soon and self.path.exists():  # otherwise somebody may have deleted the folder by then
            later(write)
        else:
            write(create=True)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()

    def _known(self, names: Sequence[bytes]) -> dict[bytes, tuple[str, bytes]]:
        """Return the status and digest of each file that has an undamaged entry."""
        known: dict[bytes, tuple[str, bytes]] = {}
        for chunk in chunked(list(dict.fromkeys(names))):
            rows = self._reading.attempt(lambda: self._database.read(lambda db: _entries(db, chunk)), None)  # noqa: B023
            for name, status, digest, crc in rows or ():
                if entry_checksum(name, status, digest) == crc:
                    known[name] = (status, digest)
        return known


def file_name(path: Path | str) -> bytes:
    """Return the absolute path as bytes, which can hold any file name."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps "..")


def status_text(status: os.stat_result) -> str:
    """Return the fields of a status that change with the content."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} {status.st_dev}"


def current_status(name: bytes) -> str | None:
    """Return the present status of a file, or None if there is none."""
    try:
        return status_text(os.stat(name))  # noqa: PTH116 (Path takes no bytes)
    except OSError:
        return None


def is_fresh(status: os.stat_result, hashed_ns: int) -> bool:
    """Return True if the file is too fresh for its timestamp to be trusted.

    A change time in the future counts as fresh. A modification time far in the future does not: users may
    set it to anything, and the change time still detects changes.
    """
    return status.st_ctime_ns > hashed_ns - FRESH_NS or abs(status.st_mtime_ns - hashed_ns) < FRESH_NS


def entry_checksum(name: bytes, status: object, digest: object) -> int | None:
    """Return the CRC32 of an entry, or None if its types are wrong."""
    if not (isinstance(status, str) and isinstance(digest, bytes) and len(digest) == 32):
        return None
    return checksum(len(name), name, status.encode() + digest)


def _entries(db: Connection, names: Sequence[bytes]) -> list[tuple]:
    query = f"SELECT path, status, digest, crc FROM files WHERE path IN ({marks(names)})"
    return db.execute(query, names).fetchall()

"""One SQLite file that may be shared, damaged or read-only, or whose writer may be killed.

- Each process has one connection per file, behind a lock. Connections per thread would gain little, since
  SQLite has one writer anyway, and would leak when threads end. For forks see `_forks`.
- If another process replaced or removed the file, the inode shows it and the file is opened again.
- A damaged file is renamed and a new one is started.
- Reading never creates a file. If writing is not permitted, reading works and writing does nothing, with
  one warning.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from transferkit.cache._disk import identity_of, set_aside
from transferkit.cache._folder import logger, make_folder, warn_once
from transferkit.cache._forks import close_before_forks
from transferkit.cache._sqlite import (
    check_owner,
    create_tables,
    hint_for,
    is_empty,
    open_read_only,
    open_writable,
    use_rollback_journal,
)
from transferkit.errors import CacheError

# UnicodeDecodeError: messages of SQLite may quote damaged names.
DAMAGE = (sqlite3.Error, UnicodeDecodeError)
TRIES = 5
# While another process is removing a file, errors look like those of a failing disk.
REMOVAL_SECONDS = 0.1
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
Result = TypeVar("Result")


class UnavailableError(CacheError):
    """A sound cache that cannot be used now: its disk is full or fails, or another process has locked it."""


class Database:
    """A SQLite file with one of the cache's schemas.

    Parameters
    ----------
    path : Path
    schema : str
        SQL that creates the tables.
    identity : str or None
        Stored in the file and compared on opening. If None, any identity is accepted and the file is never
        created.
    """

    def __init__(self, path: Path, schema: str, identity: str | None) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._schema = schema
        self._identity = identity
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._writable = False
        close_before_forks(self)

    def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result | None:
        """Return ``query(connection)``, or None if the file is missing or damaged."""
        with self.lock:
            try:
                connection = self._connect(create=False)
                return None if connection is None else query(connection)
            except DAMAGE as error:
                self._recover(error)
                return None

    def write(self, change: Callable[[sqlite3.Connection], object]) -> bool:
        """Run ``change(connection)`` in a transaction; return False if writing is not permitted."""
        with self.lock:
            for _ in range(TRIES):
                try:
                    return self._try_to_write(change)
                except DAMAGE as error:
                    self._recover(error)
                    last = error
            raise self._error(last) from last

    def close(self) -> None:
        """Close the connection; the next use opens a new one."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        self.close()

    def _try_to_write(self, change: Callable[[sqlite3.Connection], object]) -> bool:
        connection = self._connect(create=True)
        if connection is None or not self._writable:
            warn_once(
                self.path.parent,
                "read-only",
                f"The cache folder {self.path.parent} is read-only: cached features are used, but new ones "
                "are not stored. Set TRANSFERKIT_CACHE to a writable folder.",
            )
            return False
        connection.execute("BEGIN IMMEDIATE")
        try:
            change(connection)
            connection.execute("COMMIT")
        except BaseException:  # also KeyboardInterrupt, which must not leave a transaction open
            if connection.in_transaction:  # SQLite rolls back by itself after some errors
                connection.execute("ROLLBACK")
            raise
        return True

    def _connect(self, *, create: bool) -> sqlite3.Connection | None:
        """Return the connection, or None if the file does not exist and cannot or should not be created."""
        if self._connection is not None:
            if not self._was_replaced():
                return self._connection
            self.close()
        exists = self.path.exists()
        if not exists and not (create and self._make_folder()):
            return None
        self._writable = os.access(self.path.parent, os.W_OK) and (
            not exists or os.access(self.path, os.W_OK)
        )
        if not exists and not self._writable:
            return None
        self._opened = identity_of(self.path)
        self._connection = (open_writable if self._writable else open_read_only)(self.path)
        self._opened = identity_of(self.path)
        ready = False
        try:
            ready = self._prepare(self._connection, create)
        finally:
            if not ready:
                self.close()
        return self._connection

    def _make_folder(self) -> bool:
        """Create the folder; return False if that is not permitted."""
        try:
            make_folder(self.path.parent)
        except CacheError:
            raise
        except OSError as error:
            if error.errno not in NOT_ALLOWED:
                raise self._error(error) from error
            return False
        return True

    def _prepare(self, connection: sqlite3.Connection, create: bool) -> bool:
        """Check that the file belongs to the cache; return False if it is empty and stays empty."""
        if is_empty(connection):
            if not create or not self._writable or self._identity is None:
                return False
            create_tables(connection, self._schema, self._identity)
        check_owner(connection, self.path, self._identity)
        if self._writable:
            use_rollback_journal(connection)
        return True

    def _recover(self, error: Exception) -> None:
        """Prepare for the next try: set a damaged file aside, raise if the cause lies elsewhere."""
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)):
            raise error  # a bug, not a damaged file
        self.close()
        outside = hint_for(error) is not None
        if outside and not self._was_replaced():
            time.sleep(REMOVAL_SECONDS)
        if self._was_replaced():
            return
        if outside:
            raise self._error(error) from error
        if not os.access(self.path.parent, os.W_OK):
            warn_once(self.path, "damaged", f"{self.path} is damaged ({error}) and is ignored.")
            return
        aside = set_aside(self.path)
        logger.warning(
            "%s is damaged (%s). It was renamed to %s and a new file was started.",
            self.path,
            error,
            aside.name,
        )

    def _was_replaced(self) -> bool:
        """Return True if another process has renamed, removed or replaced the opened file."""
        return self._opened != identity_of(self.path)

    def _error(self, error: Exception) -> UnavailableError:
        hint = hint_for(error) or "Set TRANSFERKIT_CACHE to another folder."
        return UnavailableError(
            f"The cache file {self.path} cannot be used: {error}. {hint} Rows stored earlier are kept.",
            path=self.path,
        )

"""One SQLite file that may be shared, killed, damaged or read-only.

- One connection for each process and file, behind a lock. Connections per thread would gain
  little, as SQLite has one writer anyway, and leak when threads end. For forks see `_forks`.
- A file that another process replaced or removed is noticed by its inode, and opened again.
- A damaged file is set aside by renaming, and a new one is begun.
- Reading never creates anything. Where nothing may be written, reading works and writing does
  nothing, after one warning.
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
    use_write_ahead_log,
)
from transferkit.errors import CacheError

# Messages of SQLite may quote damaged names.
DAMAGE = (sqlite3.Error, UnicodeDecodeError)
TRIES = 5
# A file that another process is just taking away fails like a bad disk until it is gone.
REMOVAL_SECONDS = 0.1
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
Result = TypeVar("Result")


class Database:
    """A SQLite file with one of our schemas.

    Parameters
    ----------
    path : Path
    schema : str
        SQL that creates the tables.
    identity : str or None
        What the file is for, stored in it and compared on opening. None: whatever the file says, and it is
        never created.
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
        """Return ``query(connection)``; None if there is no file or it is damaged."""
        with self.lock:
            try:
                connection = self._connect(create=False)
                return None if connection is None else query(connection)
            except DAMAGE as error:
                self._recover(error)
                return None

    def write(self, change: Callable[[sqlite3.Connection], object]) -> bool:
        """Run ``change(connection)`` as one transaction; return False where nothing may be written."""
        with self.lock:
            for _ in range(TRIES):
                try:
                    return self._try_to_write(change)
                except DAMAGE as error:
                    self._recover(error)
                    last = error
            raise self._error(last) from last

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
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
                f"The cache folder {self.path.parent} is read-only: features are read from it, new ones are "
                "not stored. Set TRANSFERKIT_CACHE to a folder you may write to.",
            )
            return False
        connection.execute("BEGIN IMMEDIATE")
        try:
            change(connection)
            connection.execute("COMMIT")
        except BaseException:  # KeyboardInterrupt too must not leave a transaction open
            if connection.in_transaction:  # after some errors SQLite has rolled back by itself
                connection.execute("ROLLBACK")
            raise
        return True

    def _connect(self, *, create: bool) -> sqlite3.Connection | None:
        """Return the connection, None if there is no file and none is to be made."""
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
        """Create the folder; return False if that is not allowed."""
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
        """Check that the file is ours; return False if it is empty and stays so."""
        if is_empty(connection):
            if not create or not self._writable or self._identity is None:
                return False
            create_tables(connection, self._schema, self._identity)
        check_owner(connection, self.path, self._identity)
        if self._writable:
            use_write_ahead_log(connection)
        return True

    def _recover(self, error: Exception) -> None:
        """Make way for the next try: set a damaged file aside; raise if the trouble lies elsewhere."""
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)):
            raise error  # our own mistake
        self.close()
        outside = hint_for(error) is not None
        if outside and not self._was_replaced():
            time.sleep(REMOVAL_SECONDS)
        if self._was_replaced():
            return
        if outside:
            raise self._error(error) from error
        if not os.access(self.path.parent, os.W_OK):
            warn_once(self.path, "damaged", f"{self.path} is damaged ({error}) and is not used.")
            return
        aside = set_aside(self.path)
        logger.warning(
            "%s is damaged (%s). It was renamed to %s and begun anew.", self.path, error, aside.name
        )

    def _was_replaced(self) -> bool:
        """Tell whether another process has set aside or cleared the file that we opened."""
        return self._opened != identity_of(self.path)

    def _error(self, error: Exception) -> CacheError:
        hint = hint_for(error) or "Set TRANSFERKIT_CACHE to another folder."
        return CacheError(
            f"The cache file {self.path} cannot be used: {error}. {hint} Rows stored before are kept.",
            path=self.path,
        )

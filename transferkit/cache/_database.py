"""One SQLite file that may be shared, killed, damaged or read-only.

Decisions:

- One connection for each process and file, behind a lock. Connections per thread would gain
  little (SQLite has one writer anyway) and leak when threads end.
- Before a fork all connections are closed, not only left alone in the child: SQLite keeps file
  locks in process-wide tables that a child would inherit and believe
  (https://sqlite.org/howtocorrupt.html, section 2.6).
- A file that was replaced or removed by another process is noticed by its inode, and reopened.
- A damaged file is set aside by renaming and a new one is begun.
- Reading never creates anything. In a read-only folder reading works and writing does nothing,
  after one warning.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from transferkit.cache._folder import logger, make_folder, warn_once
from transferkit.errors import CacheError

APPLICATION_ID = 0x544B6331  # "TKc1", so that `file` and SQLite tell it from other databases
SCHEMA_VERSION = 1
BUSY_SECONDS = 30
SIDE_FILES = ("-wal", "-shm", "")  # in the order in which they may be taken away, see `each_file`
# What SQLite says when the trouble lies outside the content of the file.
OUTSIDE = (
    "locked",
    "full",
    "disk i/o",
    "readonly",
    "unable to open",
    "interrupted",
    "protocol",
    "permission",
)
T = TypeVar("T")


class Database:
    """A SQLite file with our schema.

    Parameters
    ----------
    path : Path
    schema : str
        SQL that creates the tables.
    identity : str or None
        What the file is for, stored in it and compared on opening. None: whatever it says; such a
        database is never created.
    """

    def __init__(self, path: Path, schema: str, identity: str | None) -> None:
        self.path = path
        self._schema = schema
        self._identity = identity
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        self._writable = False
        _alive.add(self)

    def read(self, query: Callable[[sqlite3.Connection], T], missing: T) -> T:
        """Return ``query(connection)``, or ``missing`` if there is no file or it is damaged."""
        with self._lock:
            try:
                connection = self._connect(create=False)
                return missing if connection is None else query(connection)
            except sqlite3.Error as error:
                self._recover(error)
                return missing

    def write(self, change: Callable[[sqlite3.Connection], None]) -> bool:
        """Run ``change(connection)`` as one transaction; return False if the folder is read-only."""
        with self._lock:
            for last_try in (False, True):
                try:
                    connection = self._connect(create=True)
                    if connection is None or not self._writable:
                        self._warn_read_only()
                        return False
                    self._transact(connection, change)
                    return True
                except sqlite3.Error as error:
                    if "readonly" in str(error):
                        self._warn_read_only()
                        return False
                    self._recover(error, give_up=last_try)
            raise AssertionError("the second try returns or raises")

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        self.close()

    @staticmethod
    def _transact(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], None]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            change(connection)
            connection.execute("COMMIT")
        except BaseException:  # KeyboardInterrupt too must not leave a transaction open
            if connection.in_transaction:  # SQLite itself rolls back after some errors
                connection.execute("ROLLBACK")
            raise

    def _connect(self, *, create: bool) -> sqlite3.Connection | None:
        """Return the open connection, or None if there is no file and none could or should be made."""
        if self._connection is not None:
            if self._opened == file_identity(self.path):
                return self._connection
            self.close()
        if not self.path.exists():
            if not create or self._identity is None:
                return None
            try:
                make_folder(self.path.parent)
            except PermissionError:
                return None
            except OSError as error:
                raise self._error(error) from error
        exists = self.path.exists()
        self._writable = os.access(self.path.parent, os.W_OK) and (
            not exists or os.access(self.path, os.W_OK)
        )
        if not exists and not self._writable:
            return None
        self._connection = self._open_writable() if self._writable else self._open_read_only()
        self._opened = file_identity(self.path)
        ready = False
        try:
            ready = self._prepare(self._connection)
        finally:
            if not ready:
                self.close()
        return self._connection

    def _open_writable(self) -> sqlite3.Connection:
        connection = connect(str(self.path))
        connection.execute("PRAGMA page_size = 16384")  # of a new file; large rows, fewer pages
        return connection

    def _open_read_only(self) -> sqlite3.Connection:
        """Open without a lock where the folder allows none (WAL needs a file beside the database)."""
        address = "file:" + quote(str(self.path.absolute()))
        connection = connect(f"{address}?mode=ro")
        try:
            connection.execute("SELECT COUNT(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            connection.close()
            connection = connect(f"{address}?immutable=1")
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> bool:
        """Check that the file is ours, and create the tables in an empty one; False if that must wait."""
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        if self._is_empty(connection):
            if not self._writable or self._identity is None:
                return False
            connection.execute("BEGIN IMMEDIATE")
            if self._is_empty(connection):  # another process may have been faster
                for statement in self._schema.split(";"):
                    connection.execute(statement)
                connection.execute("CREATE TABLE about (identity TEXT NOT NULL)")
                connection.execute("INSERT INTO about VALUES (?)", (self._identity,))
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        self._check(connection)
        if self._writable:
            use_write_ahead_log(connection)
        return True

    @staticmethod
    def _is_empty(connection: sqlite3.Connection) -> bool:
        return pragma(connection, "schema_version") == 0

    def _check(self, connection: sqlite3.Connection) -> None:
        if pragma(connection, "application_id") != APPLICATION_ID:
            raise CacheError(
                f"{self.path} is a database of another program (application id "
                f"{pragma(connection, 'application_id')}, expected {APPLICATION_ID}). "
                "Move it away, or set TRANSFERKIT_CACHE to another folder.",
                path=self.path,
            )
        version = pragma(connection, "user_version")
        if version > SCHEMA_VERSION:
            raise CacheError(
                f"{self.path} was written by a newer transferkit (cache schema {version}, this one knows "
                f"{SCHEMA_VERSION}). Upgrade transferkit, delete the file, or set TRANSFERKIT_CACHE to another folder.",
                path=self.path,
            )
        if version < SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"cache schema {version} is older than {SCHEMA_VERSION}")
        identities = [row[0] for row in connection.execute("SELECT identity FROM about")]
        if self._identity is not None and identities != [self._identity]:
            raise sqlite3.DatabaseError("it says it is for something else than its name")

    def _recover(self, error: sqlite3.Error, *, give_up: bool = False) -> None:
        """Set a damaged file aside; raise if the trouble lies elsewhere."""
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)):
            raise error  # our own mistake
        outside = isinstance(error, (sqlite3.OperationalError, sqlite3.DataError)) and any(
            words in str(error).lower() for words in OUTSIDE
        )
        moved_by_another = self._opened is not None and self._opened != file_identity(self.path)
        self.close()
        if outside or give_up:
            raise self._error(error) from error
        if moved_by_another:
            return
        if not os.access(self.path.parent, os.W_OK):
            warn_once(self.path, "damaged", f"{self.path} is damaged ({error}) and is not used.")
            return
        aside = set_aside(self.path)
        logger.warning(
            "%s is damaged (%s). It was renamed to %s and begun anew.", self.path, error, aside.name
        )

    def _error(self, error: Exception) -> CacheError:
        hint = "Free some space or choose another folder by TRANSFERKIT_CACHE; rows stored before are kept."
        return CacheError(f"The cache file {self.path} cannot be used: {error}. {hint}", path=self.path)

    def _warn_read_only(self) -> None:
        folder = self.path.parent
        warn_once(
            folder,
            "read-only",
            f"The cache folder {folder} is read-only: features are read from it, new ones are not stored. "
            "Set TRANSFERKIT_CACHE to a folder you may write to.",
        )


def connect(address: str) -> sqlite3.Connection:
    """Open a connection that any thread may use under our lock, without implicit transactions."""
    return sqlite3.connect(
        address,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return the number that a PRAGMA tells."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Two processes that switch a new file at once get "locked" without a wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one that took its name."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def set_aside(path: Path) -> Path:
    """Rename a database to the next free ``*.damaged-<n>`` and return that."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in SIDE_FILES:
        take_away(Path(f"{path}{suffix}"), lambda file, suffix=suffix: file.replace(f"{aside}{suffix}"))
    return aside


def remove(path: Path) -> int:
    """Delete a database and return the number of bytes freed."""
    freed = 0
    for suffix in SIDE_FILES:
        file = Path(f"{path}{suffix}")
        freed += file.stat().st_size if file.exists() else 0
        take_away(file, Path.unlink)
    return freed


def take_away(file: Path, action: Callable[[Path], object]) -> None:
    """Rename or delete one file.

    The log goes before the database: the other way round, the log of a database that another
    process begins in between would be taken for the old one.
    """
    try:
        action(file)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CacheError(
            f"Cannot rename or delete {file}: {error.strerror}. Close the programs that use it.", path=file
        ) from error


_alive: weakref.WeakSet[Database] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[Database] = []


def _before_fork() -> None:
    _forking.acquire()
    for database in list(_alive):
        database._lock.acquire()
        database.close()
        _held.append(database)


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()
    _forking.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)

"""Connections to SQLite: settings, errors, and the check that a file belongs to the cache."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from transferkit.errors import CacheError

APPLICATION_ID = 0x544B6331  # "TKc1": distinguishes the cache from other databases
SCHEMA_VERSION = 1
BUSY_SECONDS = 30
PAGE_SIZE = 8192  # few pages for large rows, little waste for small ones
# Messages of SQLite whose cause is not the content of the file, and what to do about them.
HINTS = {
    "locked": f"Another process has locked it for more than {BUSY_SECONDS} s. Wait for it, or stop it.",
    "full": "Free some space, or set TRANSFERKIT_CACHE to a folder on another disk.",
    "disk i/o": "Check the disk, or set TRANSFERKIT_CACHE to a folder on another disk.",
    "unable to open": "Check the folder, or set TRANSFERKIT_CACHE to another folder.",
    "permission": "Check the permissions, or set TRANSFERKIT_CACHE to another folder.",
    "readonly": "Check the permissions, or set TRANSFERKIT_CACHE to another folder.",
    "protocol": "Do several machines share the folder? Set TRANSFERKIT_CACHE to a folder on a local disk.",
    "interrupted": "Try again.",
    "too big": "A row must be smaller than 1 GB.",
}


def hint_for(error: Exception) -> str | None:
    """Return what to do about an error, or None if the content of the file is damaged."""
    text = str(error).lower()
    return next((hint for words, hint in HINTS.items() if words in text), None)


def open_writable(path: Path) -> sqlite3.Connection:
    """Open or create a file."""
    connection = _connect(str(path))
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a file for reading, without locks where a log or journal was left in a read-only folder."""
    address = f"file:{quote(str(path.absolute()))}"
    connection = _connect(f"{address}?mode=ro")
    try:
        is_empty(connection)
    except sqlite3.OperationalError:
        connection.close()
        connection = _connect(f"{address}?immutable=1")
    return connection


def _connect(address: str) -> sqlite3.Connection:
    """Open a connection without implicit transactions, for all threads (`Database` holds the lock)."""
    connection = sqlite3.connect(
        address,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return the value of an integer PRAGMA."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def is_empty(connection: sqlite3.Connection) -> bool:
    """Return True if nothing was ever created in the file."""
    return pragma(connection, "schema_version") == 0


def create_tables(connection: sqlite3.Connection, schema: str, identity: str) -> None:
    """Create the tables in one transaction, unless another process was faster."""
    connection.execute("BEGIN IMMEDIATE")
    if is_empty(connection):
        for statement in schema.split(";"):
            connection.execute(statement)
        connection.execute("CREATE TABLE about (identity TEXT NOT NULL)")
        connection.execute("INSERT INTO about VALUES (?)", (identity,))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def check_owner(connection: sqlite3.Connection, path: Path, identity: str | None) -> None:
    """Raise CacheError for a foreign or newer file, sqlite3.DatabaseError for an unusable one."""
    found = pragma(connection, "application_id")
    if found != APPLICATION_ID:
        if is_empty(connection):  # it was not a moment ago
            raise sqlite3.DatabaseError("the file was emptied while it was opened")
        raise CacheError(
            f"{path} is a database of another program: expected application id {APPLICATION_ID}, "
            f"got {found}. Move it away, or set TRANSFERKIT_CACHE to another folder.",
            path=path,
        )
    version = pragma(connection, "user_version")
    if version > SCHEMA_VERSION:
        raise CacheError(
            f"{path} was written by a newer transferkit: expected cache schema {SCHEMA_VERSION}, "
            f"got {version}. Upgrade transferkit, delete the file, or set TRANSFERKIT_CACHE to another "
            "folder.",
            path=path,
        )
    if version < SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"cache schema {version} is older than {SCHEMA_VERSION}")
    identities = [row[0] for row in connection.execute("SELECT identity FROM about")]
    if len(identities) != 1 or identity not in (None, identities[0]):
        raise sqlite3.DatabaseError("its content does not match its name")


def use_rollback_journal(connection: sqlite3.Connection) -> None:
    """Use no file that SQLite maps into memory: if another program truncates it, the process dies (SIGBUS).

    A write-ahead log would need such a file. A file of an earlier version keeps its log for as long as
    another process has it open.
    """
    connection.execute("PRAGMA mmap_size = 0")
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = NORMAL")

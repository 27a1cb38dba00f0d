"""Eviction when the cache would exceed ``max_bytes``.

In this order: files set aside as damaged; whole spaces, least recently used first, except those used within
the last hour, which another process may be using; in the present space, the oldest rows of images that the
present run does not use. If that is not enough, new rows are not stored: a run larger than the cache that
evicted its own rows would have no hits next time.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from sqlite3 import Connection

from transferkit.cache._database import Database
from transferkit.cache._disk import last_used, own_files, remove, size_of
from transferkit.cache._folder import warn_once
from transferkit.cache._space import FeatureSpace
from transferkit.cache._sqlite import pragma

SPARED_SECONDS = 3600
ROWS_PER_STEP = 16
SHARE = 0.5  # default limit, as a fraction of the space that is free or used by the cache
CHECK_SECONDS = 60


class HalfOfDisk:
    """The default limit: half of the disk space that is free or used by the cache.

    Measuring takes as long as storing a row, so it is repeated only after a minute, or when a hundredth of
    the free space has been filled.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._left = 0

    def __call__(self, space: FeatureSpace, n_bytes: int) -> bool:
        """Evict until ``n_bytes`` more fit; return False if that is impossible."""
        self._left -= n_bytes
        if self._left > 0 and time.monotonic() < self._until:
            return True
        free = free_bytes(space.path.parent)
        held = sum(size_of(path) for path, *_ in own_files(space.path.parent))
        limit = int(SHARE * (free + held))
        fits = make_room(space, n_bytes, limit)
        if held + n_bytes < limit:
            self._left = min(free // 100, limit - held - n_bytes)
            self._until = time.monotonic() + CHECK_SECONDS
        return fits


def free_bytes(folder: Path) -> int:
    """Return the free space of the disk that a folder is, or will be, on."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def make_room(space: FeatureSpace, n_bytes: int, max_bytes: int) -> bool:
    """Evict until ``n_bytes`` more fit; return False if that is impossible."""
    others = [file for file in own_files(space.path.parent) if file[0] != space.path]
    held = sum(size_of(path) for path, *_ in others) + used_bytes(space.database)
    excess = held + n_bytes - max_bytes
    if excess <= 0:
        return True
    oldest = time.time() - SPARED_SECONDS
    victims = [path for path, _, damaged in others if damaged]
    victims += sorted(
        (
            path
            for path, key, damaged in others
            if not damaged and key != "files" and last_used(path) < oldest
        ),
        key=last_used,
    )
    for path in victims:
        excess -= remove(path)
        if excess <= 0:
            return True
    excess -= evict_rows(space, excess)
    if excess > 0:
        warn_once(
            space.path.parent,
            "max_bytes",
            f"The cache {space.path.parent} has reached max_bytes={max_bytes:,}: new features are not "
            "stored. Increase max_bytes, or call FeatureCache.clear().",
        )
    return excess <= 0


def used_bytes(database: Database) -> int:
    """Return the bytes in use, without free pages, which are reused before the file grows."""
    return database.read(_used) or 0


def evict_rows(space: FeatureSpace, n_bytes: int) -> int:
    """Delete the oldest rows of images that the present run does not use; return the bytes freed."""
    freed = 0

    def change(db: Connection) -> None:
        nonlocal freed
        before, freed = _used(db), 0
        while freed < n_bytes:
            query = "SELECT id, digest FROM rows WHERE id > ? ORDER BY id LIMIT ?"
            rows = db.execute(query, (space.spared_up_to, ROWS_PER_STEP)).fetchall()
            if not rows:
                break
            space.spared_up_to = rows[-1][0]
            victims = [(number,) for number, digest in rows if digest not in space.wanted]
            db.executemany("DELETE FROM rows WHERE id = ?", victims)
            freed = before - _used(db)

    space.database.write(change)
    return freed


def _used(db: Connection) -> int:
    return (pragma(db, "page_count") - pragma(db, "freelist_count")) * pragma(db, "page_size")

"""Features that were computed before, stored in SQLite files.

- ``_rows``: encode an array as bytes with a checksum, and decode it only if the checksum matches;
- ``_database``: one SQLite file that may be shared, damaged or read-only, or whose writer may be killed,
  with ``_sqlite`` (connections and settings), ``_disk`` (the three files of a database), ``_forks`` and
  ``_folder``;
- ``_space`` and ``_files``: the two kinds of database, features by content (SQL in ``_tables``, names in
  ``_recipes``) and file digests by path;
- ``_notes`` and ``_graphs``: small facts about networks, and converted ones, beside the databases;
- ``_memory``: feature spaces in memory, with the interface of ``_protocol``;
- ``_later``: what is written a moment later, so that no prediction waits for the disk; rows in ``_waiting``;
- ``_cache``: the folder of all databases, with ``_report`` (what it contains), ``_explain`` (the reason for
  a miss) and ``_room`` (what is evicted when it grows too large).

Features can always be computed again. Anything doubtful is therefore a miss, never a wrong row and never an
error; only a disk that fails or is full raises.
"""

from transferkit.cache._cache import FeatureCache
from transferkit.cache._files import FileIndex
from transferkit.cache._graphs import GraphFile
from transferkit.cache._memory import MemorySpace, RecentSpace, SpillingSpace
from transferkit.cache._notes import Note
from transferkit.cache._protocol import Space
from transferkit.cache._report import CacheInfo, SpaceInfo
from transferkit.cache._rows import RowKey
from transferkit.cache._space import FeatureSpace

__all__ = [
    "CacheInfo",
    "FeatureCache",
    "FeatureSpace",
    "FileIndex",
    "GraphFile",
    "MemorySpace",
    "Note",
    "RecentSpace",
    "RowKey",
    "Space",
    "SpaceInfo",
    "SpillingSpace",
]

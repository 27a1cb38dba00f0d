"""Features that were computed once, kept in SQLite files.

One idea each:

- ``_rows``: an array becomes bytes with a checksum, and comes back right or not at all;
- ``_database``: one SQLite file that may be shared, killed, damaged or read-only, with ``_sqlite``
  (what we ask of SQLite), ``_disk`` (its three files), ``_forks`` and ``_folder``;
- ``_space`` and ``_files``: the two kinds of file, features by content (SQL in ``_tables``, names
  in ``_recipes``) and digests by path;
- ``_cache``: the folder of them all, with ``_report`` (what is in it), ``_explain`` (why was this a
  miss) and ``_room`` (what goes when it grows too large).

A cache may always be computed again. So whatever is in doubt is a miss, never a wrong row, and
never a reason to stop; only a disk that fails or is full is an error.
"""

from transferkit.cache._cache import FeatureCache
from transferkit.cache._disk import verdict_path
from transferkit.cache._files import FileIndex
from transferkit.cache._report import CacheInfo, SpaceInfo
from transferkit.cache._rows import RowKey
from transferkit.cache._space import FeatureSpace

__all__ = ["CacheInfo", "FeatureCache", "FeatureSpace", "FileIndex", "RowKey", "SpaceInfo", "verdict_path"]

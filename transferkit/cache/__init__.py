"""Features that were computed once, kept in SQLite files.

Four ideas, one file each:

- ``_rows``: an array becomes bytes with a checksum, and comes back right or not at all;
- ``_database``: one SQLite file that may be shared, killed, damaged or read-only;
- ``_space`` and ``_files``: the two kinds of file, features by content and digests by path;
- ``_cache``: the folder of them all, with ``_report`` (what is in it, and why was this a miss)
  and ``_room`` (what goes when it grows too large).

A cache may always be computed again. So whatever is in doubt is a miss, never a wrong row, and
never a reason to stop; only a disk that fails or is full is an error.
"""

from transferkit.cache._cache import FeatureCache
from transferkit.cache._files import FileIndex
from transferkit.cache._report import CacheInfo, SpaceInfo
from transferkit.cache._rows import RowKey
from transferkit.cache._space import FeatureSpace

__all__ = ["CacheInfo", "FeatureCache", "FeatureSpace", "FileIndex", "RowKey", "SpaceInfo"]

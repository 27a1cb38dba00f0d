"""Digests of files, cached while a file is unchanged."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


def digests_of(path: Path) -> tuple[str, str]:
    """Return the SHA-256 and the MD5 of a file."""
    stat = path.stat()
    return _digests(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@functools.lru_cache(maxsize=64)
def _digests(path: str, *_stat: int) -> tuple[str, str]:
    """Hash a file; cached while its size, times and inode are unchanged."""
    sha, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as stream:  # noqa: PTH123 - a string keeps the cache key plain
        while block := stream.read(1 << 20):
            sha.update(block)
            md5.update(block)
    return sha.hexdigest(), md5.hexdigest()

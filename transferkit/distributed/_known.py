"""Find images that are already in an output, by name and file status or by content, in 48 bytes per image."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transferkit._version import __version__
from transferkit.distributed._manifest import Manifest
from transferkit.distributed._shards import ShardName, arrow, read_shard, shards_among
from transferkit.distributed._store import Store
from transferkit.errors import CacheError
from transferkit.images import local_path

logger = logging.getLogger("transferkit")
_FRESH_NS = 2_000_000_000
Words = NDArray[np.uint64]


class Keys:
    """Positions of texts, found by 128-bit hashes, because the texts would take too much memory."""

    def __init__(self, keys: Words) -> None:
        self._order = np.lexsort((keys[:, 1], keys[:, 0]))
        self._keys = keys[self._order]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Keys:
        """Return the keys of texts."""
        return cls(hashes(texts))

    def find(self, keys: Words) -> NDArray[np.int64]:
        """Return the position of each key, or -1 if it is missing."""
        n, found = len(self._keys), np.full(len(keys), -1, np.int64)
        at = np.searchsorted(self._keys[:, 0], keys[:, 0])
        open_ = np.arange(len(keys))
        while len(open_ := open_[at[open_] < n]):
            there = self._keys[at[open_]]
            same = (there == keys[open_]).all(axis=1)
            found[open_[same]] = self._order[at[open_[same]]]
            open_ = open_[~same & (there[:, 0] == keys[open_, 0])]  # equal halves of hashes are very rare
            at[open_] += 1
        return found


def hashes(texts: Sequence[str]) -> Words:
    """Return a 128-bit hash of each text, shape (n, 2)."""
    raw = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest() for text in texts
    )
    return np.frombuffer(raw, "<u8").reshape(-1, 2)


def digest_words(digests: Sequence[str]) -> Words:
    """Return the first 128 bits of hexadecimal digests, shape (n, 2)."""
    return np.frombuffer(bytes.fromhex("".join(digest[:32] for digest in digests)), "<u8").reshape(-1, 2)


def file_status(path: str, now_ns: int) -> str:
    """Return size and times of a file, which show changes; "" for addresses and files changed just now."""
    if local_path(path) is None:
        return ""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return ""
    # Times are coarse: a file may change twice within a tick. Times in the future are useless, too.
    if max(status.st_ctime_ns, status.st_mtime_ns) > now_ns - _FRESH_NS:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


class Known:
    """The images that earlier runs have processed.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n, 2)
        Keys of the names of images.
    statuses : ndarray of uint64, shape (n,)
        Hash of the status of each file; 0 if the status is unknown or the image is to be tried again.
    contents : ndarray of uint64, shape (n,)
        First half of the key of each digest; 0 for failures.
    digests : ndarray of uint64, shape (m, 2)
        Keys of the contents that have rows.
    """

    def __init__(self, keys: Words, statuses: Words, contents: Words, digests: Words) -> None:
        self._names, self._statuses, self._contents = Keys(keys), statuses, contents
        self._digests = Keys(digests)

    @classmethod
    def nothing(cls) -> Known:
        """Return the object for a new, empty output."""
        none = np.empty((0, 2), np.uint64)
        return cls(none, none[:, 0], none[:, 0], none)

    @classmethod
    def read(cls, store: Store, manifest: Manifest, *, retry_failed: bool) -> Known:
        """Read names, statuses and digests from all shards; for each image, the latest run counts."""
        none = np.empty((0, 2), np.uint64)
        keys, statuses, contents, digests = [none], [none[:, 0]], [none], [none]
        for shard in shards_among(store.names()):
            try:
                names, status, content = _entries(store, shard, manifest, retry_failed)
            except CacheError as error:
                logger.warning("%s Its images are computed again now.", error)
                continue
            keys.append(names)
            statuses.append(status)
            contents.append(content)
            if shard.kind == "features":
                digests.append(content)
        last = _last_of_each(np.concatenate(keys))
        status, content, rows = (
            np.concatenate(statuses)[last],
            np.concatenate(contents)[last],
            np.concatenate(digests),
        )
        lost = content.any(axis=1) & (Keys(rows).find(content) < 0)  # links to shards that no longer exist
        status[lost], content[lost] = 0, 0
        return cls(np.concatenate(keys)[last], status, content[:, 0], rows)

    def __len__(self) -> int:
        return len(self._statuses)

    def skip(
        self, ids: Sequence[str], paths: Sequence[str], statuses: Sequence[str], *, trust_addresses: bool
    ) -> NDArray[np.bool_]:
        """Return which images need not be opened, because their files have not changed.

        ``paths`` are where the images named by ``ids`` are read; addresses among them have no status.
        """
        at = self._names.find(hashes(ids))
        known = at >= 0
        if not known.any():
            return known
        before, now = self._statuses[at], hashes(statuses)[:, 0]
        same = known & (before != 0) & (before == now)
        if trust_addresses:
            remote = np.array([local_path(name) is None for name in paths])
            same |= known & remote & (self._contents[at] != 0)
        return same

    def has(self, digest: str) -> bool:
        """Return True if there is a row for this content."""
        return bool(self._digests.find(digest_words([digest]))[0] >= 0)

    def is_same(self, name: str, digest: str) -> bool:
        """Return True if there is already an image with this name and content."""
        at = int(self._names.find(hashes([name]))[0])
        return at >= 0 and bool(self._contents[at] == digest_words([digest])[0, 0])


def _last_of_each(keys: Words) -> NDArray[np.int64]:
    """Return the position of the last occurrence of each key."""
    order = np.lexsort((np.arange(len(keys)), keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    last = np.ones(len(keys), bool)
    last[:-1] = (ordered[1:] != ordered[:-1]).any(axis=1)
    found: NDArray[np.int64] = order[last]
    return found


def _entries(
    store: Store, shard: ShardName, manifest: Manifest, retry_failed: bool
) -> tuple[Words, Words, Words]:
    """Return keys of names, statuses (0 if to be tried again) and contents (0 for failures) of a shard."""
    what = "by" if shard.kind == "failures" else "digest"
    wanted = ["id", "status", what, *(["view"] if shard.kind == "features" else [])]
    with store.open(shard.name) as stream:
        table = read_shard(stream, store.place(shard.name), wanted, manifest.covers)
    if shard.kind == "features":
        table = table.filter(arrow().compute.equal(table["view"], manifest.views[0]))
    names, statuses, found = (table[name].to_pylist() for name in ("id", "status", what))
    status = hashes(statuses)[:, 0].copy()
    status[[not text for text in statuses]] = 0
    if what == "digest":
        return hashes(names), status, digest_words(found)
    status[[retry_failed or by != made_by() for by in found]] = 0
    return hashes(names), status, np.zeros((len(names), 2), np.uint64)


def made_by() -> str:
    """Return the versions that decide whether an image can be decoded; with others, failures are retried."""
    import PIL

    return f"transferkit {__version__}, Pillow {PIL.__version__}"


def absolute(name: str, root: str) -> str:
    """Return the path or address of an image; names may be relative to ``root``."""
    if local_path(name) is None or os.path.isabs(name):  # noqa: PTH117 - as it was given
        return name
    return f"{root.rstrip('/')}/{name}"

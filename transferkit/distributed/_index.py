"""An index of an output: sorted names of images, each with its shard and row."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.distributed._known import Keys, digest_words, hashes
from transferkit.distributed._manifest import Manifest
from transferkit.distributed._shards import arrow, read_shard, shards_among
from transferkit.distributed._store import Store
from transferkit.errors import CacheError

logger = logging.getLogger("transferkit")
Places = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Index:
    """Names of images, and the shard and row of each.

    Attributes
    ----------
    files : list of str
        Shards with features.
    names, contents : pyarrow.Array
        Names and digests; Arrow stores texts compactly.
    files_at, rows_at : ndarray of int32, shape (n,)
        Index into ``files``, and row among those of the first view.
    failures : dict of str to str
        Reasons why images have no features, by name.
    """

    files: list[str]
    names: Any = field(repr=False)
    contents: Any = field(repr=False)
    files_at: Places = field(repr=False)
    rows_at: Places = field(repr=False)
    failures: dict[str, str] = field(repr=False)

    @classmethod
    def read(cls, store: Store, manifest: Manifest) -> Index:
        """Read the names in all shards; for each image, the latest run counts.

        Shards that are damaged, or belong to another feature space, are left out.
        """
        pa = arrow()
        files: list[str] = []
        tables: list[Any] = []
        reasons: dict[int, list[str]] = {}
        for shard in shards_among(store.names()):
            try:
                table = _entries(store, shard, manifest)
            except CacheError as error:
                logger.warning("%s", error)
                continue
            at = len(tables)
            if shard.kind == "failures":
                reasons[at] = table["reason"].to_pylist()
                table = table.drop_columns(["reason"]).append_column(
                    "digest", pa.nulls(len(table), pa.string())
                )
            file = len(files) if shard.kind == "features" else -1
            if file >= 0:
                files.append(shard.name)
            tables.append(
                pa.table(
                    {
                        "id": table["id"].cast(pa.large_string()),
                        "digest": table["digest"].cast(pa.large_string()),
                        "file": np.full(len(table), file, np.int32),
                        "row": np.arange(len(table), dtype=np.int32),
                        "table": np.full(len(table), at, np.int32),
                    }
                )
            )
        empty = pa.schema([("id", pa.large_string()), ("digest", pa.large_string()), ("file", pa.int32()),
                           ("row", pa.int32()), ("table", pa.int32())])  # fmt: skip
        return cls._of(files, pa.concat_tables([empty.empty_table(), *tables]).combine_chunks(), reasons)

    @classmethod
    def _of(cls, files: list[str], table: Any, reasons: dict[int, list[str]]) -> Index:
        """Resolve links by content, and keep the latest entry of each name."""
        pc = arrow().compute
        file, row = (table[name].to_numpy().copy() for name in ("file", "row"))
        has_rows = np.flatnonzero(file >= 0)
        linked = np.flatnonzero((file < 0) & table["digest"].is_valid().to_numpy())
        if len(linked):
            contents = Keys(digest_words(table["digest"].take(has_rows).to_pylist()))
            at = contents.find(digest_words(table["digest"].take(linked).to_pylist()))
            there = linked[at >= 0]
            file[there], row[there] = file[has_rows[at[at >= 0]]], row[has_rows[at[at >= 0]]]
        order = pc.sort_indices(table["id"]).to_numpy()  # stable, so that later runs come later
        names = table["id"].take(order)
        last = np.ones(len(order), bool)
        if len(order):
            last[:-1] = pc.not_equal(names.slice(1), names.slice(0, len(order) - 1)).to_numpy()
        order = order[last]
        failed = order[file[order] < 0]
        which, position = table["table"].to_numpy(), table["row"].to_numpy()
        failures = {
            name: reasons[which[i]][position[i]]
            if which[i] in reasons
            else "The shard with its rows is gone."
            for name, i in zip(table["id"].take(failed).to_pylist(), failed.tolist(), strict=True)
        }
        order = order[file[order] >= 0]
        return cls(
            files, table["id"].take(order), table["digest"].take(order), file[order], row[order], failures
        )

    def __len__(self) -> int:
        return len(self.files_at)

    @functools.cached_property
    def ids(self) -> NDArray[np.object_]:
        """Names as objects."""
        return np.array(self.names.to_pylist(), dtype=object)

    @functools.cached_property
    def digests(self) -> NDArray[np.object_]:
        """Digests as objects."""
        return np.array(self.contents.to_pylist(), dtype=object)

    @functools.cached_property
    def _keys(self) -> Keys:
        return Keys(hashes(self.names.to_pylist()))

    def find(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the position of each name, or -1 if it has no features."""
        return self._keys.find(hashes(names))


def _entries(store: Store, shard: Any, manifest: Manifest) -> Any:
    """Return the names in a shard, with their digests or reasons."""
    columns = {"features": ["id", "digest", "view"], "links": ["id", "digest"], "failures": ["id", "reason"]}
    with store.open(shard.name) as stream:
        table = read_shard(stream, store.place(shard.name), columns[shard.kind], manifest.covers)
    if shard.kind != "features":
        return table
    return table.filter(arrow().compute.equal(table["view"], manifest.views[0])).drop_columns(["view"])

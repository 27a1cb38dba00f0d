"""Shards: Parquet files for one block of images, with arrays as columns that are not copied.

There are three kinds, each complete or missing: ``features`` (one row per image and view), ``links`` (images
whose content has a row under another name) and ``failures``. The file name contains the number of the run and
a digest of the block, so that a block that is repeated after the loss of a worker replaces its own files.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import CacheError, MissingDependencyError

KINDS = ("features", "links", "failures")
_MARK, _TAIL = b"tkF1", 8  # length of the footer, and "PAR1"
_MANIFEST = b"transferkit manifest"
_NAME = re.compile(rf"({'|'.join(KINDS)})-(\d{{5,}})-[0-9a-f]{{24}}\.parquet")


class ShardName(NamedTuple):
    """The parts of the file name of a shard."""

    run: int
    kind: str
    name: str


def shard_name(kind: str, run: int, ids: Iterable[str]) -> str:
    """Return the file name of a shard for these images."""
    hashed = hashlib.sha256()
    for text in ids:
        raw = text.encode("utf-8", "surrogateescape")
        hashed.update(b"%d:%b" % (len(raw), raw))
    return f"{kind}-{run:05}-{hashed.hexdigest()[:24]}.parquet"


def shards_among(names: Iterable[str]) -> list[ShardName]:
    """Return the shards among files, earlier runs first."""
    found = [ShardName(int(match[2]), match[1], name) for name in names if (match := _NAME.fullmatch(name))]
    return sorted(found)


def arrow() -> Any:
    """Import and return pyarrow with its modules for Parquet and computing."""
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("pyarrow", "ray", "transferkit.distributed") from error
    return pyarrow


def column_of(array: NDArray[np.float32], *, half: bool) -> tuple[Any, Any]:
    """Return the field (without a name) and the column for an array (n, ...), as lists of fixed length.

    Values are stored in half precision if ``half`` is True and no value changes. Nothing is copied twice.
    """
    pa = arrow()
    shape = array.shape[1:]
    flat: NDArray[Any] = np.ascontiguousarray(array, np.float32).reshape(-1)
    kind = pa.float32()
    if half:
        with np.errstate(over="ignore"):
            small = flat.astype(np.float16)
        if np.array_equal(small, flat):
            flat, kind = small, pa.float16()
    values = pa.Array.from_buffers(kind, len(flat), [None, pa.py_buffer(flat)])
    column = pa.FixedSizeListArray.from_arrays(values, math.prod(shape))
    return pa.field("", column.type, nullable=False, metadata={"shape": json.dumps(shape)}), column


def array_of(table: Any, name: str) -> NDArray[np.float32]:
    """Return a column of lists as a float32 array (n, ...)."""
    shape = tuple(json.loads(table.schema.field(name).metadata[b"shape"]))
    chunks = [chunk.flatten().to_numpy(zero_copy_only=True) for chunk in table[name].chunks]
    flat = chunks[0] if len(chunks) == 1 else np.concatenate(chunks or [np.empty(0, np.float16)])
    return flat.reshape(-1, *shape).astype(np.float32)


def table_of(columns: Mapping[str, Sequence[Any]], arrays: Mapping[str, Any], *, half: bool) -> Any:
    """Return a table of plain columns and arrays (n, ...)."""
    pa = arrow()
    fields, data = [], []
    for name, values in columns.items():
        column = pa.array(values)
        fields.append(pa.field(name, column.type))
        data.append(column)
    for name, array in arrays.items():
        field, column = column_of(array, half=half)
        fields.append(field.with_name(name))
        data.append(column)
    return pa.Table.from_arrays(data, schema=pa.schema(fields))


def encoded(table: Any, manifest: bytes) -> bytes:
    """Return the bytes of a Parquet file with one row group, and a checksum for each page.

    It contains its manifest, because files of several outputs may be put into one folder.
    """
    buffer = io.BytesIO()
    arrow().parquet.write_table(
        table.replace_schema_metadata({_MANIFEST: manifest}),
        buffer,
        row_group_size=max(len(table), 1),
        compression="zstd",
        use_dictionary=["view"],
        write_statistics=False,
        write_page_checksum=True,
    )
    data = buffer.getvalue()
    start = len(data) - _TAIL - int.from_bytes(data[-_TAIL:-4], "little")
    return data[:start] + _seal(data[start:]) + data[start:]


def _seal(footer: bytes) -> bytes:
    """Return a checksum of the footer, to be stored before it where readers ignore it; Parquet has none."""
    return _MARK + zlib.crc32(footer).to_bytes(4, "little")


def _check_footer(stream: Any) -> None:
    """Raise ValueError if the footer is damaged."""
    end = stream.seek(0, 2)
    stream.seek(max(end - _TAIL, 0))
    start = end - _TAIL - int.from_bytes(stream.read(_TAIL)[:4], "little")
    if start < len(_MARK) + 4:
        raise ValueError("its end is missing")
    stream.seek(start - len(_MARK) - 4)
    seal, footer = stream.read(len(_MARK) + 4), stream.read()
    if seal != _seal(footer):
        raise ValueError("its footer is not the one that was written")
    stream.seek(0)


def read_shard(stream: Any, place: str, columns: Sequence[str], belongs: Callable[[bytes], bool]) -> Any:
    """Return some columns of a shard; raise CacheError if it is damaged or belongs to another extractor.

    ``belongs`` tells this from the manifest in the shard; shards of earlier versions do not have one.
    """
    pa = arrow()
    try:
        _check_footer(stream)
        with pa.parquet.ParquetFile(stream, page_checksum_verification=True) as file:
            manifest = (file.schema_arrow.metadata or {}).get(_MANIFEST)
            if manifest is None or belongs(manifest):
                return file.read(list(columns), use_threads=False)
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        raise CacheError(
            f"{place} is damaged: {error}. Delete it, and run extract again: only its images are computed. "
            "Until then, rows of images that had changed may be of what they were before.",
            path=place,
        ) from error
    raise CacheError(
        f"{place} holds features of another extractor than the manifest beside it: it was copied there, or "
        "two runs began at once. Move it to a folder of its own, with its manifest.",
        path=place,
    )

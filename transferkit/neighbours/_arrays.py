"""Convert a collection to arrays for its file, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.images import local_path

_DIGEST_BYTES = 32  # SHA-256
Names = list[str | None]


def to_arrays(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], digests: Sequence[Any], names: Sequence[str | None]
) -> dict[str, NDArray[Any]]:
    """Return arrays that ``from_arrays`` reads; file names are UTF-8, separated by zero bytes."""
    half = vectors.astype(np.float16)
    as_in_the_cache = np.array_equal(half, vectors)  # the cache usually keeps rows in half precision
    text = "\0".join(name or "" for name in names).encode("utf-8", "surrogateescape")
    return {
        "vectors": half if as_in_the_cache else vectors,
        "rows": rows,
        "digests": np.frombuffer(bytes.fromhex("".join(digests)), np.uint8).reshape(-1, _DIGEST_BYTES),
        "names": np.frombuffer(text, np.uint8),
        "n_images": np.array(len(names)),
    }


def from_arrays(
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[Any], Names]:
    """Return vectors, rows, digests and names; raise ValueError if they do not fit together."""
    vectors, rows, digests, text, n_images = (
        arrays[name] for name in ("vectors", "rows", "digests", "names", "n_images")
    )
    names: Names = [name or None for name in text.tobytes().decode("utf-8", "surrogateescape").split("\0")]
    n = len(rows)
    fits = (
        len(arrays) == 5
        and vectors.dtype in (np.float16, np.float32)
        and vectors.ndim == 2
        and vectors.shape[0] == n > 0
        and (rows.dtype, rows.ndim, n_images.ndim) == (np.int64, 1, 0)
        and (digests.dtype, digests.shape) == (np.uint8, (n, _DIGEST_BYTES))
        and (text.dtype, text.ndim) == (np.uint8, 1)
        and n_images == len(names)
        and (np.diff(rows, prepend=-1) > 0).all()
        and rows[-1] < len(names)
    )
    if not fits:
        raise ValueError(f"arrays { ({name: array.shape for name, array in arrays.items()}) }")
    return vectors.astype(np.float32), rows, [digest.tobytes().hex() for digest in digests], names


def absolute_names(paths: Sequence[str | None]) -> Names:
    """Return absolute paths; addresses are unchanged."""
    return [path and (os.path.abspath(path) if _is_file(path) else path) for path in paths]  # noqa: PTH100


def relative_names(paths: Sequence[str | None]) -> Names:
    """Return paths relative to the common folder of all files, with slashes; addresses are unchanged."""
    whole = absolute_names(paths)  # symbolic links are not resolved
    folders = {os.path.dirname(path) for path in whole if path and _is_file(path)}  # noqa: PTH120
    try:
        start = os.path.commonpath(folders) if folders else ""
    except ValueError:  # on different drives
        start = None
    return [path if path is None or not _is_file(path) else _below(path, start) for path in whole]


def _below(path: str, folder: str | None) -> str:
    if folder is None:
        return os.path.basename(path)  # noqa: PTH119
    return os.path.relpath(path, folder).replace(os.sep, "/")


def _is_file(path: str) -> bool:
    return local_path(path) is not None

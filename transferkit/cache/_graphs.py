"""Files of arrays beside the databases, for converted graphs, which take seconds to make."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cache._disk import graph_files, graph_path
from transferkit.cache._folder import make_folder

_DIGEST = 32  # bytes of a SHA-256
_LARGEST = 1 << 30  # bytes of all graphs in a folder; the most recently used ones are kept
_last: dict[str, Mapping[str, NDArray[Any]]] = {}  # used if there is no folder


class GraphFile:
    """A file of arrays for one subject; a doubtful file counts as missing.

    Parameters
    ----------
    folder : Path or None
        Folder of the cache; None keeps only the last subject, in memory.
    key : str
        Hexadecimal digest of everything that the arrays depend on.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._key = key
        self._path = None if folder is None else graph_path(folder, key)

    def read(self) -> dict[str, NDArray[Any]] | None:
        """Return the arrays, or None; the file begins with a digest of key and content."""
        if self._path is None:
            return dict(_last[self._key]) if self._key in _last else None
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            content = self._path.read_bytes()
            if content[:_DIGEST] != self._digest(content[_DIGEST:]):
                return None
            with contextlib.suppress(OSError):  # such as a read-only folder
                os.utime(self._path)
            return dict(load(content[_DIGEST:]))
        except (OSError, SafetensorError):
            return None

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a temporary file and rename it; do nothing if the folder cannot be written."""
        if self._path is None:
            _last.clear()
            _last[self._key] = dict(arrays)
            return
        from safetensors.numpy import save

        content = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        with contextlib.suppress(OSError):
            make_folder(self._path.parent)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(self._digest(content))
                    stream.write(content)
                Path(name).replace(self._path)
            finally:
                Path(name).unlink(missing_ok=True)
            self._make_room(self._path)

    def discard(self) -> None:
        """Delete the file, if there is one."""
        if self._path is None:
            _last.pop(self._key, None)
        else:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _digest(self, content: bytes) -> bytes:
        return hashlib.sha256(self._key.encode() + content).digest()

    def _make_room(self, newest: Path) -> None:
        """Delete the least recently used graphs until the others fit."""
        held = 0
        for path in sorted(graph_files(newest.parent), key=lambda path: -path.stat().st_mtime):
            held += path.stat().st_size
            if held > _LARGEST and path != newest:
                path.unlink(missing_ok=True)

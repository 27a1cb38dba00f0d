"""Files of arrays beside the databases, for what takes seconds to make: converted graphs."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cache._disk import graph_files, graph_path
from transferkit.cache._folder import make_folder

_LARGEST = 1 << 30  # bytes of all graphs in a folder; those that were used last stay


class GraphFile:
    """Arrays about one subject; whatever is doubtful counts as not there.

    Parameters
    ----------
    folder : Path or None
        Folder of the cache; None keeps nothing.
    key : str
        Hexadecimal digest of all that the arrays depend on.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._key = key
        self._path = None if folder is None else graph_path(folder, key)

    def read(self) -> dict[str, NDArray[Any]] | None:
        """Return what was written, or None; every byte is checked against the sums of the archive."""
        if self._path is None:
            return None
        try:
            with self._path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            os.utime(self._path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError):
            return None
        return arrays if str(arrays.pop("key", "")) == self._key else None

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a temporary file and rename it; a folder that cannot be written keeps nothing."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):
            make_folder(self._path.parent)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(handle, "wb") as stream:
                    everything: dict[str, Any] = {"key": np.array(self._key), **arrays}
                    np.savez(stream, **everything)
                Path(name).replace(self._path)
            finally:
                Path(name).unlink(missing_ok=True)
            self._make_room(self._path)

    def discard(self) -> None:
        """Delete the file, if there is one."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _make_room(self, newest: Path) -> None:
        """Delete the graphs that were used longest ago, until the others fit."""
        held = 0
        for path in sorted(graph_files(newest.parent), key=lambda path: -path.stat().st_mtime):
            held += path.stat().st_size
            if held > _LARGEST and path != newest:
                path.unlink(missing_ok=True)

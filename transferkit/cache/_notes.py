"""Small facts beside the features, in one JSON file per network, which can be lost without harm."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferkit.cache._disk import note_path
from transferkit.cache._folder import make_folder


class Note:
    """A file of facts about one subject; without a folder, nothing is stored.

    Parameters
    ----------
    folder : Path or None
        Folder of the cache.
    kind : {"engine", "backbone", "weights"}
        Start of the file name.
    key : str
        Hexadecimal digest of the subject.
    """

    def __init__(self, folder: Path | None, kind: str, key: str) -> None:
        self._key = key
        self._path = None if folder is None else note_path(folder, kind, key)

    def read(self) -> Any:
        """Return what was written last, or None if there is nothing valid."""
        if self._path is None:
            return None
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            return content["known"] if content["subject"] == self._key else None
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def write(self, known: Mapping[str, Any] | list[Any]) -> None:
        """Write a temporary file and rename it, so that no process reads a partial one."""
        if self._path is None:
            return
        with contextlib.suppress(OSError):  # the fact is determined again next time
            make_folder(self._path.parent)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    json.dump({"subject": self._key, "known": known}, stream)
                Path(name).replace(self._path)
            finally:
                Path(name).unlink(missing_ok=True)

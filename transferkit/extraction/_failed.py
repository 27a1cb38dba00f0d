"""Remember images that could not be decoded, so that they are not tried again.

Failures are stored by the digest of the content, not by path: a repaired file has another digest and is
tried at once. An entry is valid for the versions of transferkit and Pillow that wrote it, and for one feature
space, whose key includes the version of the decoder and ``value_range``. Failures that depend on the machine
(missing file, too little memory, too slow) or on the file's name are not remembered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import PIL

from transferkit._version import __version__
from transferkit.cache import Space
from transferkit.errors import BadImageError
from transferkit.extraction._report import KNOWN, ExtractionReport
from transferkit.images import is_lasting

_PREFIX = "failed:"
_BY = f"transferkit {__version__}, Pillow {PIL.__version__}"


class KnownFailures:
    """The failures that are stored in a feature space. Several threads may use it.

    Parameters
    ----------
    space : Space
    retry : bool
        Try all images again, and forget the failures of those that can be decoded now.
    """

    def __init__(self, space: Space, *, retry: bool) -> None:
        self._space = space
        self._retry = retry
        # There may be tens of thousands of entries, so each is read only when it is needed.
        self._any = bool(space.find_facts(_PREFIX, 1))
        self._new: dict[str, list[str] | None] = {}
        self._files: list[tuple[Any, os.stat_result, str]] = []
        self._lock = threading.Lock()

    def error(self, digest: str | None, path: object, index: int) -> BadImageError | None:
        """Return the known failure of this content, or None if it should be tried."""
        if self._retry or digest is None or (entry := self._entry(digest)) is None:
            return None
        _, category, reason, hint = entry
        return BadImageError(path, category, reason, f"{hint} {KNOWN}".lstrip(), index, known=True)

    def add(self, digest: str, error: BadImageError, file: tuple[Any, os.stat_result, str] | None) -> None:
        """Add a failure, and the status of its file."""
        if not is_lasting(error):
            return
        with self._lock:
            self._new[digest] = [_BY, error.category, error.reason, error.hint]
            if file is not None:
                self._files.append(file)

    def forget(self, digest: str) -> None:
        """Remove the failure of content that can be decoded."""
        if self._entry(digest) is not None:
            with self._lock:
                self._new[digest] = None

    def _entry(self, digest: str) -> list[str] | None:
        """Return the stored failure, or None if these versions stored none."""
        name = _PREFIX + digest
        entry: Any = self._space.find_facts(name, 1).get(name) if self._any else None
        return entry if _is_sound(entry) else None

    def flush(self) -> list[tuple[Any, os.stat_result, str]]:
        """Store added and removed failures; return the files that need not be read again."""
        with self._lock:
            new, files = self._new, self._files
            self._new, self._files = {}, []
        if new:
            self._space.keep_facts({_PREFIX + digest: entry for digest, entry in new.items()})
        return files

    def leave_out(
        self,
        sources: Sequence[Any],
        pending: Sequence[int],
        digests: list[str | None],
        report: ExtractionReport,
        on_error: str,
    ) -> list[int]:
        """Return the images to try; report the known failures, or raise the first one."""
        left = []
        for index in pending:
            error = self.error(digests[index], sources[index], index)
            if error is None:
                left.append(index)
            elif on_error == "raise":
                raise error
            else:
                digests[index] = None
                report.add_failure(error, index)
        return left


def _is_sound(entry: Any) -> bool:
    """Return True if these versions wrote the entry."""
    return isinstance(entry, list) and len(entry) == 4 and entry[0] == _BY

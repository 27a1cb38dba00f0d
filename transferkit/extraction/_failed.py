"""Images that could not be decoded, remembered so that they are not tried again and again.

What is remembered is the digest of the content, never a path: a file that is mended has another digest and
is tried at once. An entry holds for the versions of transferkit and Pillow that made it, and for one feature
space, whose name has the version of the decoder and ``value_range``. What depends on the machine at the
moment (no such file, no memory, too slow) is not remembered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import PIL

from transferkit._version import __version__
from transferkit.cache._memory import MemorySpace, SpillingSpace
from transferkit.errors import BadImageError
from transferkit.extraction._report import KNOWN, ExtractionReport

_PREFIX = "failed:"
_BY = f"transferkit {__version__}, Pillow {PIL.__version__}"


class KnownFailures:
    """The failures that a space remembers. Threads may add to it; ``flush`` stores what they added.

    Parameters
    ----------
    space : MemorySpace or SpillingSpace
    retry : bool
        Try all again, and forget the failures of those that can be decoded now.
    """

    def __init__(self, space: MemorySpace | SpillingSpace, *, retry: bool) -> None:
        self._space = space
        self._retry = retry
        self._known = {
            name.removeprefix(_PREFIX): entry
            for name, entry in space.find_facts(_PREFIX).items()
            if _is_sound(entry)
        }
        self._new: dict[str, list[str] | None] = {}
        self._files: list[tuple[Any, os.stat_result, str]] = []
        self._lock = threading.Lock()

    def error(self, digest: str | None, path: object, index: int) -> BadImageError | None:
        """Return what was wrong with this content, None if nothing is known or all are tried again."""
        if self._retry or digest not in self._known:
            return None
        _, category, reason, hint = self._known[digest]
        return BadImageError(path, category, reason, f"{hint} {KNOWN}".lstrip(), index)

    def add(self, digest: str, error: BadImageError, file: tuple[Any, os.stat_result, str] | None) -> None:
        """Note a failure, and the status of its file."""
        if error.category == "timed_out" or isinstance(error.__cause__, MemoryError):
            return
        with self._lock:
            self._new[digest] = [_BY, error.category, error.reason, error.hint]
            if file is not None:
                self._files.append(file)

    def forget(self, digest: str) -> None:
        """Note that this content can be decoded."""
        if digest in self._known:
            with self._lock:
                self._new[digest] = None

    def flush(self) -> list[tuple[Any, os.stat_result, str]]:
        """Store what was noted; return the files that need not be read again."""
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
        """Return the images still to try; report the others, or raise the first one."""
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
    """Tell whether an entry was made by these versions."""
    return isinstance(entry, list) and len(entry) == 4 and entry[0] == _BY

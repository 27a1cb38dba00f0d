"""A pool of helper processes that decode images.

A helper is a new Python process, not a fork: it shares no memory, lock or open file with this one. It
receives the bytes of a file and returns pixels or an error. A helper that crashes or takes too long is
replaced; the others are reused until this process exits.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import ImageFile

from transferkit.errors import BadImageError, IsolationError
from transferkit.images._image import CATEGORIES, Image, Limits
from transferkit.images._ranges import ValueRange
from transferkit.images._selection import EVERYTHING, Selection
from transferkit.images._target import Target
from transferkit.images.isolation._helper import receive, send

__all__ = ["decode_apart"]

_START_SECONDS = 120.0  # a busy machine imports slowly
_CODE = (
    "import sys; sys.path[0] = sys.argv[1]; from transferkit.images.isolation._helper import serve; serve()"
)
_FATAL = ("crashed", "timed_out")  # categories that only isolation reports
_HOME = str(Path(__file__).resolve().parents[3])

_Result = TypeVar("_Result")
_lock = threading.Lock()
_idle: list[_Helper] = []
_of_parent: list[_Helper] = []


def decode_apart(
    data: bytes,
    name: str,
    value_range: ValueRange | None,
    limits: Limits,
    seconds: float,
    target: Target | None = None,
    selection: Selection = EVERYTHING,
) -> Image:
    """Decode the bytes of a file in a helper process, within a time limit in seconds.

    Raises
    ------
    BadImageError
        As for ``decode_bytes``; also with category ``crashed`` if the decoder crashed its process, and
        ``timed_out`` if it took too long.
    IsolationError
        The helper process cannot be started.
    """
    helper = _waiting_helper() or _Helper()
    answered = False
    try:
        image = helper.decode(data, name, value_range, limits, seconds, target, selection)
        answered = True
        return image
    except BadImageError as error:
        answered = error.category not in _FATAL
        raise
    finally:  # after Ctrl-C during an answer, the rest of it must not be read as the next one
        helper.keep(answered)


def _waiting_helper() -> _Helper | None:
    """Return an idle helper that is still running, or None."""
    with _lock:
        while _idle:
            helper = _idle.pop()
            if helper.is_alive():
                return helper
            helper.stop()
    return None


class _Helper:
    """One helper process."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process runs
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, _HOME],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                # Helpers already run in parallel.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            self._log.close()
            raise IsolationError(
                f"isolate=True decodes in helper processes, but none can be started: {error}. "
                "Pass isolate=False to decode in this process."
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._late = False
        try:
            self._within(_START_SECONDS, lambda: receive(self._from, 0))
        except (EOFError, ValueError) as error:
            raise IsolationError(
                f"isolate=True decodes in helper processes, but one did not start: {self.stop()} "
                "Pass isolate=False to decode in this process."
            ) from error

    def decode(
        self,
        data: bytes,
        name: str,
        value_range: ValueRange | None,
        limits: Limits,
        seconds: float,
        target: Target | None,
        selection: Selection,
    ) -> Image:
        """Return the image, or raise BadImageError."""
        facts = {
            "name": name,
            "value_range": value_range,
            "limits": asdict(limits),
            "target": target,
            "selection": selection,
            "truncated": bool(ImageFile.LOAD_TRUNCATED_IMAGES),  # as the features of this process are called
        }

        def ask() -> Image:
            send(self._to, facts, data)
            return _image(*receive(self._from, 3 * limits.max_pixels), name, limits)

        try:
            return self._within(seconds, ask)
        except (EOFError, BrokenPipeError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, BadImageError):
                raise
            end = self.stop()
            if self._late:
                raise BadImageError(
                    name,
                    "timed_out",
                    f"was not decoded within {seconds:g} s.",
                    "Pass a longer limit, such as isolate=120, or re-save it with another program.",
                ) from error
            raise BadImageError(
                name,
                "crashed",
                f"crashed the decoder: {end}",
                "Do not open it without isolate=True; re-save it with another program.",
            ) from error

    def is_alive(self) -> bool:
        """Return True if the process is running."""
        return self._process.poll() is None

    def keep(self, answered: bool) -> None:
        """Return the helper to the pool if it is usable, else stop it."""
        if answered and not self._late:
            with _lock:
                _idle.append(self)
        else:
            self.stop()

    def stop(self) -> str:
        """Kill the process; return its exit status and the last line of its log."""
        if self._log.closed:
            return ""
        self._process.kill()
        code = self._process.wait()
        for stream in (self._to, self._from):
            with contextlib.suppress(BrokenPipeError):  # unsent data
                stream.close()
        self._log.seek(0)
        lines = self._log.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
        self._log.close()
        try:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        except ValueError:
            how = f"signal {-code}"
        return f"{how}{': ' + lines[-1][:200] if lines else ''}."

    def _within(self, seconds: float, action: Callable[[], _Result]) -> _Result:
        """Return the result of an action; kill the process if it takes longer than the limit."""
        guard, finished = threading.Lock(), False

        def end() -> None:
            with guard:
                if not finished:
                    self._late = True
                    self._process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            return action()
        finally:
            timer.cancel()
            with guard:
                finished = True


def _image(facts: dict[str, Any], pixels: bytes, name: str, limits: Limits) -> Image:
    """Return the image in an answer; raise ValueError if it is malformed."""
    if "error" in facts:
        category, reason, hint = facts["error"]
        if category not in CATEGORIES:
            raise ValueError(f"category {category!r}")
        raise BadImageError(name, category, str(reason), str(hint))
    height, width, _ = facts["shape"]
    array = np.frombuffer(pixels, np.uint8).reshape(int(height), int(width), 3)
    width, height = facts["size"]
    left, upper, right, lower = map(float, facts["box"])
    notes = tuple(str(note) for note in facts["notes"])
    return Image(array, notes, (int(width), int(height)), (left, upper, right, lower))


@atexit.register
def _stop_all() -> None:
    while _idle:
        _idle.pop().stop()


def _forget() -> None:
    """Forget the helpers in a forked child: they belong to the parent."""
    global _lock
    _lock = threading.Lock()
    _of_parent.extend(_idle)  # kept, because Popen would wait for them on deletion
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

"""Decoding in helper processes, so that a decoder's crash or hang costs one file and not the run.

A helper is a fresh Python process, not a fork: it shares no memory, no lock and no open file with this one.
It gets the bytes of a file and gives back pixels or the reason why there are none. One that crashed or took
too long is replaced. Helpers wait for the next picture until this process ends.
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

from transferkit.errors import BadImageError, IsolationError
from transferkit.images._helper import receive, send
from transferkit.images._image import CATEGORIES, Image, Limits
from transferkit.images._ranges import ValueRange
from transferkit.images._target import Target

__all__ = ["FATAL", "decode_apart"]

_START_SECONDS = 120.0  # a busy machine imports slowly
_CODE = "import sys; sys.path[0] = sys.argv[1]; from transferkit.images._helper import serve; serve()"
FATAL = ("crashed", "timed_out")  # categories that only isolation can give
_HOME = str(Path(__file__).resolve().parents[2])

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
) -> Image:
    """Return the picture in a file's bytes, decoded by another process within some seconds.

    Raises
    ------
    BadImageError
        As ``decode_bytes``; category ``crashed`` where the decoder took its process down, ``timed_out``
        where it took too long.
    IsolationError
        No helper process can be started.
    """
    helper = _waiting_helper() or _Helper()
    answered = False
    try:
        image = helper.decode(data, name, value_range, limits, seconds, target)
        answered = True
        return image
    except BadImageError as error:
        answered = error.category not in FATAL
        raise
    finally:  # Ctrl-C amid an answer: the rest of it must not be taken for the next one
        helper.keep(answered)


def _waiting_helper() -> _Helper | None:
    """Return a helper that waits and is alive."""
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
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, _HOME],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Each is one of several already.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._late = False
        try:
            self._within(_START_SECONDS, lambda: receive(self._from, 0))
        except (EOFError, ValueError) as error:
            raise IsolationError(
                f"isolate=True decodes in helper processes, and one did not start: {self.stop()} "
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
    ) -> Image:
        """Return the picture, or raise BadImageError."""
        facts = {"name": name, "value_range": value_range, "limits": asdict(limits), "target": target}

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
                    "Pass more seconds, such as isolate=120, or save it anew with another program.",
                ) from error
            raise BadImageError(
                name,
                "crashed",
                f"crashed the decoder: {end}",
                "Do not open it without isolate=True; save it anew with another program.",
            ) from error

    def is_alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process.poll() is None

    def keep(self, answered: bool) -> None:
        """Wait for the next picture, or end."""
        if answered and not self._late:
            with _lock:
                _idle.append(self)
        else:
            self.stop()

    def stop(self) -> str:
        """End the process, once; return how it ended, and what it said at last."""
        if self._log.closed:
            return ""
        self._process.kill()
        code = self._process.wait()
        for stream in (self._to, self._from):
            with contextlib.suppress(BrokenPipeError):  # what was not yet sent
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
        """Return what an action returns; the process is killed when it takes longer."""
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
    """Return the picture in an answer; ValueError where it is none."""
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
    """In a forked child: the helpers belong to the parent."""
    global _lock
    _lock = threading.Lock()
    _of_parent.extend(_idle)  # not dropped, which would try to wait for them
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

"""Show the progress of long work: a bar on a terminal or in a notebook, occasional lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

LINE_SECONDS = 10  # minimum time between two lines in a log


def progress_bar(total: int, what: str, unit: str, *, done: int = 0, show: bool = True) -> Any:
    """Return a bar with the methods ``update``, ``set_postfix_str`` and ``close``; also a context manager.

    It appears after a second, and starts at the number ``done`` already. If stderr is not a terminal, a bar
    would fill the log; then a line is written for each tenth, at least ten seconds apart.
    """
    from tqdm.auto import tqdm

    if show and not (_is_terminal(sys.stderr) or _is_notebook(tqdm)):
        return Lines(total, what, unit, done)
    return tqdm(
        total=total, initial=done, desc=what, unit=unit, delay=1, disable=not show, leave=False
    )  # fmt: skip


class Lines:
    """Lines on stderr, such as ``features: 40 % (4,000 of 10,000 img, 120 s)``."""

    def __init__(self, total: int, what: str, unit: str, done: int) -> None:
        self._total, self._what, self._unit, self._done = total, what, unit, done
        self._started = self._last = time.monotonic()
        self._tenth = 10 * done // max(total, 1)

    def update(self, n: int = 1) -> None:
        """Count ``n`` more units of work as done."""
        self._done += n
        tenth = 10 * self._done // max(self._total, 1)
        now = time.monotonic()
        if tenth > self._tenth and now >= self._last + LINE_SECONDS:
            self._tenth, self._last = tenth, now
            print(
                f"{self._what}: {100 * self._done // self._total} % ({self._done:,} of {self._total:,} "
                f"{self._unit}, {now - self._started:.0f} s)",
                file=sys.stderr,
                flush=True,
            )

    def set_postfix_str(self, text: str) -> None:
        """Do nothing: a log does not show what the work is at."""

    def close(self) -> None:
        """Do nothing: there is nothing to clean up."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())


def _is_notebook(bar: type) -> bool:
    """Return True if tqdm has chosen a widget."""
    return any("notebook" in base.__module__ for base in bar.__mro__)

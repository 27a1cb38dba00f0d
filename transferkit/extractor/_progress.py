"""How many threads decode, and how far they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def n_threads() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def progress_bar(
    total: int, done: int, show: bool, advance: Callable[[int], Any] | None
) -> Iterator[Callable[[int], Any]]:
    """Yield what to call with each number of images done: that of the caller, or that of a bar.

    The bar starts at what is done already and appears after a second.
    """
    if advance is not None:
        yield advance
        return
    from tqdm.auto import tqdm

    with tqdm(
        total=total, initial=done, desc="features", unit="img", delay=1, disable=not show, leave=False
    ) as bar:
        yield bar.update

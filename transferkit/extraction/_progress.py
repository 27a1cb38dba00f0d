"""Progress of an extraction, and what is saved and reported if it ends early."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from transferkit.cache import SpillingSpace
from transferkit.errors import CacheError
from transferkit.extraction._report import ExtractionReport
from transferkit.foundation.progress import progress_bar

logger = logging.getLogger("transferkit")


@contextlib.contextmanager
def progress(
    total: int, done: int, show: bool, advance: Callable[[int], Any] | None
) -> Iterator[Callable[[int], Any]]:
    """Yield a function to call with each number of images done: the caller's, or that of a progress bar."""
    if advance is not None:
        yield advance
        return
    with progress_bar(total, "features", "img", done=done, show=show) as bar:
        yield bar.update


@contextlib.contextmanager
def keeping(remember: Callable[[], None], report: ExtractionReport, space: Any) -> Iterator[None]:
    """Call ``remember`` even if an error or Ctrl-C ends the work, and then say how to continue."""
    try:
        yield
    except BaseException as error:
        # The cache is consistent at any time; this only saves the next run some reading.
        with contextlib.suppress(CacheError):
            remember()
        kept = isinstance(space, SpillingSpace) and not space.has_spilled
        if isinstance(error, KeyboardInterrupt) and kept:
            logger.warning(
                "Interrupted after %s of %s images. What was computed is kept in %s, but for the last "
                "batches: run the same call again to go on from there.",
                f"{report.n_cached + report.n_decoded:,}",
                f"{report.n_images:,}",
                space.path.parent,
            )
        raise

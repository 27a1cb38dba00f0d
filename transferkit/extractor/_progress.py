"""What the user sees of an extraction, and what stays and is said when it ends early."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

from transferkit.errors import CacheError
from transferkit.extractor._memory import SpillingSpace
from transferkit.extractor._report import ExtractionReport

logger = logging.getLogger("transferkit")


def progress_bar(total: int, done: int, show: bool) -> Any:
    """Return a bar that starts at what is done already and appears after a second."""
    from tqdm.auto import tqdm

    return tqdm(
        total=total, initial=done, desc="features", unit="img", delay=1, disable=not show, leave=False
    )


@contextlib.contextmanager
def keeping(remember: Callable[[], None], report: ExtractionReport, space: Any) -> Iterator[None]:
    """Call ``remember`` also where an error or Ctrl-C ends the work, and then say how to go on."""
    try:
        yield
    except BaseException as error:
        # The cache is whole at any moment; this only spares the next run some reading.
        with contextlib.suppress(CacheError):
            remember()
        kept = isinstance(space, SpillingSpace) and not space.has_spilled
        if isinstance(error, KeyboardInterrupt) and kept:
            logger.warning(
                "Interrupted after %s of %s images. What was computed is kept in %s, but for the last batch: "
                "run the same call again to go on from there.",
                f"{report.n_cached + report.n_decoded:,}",
                f"{report.n_images:,}",
                space.path.parent,
            )
        raise

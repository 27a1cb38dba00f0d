"""Look up known features, and stream all other images through the backbone into the feature space."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from transferkit.cache import FileIndex
from transferkit.errors import BadImageError
from transferkit.extraction._batches import BatchWriter
from transferkit.extraction._features import SIZE_PART
from transferkit.extraction._job import Job
from transferkit.extraction._pipeline import decode_ahead
from transferkit.extraction._progress import keeping, progress
from transferkit.extraction._report import ExtractionReport
from transferkit.extraction._settings import Settings
from transferkit.images import local_path


def look_up(index: FileIndex | None, job: Job, sources: Sequence[Any]) -> tuple[list[str | None], list[int]]:
    """Return digests known without opening files, and the images that still must be processed."""
    digests: list[str | None] = [None] * len(sources)
    files = [i for i, source in enumerate(sources) if local_path(source) is not None]
    if index is not None and files:
        for i, digest in zip(files, index.lookup([sources[i] for i in files]), strict=True):
            digests[i] = digest
    keys = [
        [view.at(i).key(digest) for view in job.views] if digest else [] for i, digest in enumerate(digests)
    ]
    asked = [key for row in keys for key in row]
    present = job.space.find(asked, (*job.parts, SIZE_PART)) if asked else set()
    pending = [i for i, row in enumerate(keys) if not row or not present.issuperset(row)]
    return digests, pending


def compute(
    settings: Settings,
    job: Job,
    sources: Sequence[Any],
    pending: Sequence[int],
    digests: list[str | None],
    report: ExtractionReport,
    on_error: str,
    advance: Callable[[int], Any] | None = None,
) -> None:
    """Decode, run and store the pending images; fill in their digests and the report."""
    to_remember: list[tuple[Any, os.stat_result, str]] = []
    soon = len(sources) <= settings.batch_size  # a prediction does not wait for the disk

    def remember() -> None:
        to_remember.extend(job.failures.flush())
        if settings.files is not None and to_remember:
            settings.files.remember(to_remember, soon=soon)
        to_remember.clear()

    with (
        keeping(remember, report, settings.space),
        progress(len(sources), len(sources) - len(pending), settings.progress, advance) as update,
        BatchWriter(job, settings.engine) as writer,
    ):
        for index, result in decode_ahead(job, sources, pending):
            update(1)
            if isinstance(result, BadImageError):
                if on_error == "raise":
                    raise result
                digests[index] = None
                report.add_failure(result, index)
                tried = report.n_cached + report.n_decoded + len(report.failures)
                report.check_enough(tried, finished=False)
                continue
            digests[index] = result.digest
            report.notes.update(result.notes)
            if result.squares:
                report.n_decoded += 1
                writer.add(result)
            else:
                report.n_cached += 1
            if result.file is not None:
                to_remember.append(result.file)
            if len(to_remember) >= 16 * job.batch_size:
                remember()
    remember()
    report.n_backbone_calls = writer.n_calls

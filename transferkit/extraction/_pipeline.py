"""Read and decode files to squares in threads that work ahead, with a limited number of images in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.cache import RowKey
from transferkit.errors import BadImageError
from transferkit.extraction._features import SIZE_PART
from transferkit.extraction._job import Job
from transferkit.foundation.cores import usable_cores
from transferkit.images import Image, Source, Target, local_path, read_source
from transferkit.views import render


@dataclass(frozen=True)
class Decoded:
    """A decoded image: the squares for missing rows, and what to remember about its file."""

    index: int
    digest: str
    size: tuple[int, int]
    squares: tuple[tuple[RowKey, Any], ...]
    notes: tuple[str, ...] = ()
    file: tuple[Any, os.stat_result, str] | None = None


def prepare(job: Job, source: Any, index: int) -> Decoded | BadImageError:
    """Read an image once, and render the views whose rows are missing."""
    path = local_path(source)
    # Taken before the bytes are read, so that a change in between makes the entry outdated.
    stat = _status(path)
    try:
        opened = read_source(source, ranges=job.ranges, selection=job.selection)
        digest = opened.digest
        views = [view.at(index) for view in job.views]
        keys = [view.key(digest) for view in views]
        present = job.space.find(keys, (*job.parts, SIZE_PART))
        missing = [(view, key) for view, key in zip(views, keys, strict=True) if key not in present]
        file = None if stat is None else (path, stat, digest)
        if not missing:
            return Decoded(index, digest, (0, 0), (), (), file)
        rendered = render(
            opened,
            [view for view, _ in missing],
            job.image_size,
            resize=job.resize,
            decode=lambda target: _decode(job, opened, target, index, file),
        )
        squares = tuple(zip((key for _, key in missing), rendered.squares, strict=True))
        return Decoded(index, digest, rendered.size, squares, rendered.notes, file)
    except BadImageError as error:
        return BadImageError(error.path, error.category, error.reason, error.hint, index, error.known)


def _status(path: str | None) -> os.stat_result | None:
    """Return the status of a file; None if there is none, in which case reading it raises the error."""
    try:
        return None if path is None else Path(path).stat()
    except (OSError, ValueError):
        return None


def _decode(job: Job, opened: Source, target: Target, index: int, file: Any) -> Image:
    """Decode an image, unless it is known to be undecodable."""
    if (known := job.failures.error(opened.digest, opened.name, index)) is not None:
        raise known
    try:
        image = opened.decode(job.value_range, target, isolate=job.isolate)
    except BadImageError as error:
        job.failures.add(opened.digest, error, file)
        raise
    job.failures.forget(opened.digest)
    return image


def decode_ahead(
    job: Job, sources: Sequence[Any], pending: Sequence[int]
) -> Iterator[tuple[int, Decoded | BadImageError]]:
    """Yield the prepared images in order; a limited number of them is prepared in advance."""
    if len(pending) == 1:  # a single prediction starts no thread
        yield pending[0], prepare(job, sources[pending[0]], pending[0])
        return
    n_threads = usable_cores()
    window = 2 * job.batch_size + n_threads
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="transferkit-decode")
    waiting: deque[tuple[int, Future[Decoded | BadImageError]]] = deque()
    try:
        for index in pending:
            waiting.append((index, pool.submit(prepare, job, sources[index], index)))
            if len(waiting) >= window:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

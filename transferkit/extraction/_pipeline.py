"""From files to squares: threads read and decode ahead, a bounded number of images at any time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.cache import RowKey
from transferkit.cache._memory import AnySpace
from transferkit.errors import BadImageError
from transferkit.extraction._failed import KnownFailures
from transferkit.extraction._features import SIZE_PART
from transferkit.images import Image, Source, Target, read_source
from transferkit.views import AnyView


@dataclass(frozen=True)
class Decoded:
    """One image on its way: the rows it lacks, and what to remember of its file."""

    index: int
    digest: str
    size: tuple[int, int]
    squares: tuple[tuple[RowKey, Any], ...]
    notes: tuple[str, ...] = ()
    file: tuple[Any, os.stat_result, str] | None = None


@dataclass(frozen=True)
class Recipe:
    """What the pipeline must know to make rows."""

    space: AnySpace
    parts: tuple[str, ...]
    grids: tuple[int | None, ...]
    views: tuple[AnyView, ...]
    image_size: int
    resize: str
    batch_size: int
    value_range: tuple[float, float] | None
    failures: KnownFailures
    isolate: float | None = None


def prepare(recipe: Recipe, source: Any, index: int) -> Decoded | BadImageError:
    """Read one image once, and render the views whose rows are missing."""
    try:
        path = os.fspath(source) if isinstance(source, str | os.PathLike) else None
        try:
            # Taken before the bytes are read: a change in between makes the entry look old, not new.
            stat = Path(path).stat() if path is not None else None
        except OSError:
            stat = None  # read_source says what is wrong with the path
        opened = read_source(source)
        digest = opened.digest
        views = [view.at(index) for view in recipe.views]
        keys = [view.key(digest) for view in views]
        present = recipe.space.find(keys, (*recipe.parts, SIZE_PART))
        missing = [(view, key) for view, key in zip(views, keys, strict=True) if key not in present]
        file = None if stat is None else (path, stat, digest)
        if not missing:
            return Decoded(index, digest, (0, 0), (), (), file)
        # Each view is decoded for itself alone, so that it does not matter which others are missing.
        targets = [view.target(recipe.image_size, recipe.resize) for view, _ in missing]
        decoded = {target: _decode(recipe, opened, target, index, file) for target in set(targets)}
        squares = tuple(
            (key, view.render(decoded[target], recipe.image_size, recipe.resize))
            for (view, key), target in zip(missing, targets, strict=True)
        )
        image = decoded[targets[0]]
        return Decoded(index, digest, image.size, squares, image.notes, file)
    except BadImageError as error:
        return BadImageError(error.path, error.category, error.reason, error.hint, index)


def _decode(recipe: Recipe, opened: Source, target: Target, index: int, file: Any) -> Image:
    """Decode one image, unless it is known that this cannot be done."""
    if (known := recipe.failures.error(opened.digest, opened.name, index)) is not None:
        raise known
    try:
        image = opened.decode(recipe.value_range, target, isolate=recipe.isolate)
    except BadImageError as error:
        recipe.failures.add(opened.digest, error, file)
        raise
    recipe.failures.forget(opened.digest)
    return image


def decode_ahead(
    recipe: Recipe, sources: Sequence[Any], pending: Sequence[int]
) -> Iterator[tuple[int, Decoded | BadImageError]]:
    """Yield the prepared images in order, a bounded number of them ready in advance."""
    if len(pending) == 1:  # a single prediction starts no thread
        yield pending[0], prepare(recipe, sources[pending[0]], pending[0])
        return
    n_threads = _n_threads()
    window = 2 * recipe.batch_size + n_threads
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="transferkit-decode")
    waiting: deque[tuple[int, Future[Decoded | BadImageError]]] = deque()
    try:
        for index in pending:
            waiting.append((index, pool.submit(prepare, recipe, sources[index], index)))
            if len(waiting) >= window:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _n_threads() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

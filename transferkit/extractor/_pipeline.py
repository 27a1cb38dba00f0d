"""The stream from files to rows: threads decode ahead, the backbone runs, rows are written.

Memory is bounded: at most a few batches of squares wait at any time. Each batch is one
transaction, so that a crash or Ctrl-C loses at most one batch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.cache import RowKey
from transferkit.engines import Engine
from transferkit.errors import BadImageError
from transferkit.extractor._failed import KnownFailures
from transferkit.extractor._features import SIZE_PART, encode_size
from transferkit.extractor._memory import MemorySpace, SpillingSpace
from transferkit.images import Image, Source, read_source
from transferkit.maps import pool_to_grid
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

    space: MemorySpace | SpillingSpace
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
        image = _decode(recipe, opened, index, file)
        height, width = image.pixels.shape[:2]
        squares = tuple(
            (key, view.render(image.pixels, recipe.image_size, recipe.resize)) for view, key in missing
        )
        return Decoded(index, digest, (width, height), squares, image.notes, file)
    except BadImageError as error:
        return BadImageError(error.path, error.category, error.reason, error.hint, index)


def _decode(recipe: Recipe, opened: Source, index: int, file: Any) -> Image:
    """Decode one image, unless it is known that this cannot be done."""
    if (known := recipe.failures.error(opened.digest, opened.name, index)) is not None:
        raise known
    try:
        image = opened.decode(recipe.value_range, isolate=recipe.isolate)
    except BadImageError as error:
        recipe.failures.add(opened.digest, error, file)
        raise
    recipe.failures.forget(opened.digest)
    return image


def decode_ahead(
    recipe: Recipe, sources: Sequence[Any], pending: Sequence[int]
) -> Iterator[tuple[int, Decoded | BadImageError]]:
    """Yield the prepared images in order, a bounded number of them ready in advance."""
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


class BatchWriter:
    """Collect squares into full batches, run the backbone and write the rows."""

    def __init__(self, recipe: Recipe, engine: Callable[[], Engine]) -> None:
        self._recipe = recipe
        self._engine = engine
        self._queue: list[tuple[RowKey, Any, tuple[int, int]]] = []
        self._n_squares = 0
        self._seen: set[RowKey] = set()
        self.n_calls = 0

    def add(self, decoded: Decoded) -> None:
        """Queue the squares of one image; the same picture under two names is queued once."""
        for key, squares in decoded.squares:
            if key in self._seen:
                continue
            if self._n_squares + len(squares) > max(self._recipe.batch_size, len(squares)):
                self.flush()
            self._seen.add(key)
            self._queue.append((key, squares, decoded.size))
            self._n_squares += len(squares)
            if self._n_squares >= self._recipe.batch_size:
                self.flush()

    def flush(self) -> None:
        """Run and write whatever is queued."""
        if not self._queue:
            return
        keys, squares, sizes = zip(*self._queue, strict=True)
        outputs = self._run(np.concatenate(squares))
        ends = np.cumsum([len(several) for several in squares])[:-1]
        rows: list[tuple[RowKey, str, np.ndarray]] = []
        for part, grid, maps in zip(self._recipe.parts, self._recipe.grids, outputs, strict=True):
            # A view of several squares is the mean of their maps.
            means = [several.mean(axis=0) for several in np.split(pool_to_grid(maps, grid), ends)]
            rows += [(key, part, row) for key, row in zip(keys, means, strict=True)]
        rows += [(key, SIZE_PART, encode_size(*size)) for key, size in zip(keys, sizes, strict=True)]
        self._recipe.space.write(rows)
        self._queue.clear()
        self._n_squares = 0

    def _run(self, squares: np.ndarray) -> list[np.ndarray]:
        """Run the backbone; a view of more squares than a batch takes several calls."""
        size = self._recipe.batch_size
        blocks = [self._engine().run(squares[start : start + size]) for start in range(0, len(squares), size)]
        self.n_calls += len(blocks)
        return blocks[0] if len(blocks) == 1 else [np.concatenate(maps) for maps in zip(*blocks, strict=True)]

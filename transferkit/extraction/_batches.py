"""Compute rows from squares: run full batches through the backbone, and write each in one transaction.

Two threads do this, so that the backbone is busy while the maps of the previous batch are averaged and
written. Memory is limited: at most a few batches wait or run at any time, and only these are lost in a crash.
After an error or Ctrl-C, running batches are still written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import numpy as np

from transferkit.cache import RowKey
from transferkit.engines import Engine
from transferkit.extraction._features import SIZE_PART, encode_size
from transferkit.extraction._job import Job
from transferkit.extraction._pipeline import Decoded
from transferkit.foundation.maps import pool_to_grid

_WORKERS = 2
_WAITING = 1  # most batches that wait for a worker

_Entry = tuple[RowKey, Any, tuple[int, int]]  # a row's key, its squares, and the size of the original


class BatchWriter:
    """Collect squares into full batches, run the backbone and write the rows.

    A context manager: when it exits, everything is written, or an error is raised.
    """

    def __init__(self, job: Job, engine: Callable[[], Engine]) -> None:
        self._job = job
        self._engine = engine
        self._queue: list[_Entry] = []
        self._n_squares = 0
        self._seen: set[RowKey] = set()
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="transferkit-run")
        self._running: deque[Future[int]] = deque()
        self.n_calls = 0

    def add(self, decoded: Decoded) -> None:
        """Queue the squares of one image; the same image under two names is queued once."""
        for key, squares in decoded.squares:
            if key in self._seen:
                continue
            if self._n_squares + len(squares) > max(self._job.batch_size, len(squares)):
                self._start()
            self._seen.add(key)
            self._queue.append((key, squares, decoded.size))
            self._n_squares += len(squares)
            if self._n_squares >= self._job.batch_size:
                self._start()

    def __enter__(self) -> BatchWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._queue and not self._running:
                # A single prediction starts no thread.
                self.n_calls += self._write(self._engine(), self._queue)
            elif kind is None:
                self._start()
                self._wait(0)
        finally:
            self._workers.shutdown(cancel_futures=True)

    def _start(self) -> None:
        """Pass the queue to a worker; wait for one if too many batches are waiting."""
        if not self._queue:
            return
        engine = self._engine()  # not in a worker, so that it is built once and errors reach the caller
        batch, self._queue, self._n_squares = self._queue, [], 0
        self._wait(_WORKERS + _WAITING - 1)
        self._running.append(self._workers.submit(self._write, engine, batch))

    def _wait(self, n: int) -> None:
        """Wait until at most n batches are in progress; raise the error of a failed one."""
        while len(self._running) > n:
            self.n_calls += self._running.popleft().result()

    def _pool_maps(self, maps: list[np.ndarray]) -> list[np.ndarray]:
        return [pool_to_grid(each, grid) for each, grid in zip(maps, self._job.grids, strict=True)]

    def _write(self, engine: Engine, batch: list[_Entry]) -> int:
        """Run a batch and write its rows; return the number of calls of the backbone."""
        keys, squares, sizes = zip(*batch, strict=True)
        pixels = np.concatenate(squares)
        # A view with more squares than a batch needs several calls.
        size = self._job.batch_size
        blocks = [engine.run(pixels[at : at + size], self._pool_maps) for at in range(0, len(pixels), size)]
        outputs = (
            blocks[0] if len(blocks) == 1 else [np.concatenate(each) for each in zip(*blocks, strict=True)]
        )
        starts = np.cumsum([0, *(len(several) for several in squares[:-1])])
        counts = np.array([len(several) for several in squares], np.float32)
        rows: list[tuple[RowKey, str, np.ndarray]] = []
        for part, pooled in zip(self._job.parts, outputs, strict=True):
            if len(pooled) > len(batch):
                # A view of several squares is the mean of their maps.
                sums = np.add.reduceat(pooled, starts, axis=0)
                pooled = np.asarray(sums / counts.reshape(-1, *(1,) * (sums.ndim - 1)), np.float32)
            rows += [(key, part, row) for key, row in zip(keys, pooled, strict=True)]
        rows += [(key, SIZE_PART, encode_size(*size)) for key, size in zip(keys, sizes, strict=True)]
        self._job.space.write(rows)
        return len(blocks)

"""The training of ``KeypointMapHead``: batches, learning rates, and the optimizer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.blas import one_blas_thread
from transferkit.foundation.progress import progress_bar
from transferkit.heads._keypoint_gradient import Network

_DECAY, _FIRST, _SECOND, _TINY = 0.01, 0.9, 0.999, 1e-7  # for AdamW; the last three are Keras's defaults
_BLOCK = 1 << 17  # weights that are updated while they are in the processor's cache
# Moments that gradients of 0 have made smaller than this are set to 0 after every so many steps. They would
# become subnormal numbers, with which processors are up to a hundred times slower.
_NOTHING, _PAUSE = np.float32(1e-25), 64
# Each thread learns from its part of a batch. Their number is the same on any machine, and so are the sums.
_THREADS = 2

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class Schedule(NamedTuple):
    """Number of epochs, batch size, and learning rate.

    The rate grows from 0 over a twentieth of all steps, and then falls to 0 as a cosine.
    """

    epochs: int
    batch_size: int
    highest: float

    def rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        warm = n_steps // 20
        if step < warm:
            return self.highest * step / warm
        return self.highest * 0.5 * (1 + math.cos(math.pi * (step - warm) / (n_steps - warm)))


def train(
    network: Network,
    maps: Sequence[Any],
    targets: NDArray[np.float64],
    weight: NDArray[np.float64],
    schedule: Schedule,
    seed: int,
    validate: Callable[[], float] | None,
    *,
    progress: bool,
) -> list[dict[str, Any]]:
    """Train a network, and return the history.

    Parameters
    ----------
    network : Network
    maps : sequence of arrays or FileRows, shape (n, h, w, c)
        The finest map and the coarse ones.
    targets : ndarray, shape (n, 2 k)
        Points as fractions of the square; NaN is a missing point.
    weight : ndarray, shape (n,)
    schedule : Schedule
    seed : int
    validate : callable, optional
        Returns the loss of held-out rows.
    progress : bool
        Show a progress bar.
    """
    network.start(np.random.default_rng(seed))
    parts = np.zeros((_THREADS, len(network.values)), np.float32)
    truth, counts = targets.astype(np.float32), weight.astype(np.float32)
    size, history, step, order = schedule.batch_size, [], 0, np.random.default_rng(seed)
    n_seen = max(float(counts[np.isfinite(truth).any(axis=1)].sum()), 1e-9)  # other rows have no error
    n_steps = schedule.epochs * -(-len(truth) // size)
    with (
        ThreadPoolExecutor(_THREADS) as pool,
        ThreadPoolExecutor(1) as reader,
        one_blas_thread(),
        progress_bar(schedule.epochs, "head", "epoch", show=progress) as bar,
    ):
        optimizer = AdamW(network.values, parts, pool)
        for epoch in range(schedule.epochs):
            started, total = time.perf_counter(), 0.0
            shuffled = order.permutation(len(truth))
            batches = [np.sort(shuffled[start : start + size]) for start in range(0, len(truth), size)]
            for batch, inputs in _ahead(reader, maps, batches):
                parts[len(batch) :] = 0  # threads without a row

                def learn(thread: int, batch: Rows = batch, inputs: Any = inputs, step: int = step) -> float:
                    own = slice(thread, None, _THREADS)
                    rows, drawn = batch[own], np.random.default_rng([seed, step, thread])
                    share = counts[rows] / np.float32(len(batch))
                    with np.errstate(all="ignore"):  # if training diverges, it ends with NaN
                        return network.learn(
                            [array[own] for array in inputs], truth[rows], share, parts[thread], drawn
                        )

                total += len(batch) * sum(pool.map(learn, range(min(_THREADS, len(batch)))))
                optimizer.step(schedule.rate(step, n_steps))
                step += 1
            row: dict[str, Any] = {"epoch": epoch + 1, "loss": total / n_seen}
            if validate is not None:
                with np.errstate(all="ignore"):
                    row["val_loss"] = validate()
            history.append({**row, "seconds": time.perf_counter() - started})
            bar.update()
    return history


def _ahead(
    reader: ThreadPoolExecutor, maps: Sequence[Any], batches: Sequence[Rows]
) -> Iterator[tuple[Rows, list[NDArray[Any]]]]:
    """Yield batches; each is read while the one before is being learned."""

    def read(rows: Rows) -> list[NDArray[Any]]:
        return [array[rows] for array in maps]

    coming = reader.submit(read, batches[0])
    for i, rows in enumerate(batches):
        inputs = coming.result()
        if i + 1 < len(batches):
            coming = reader.submit(read, batches[i + 1])
        yield rows, inputs


class AdamW:
    """The optimizer AdamW, with the same results as in Keras.

    Parameters
    ----------
    values : ndarray, shape (n_weights,)
        Weights, which are changed in place.
    gradients : ndarray, shape (2, n_weights)
        Parts of the gradient, whose sum is used.
    pool : ThreadPoolExecutor
    """

    def __init__(self, values: Floats, gradients: Floats, pool: ThreadPoolExecutor) -> None:
        self._values, self._gradients, self._pool = values, gradients, pool
        self._first, self._second = np.zeros_like(values), np.zeros_like(values)
        self._n = 0

    def step(self, rate: float) -> None:
        """Update the weights with this learning rate."""
        self._n += 1
        # The moments are kept without the factors by which each gradient counts, to save operations.
        root = math.sqrt(1 - _SECOND)
        size = rate * math.sqrt(1 - _SECOND**self._n) / (1 - _FIRST**self._n) * (1 - _FIRST) / root

        def move(part: int) -> None:
            space = np.empty(_BLOCK, np.float32)
            for start in range(part * _BLOCK, len(self._values), _THREADS * _BLOCK):
                block = slice(start, start + _BLOCK)
                value, first, second = self._values[block], self._first[block], self._second[block]
                change, (one, other) = space[: len(value)], self._gradients[:, block]
                with np.errstate(all="ignore"):
                    np.add(one, other, out=change)
                    first *= np.float32(_FIRST)
                    first += change
                    if self._n % _PAUSE == 0:  # weights of dead units; see _NOTHING
                        first[np.abs(first) < _NOTHING] = 0
                    change *= change
                    second *= np.float32(_SECOND)
                    second += change
                    np.sqrt(second, out=change)
                    change += np.float32(_TINY / root)
                    np.divide(first, change, out=change)
                    change *= np.float32(size)
                    value *= np.float32(1 - _DECAY * rate)
                    value -= change

        list(self._pool.map(move, range(_THREADS)))

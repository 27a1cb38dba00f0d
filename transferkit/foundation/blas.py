"""Products on one BLAS thread: while our own threads do the work, and if a product is small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

_lock = threading.RLock()
_ALONE = 2**18  # multiplications in a product of matrices that OpenBLAS computes on one thread
_SMALL = 2**22  # multiplications that take a millisecond or less on one core
_TOGETHER = 8  # rows that a large matrix of weights is read for


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread within a block; blocks in different threads wait for each other.

    The limit applies to the whole process. If two blocks overlapped, the first one to end would lift the
    limit for the other one, which would then learn other weights, and the limit would remain set afterwards.
    """
    with _lock, threadpool_limits(1, "blas"):
        yield


def small_product(rows: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Return ``rows @ weights`` of two matrices; if that is little work, without waking threads of BLAS.

    After a product, these threads go on spinning for some 20 ms, on cores that the next run of the backbone
    needs. And where cores are busy, the product waits until each thread gets one.
    """
    if len(rows) * weights.size > _SMALL:
        return rows @ weights
    if len(rows) == 1:  # BLAS wakes threads for one row by a much smaller matrix
        return np.einsum("nf,fk->nk", rows, weights)
    n_rows = _ALONE // max(weights.size, 1)
    if n_rows < 4:
        return _large_product(rows, weights)
    parts = np.array_split(rows, max(1, -(-len(rows) // n_rows)))  # of two rows or more
    return np.concatenate([part @ weights for part in parts])


def _large_product(rows: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Return a product by a large matrix, for as many rows at a time, so that equal ones stay equal."""
    found = np.empty((len(rows), weights.shape[1]), rows.dtype)
    for start in range(0, len(rows), _TOGETHER):
        part = slice(max(0, min(start, len(rows) - _TOGETHER)), start + _TOGETHER)
        found[part] = _sum_of_products(rows[part], weights)
    return found


def _sum_of_products(rows: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    step = max(1, _ALONE // max(len(rows) * weights.shape[1], 1))
    products = (rows[:, at : at + step] @ weights[at : at + step] for at in range(0, len(weights), step))
    total = next(products, np.zeros((len(rows), weights.shape[1]), rows.dtype))
    for product in products:
        total += product
    return total

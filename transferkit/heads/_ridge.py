"""Ridge regression with exact cross-validation in closed form.

With centred rows ``Z``, the prediction for all rows is ``H y`` where ``H = 1/n + Z (Z'Z + n p)^-1 Z'``.
Leaving out a group G of rows changes its residuals to ``(1 - H_GG)^-1 (y_G - (H y)_G)``, exactly, so one
decomposition gives the held-out predictions of every group for every penalty. For single rows this
is the PRESS statistic of Allen (1974), Technometrics 16(1); the block form is in Cook and Weisberg (1982).

The penalty itself is chosen in ``linear.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.scratch import scratch

_ROWS = 4096  # rows processed at a time, which limits the size of copies
_SMALLEST_WEIGHT = 1e-10
PENALTIES = tuple(float(10.0**power) for power in np.arange(-5, 3.01, 0.5))


@dataclass(frozen=True)
class Ridge:
    """A decomposition of rows, for any penalty and any targets without missing values.

    Minimises the weighted mean of squared errors plus ``penalty`` times the squared norm of the coefficients;
    the intercept is not penalised.
    """

    mean: NDArray[np.float64]
    roots: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    root_weight: NDArray[np.float64]

    @classmethod
    def decompose(cls, rows: NDArray[np.float64], weight: NDArray[np.float64]) -> Ridge:
        """Decompose rows (n, r) with weights (n,) that sum to n."""
        # The floor has no other effect than to give rows without weight a held-out prediction, too.
        weight = np.maximum(weight, _SMALLEST_WEIGHT)
        mean = weight @ rows / weight.sum()
        root_weight = np.sqrt(weight)
        n, r = rows.shape
        centred = scratch(rows.shape)
        for block in _row_blocks(n):
            np.multiply(rows[block] - mean, root_weight[block, None], out=centred[block])
        products = centred.T @ centred if r <= n else centred @ centred.T
        values, vectors = _eigen(products)
        kept = values > 1e-11 * values.max(initial=np.finfo(float).tiny)
        roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
        if r > n:
            return cls(mean, roots, vectors, centred.T @ vectors / roots, root_weight)
        left = centred[:, : len(roots)]  # reuses memory, which may be most of what is available
        for block in _row_blocks(n):
            left[block] = centred[block] @ vectors / roots
        return cls(mean, roots, left, vectors, root_weight)

    def solve(
        self, targets: NDArray[np.float64], penalty: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return coefficients (r, k) and intercept (k,)."""
        centre = self._centre(targets)
        weighted = (targets - centre) * self.root_weight[:, None]
        shrink = self.roots / (self.roots**2 + penalty * len(targets))
        coefficients = self.right @ (shrink[:, None] * (self.left.T @ weighted))
        return coefficients, centre - self.mean @ coefficients

    def held_out(
        self, targets: NDArray[np.float64], penalty: float, groups: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the prediction (n, k) for each row by the model without the group of that row."""
        n = len(targets)
        weighted = (targets - self._centre(targets)) * self.root_weight[:, None]
        kept = self.roots**2 / (self.roots**2 + penalty * n)
        residual = weighted - self.left @ (kept[:, None] * (self.left.T @ weighted))
        share = self.root_weight / np.sqrt(self.root_weight @ self.root_weight)
        for members in _members(groups):
            if members.shape[1] == 1:
                alone = np.sort(members[:, 0])
                residual[alone] *= self._without_itself(alone, kept, share)[:, None]
                continue
            rows, shares = self.left[members] * np.sqrt(kept), share[members]
            hat = rows @ rows.transpose(0, 2, 1) + shares[:, :, None] * shares[:, None, :]
            values, vectors = np.linalg.eigh(np.eye(members.shape[1]) - hat)
            turned = _inverse(values)[:, :, None] * (vectors.transpose(0, 2, 1) @ residual[members])
            residual[members] = vectors @ turned
        held: NDArray[np.float64] = targets - residual / self.root_weight[:, None]
        return held

    def _without_itself(
        self, rows: NDArray[np.int64], kept: NDArray[np.float64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the factor by which the residual of each sorted row grows if the row is left out."""
        hat = share[rows] ** 2
        for block in _row_blocks(len(rows)):
            left = self.left[block] if len(rows) == len(self.left) else self.left[rows[block]]
            hat[block] += np.einsum("ij,ij,j->i", left, left, kept)
        return _inverse(1 - hat)

    def _centre(self, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        weight = self.root_weight**2
        centre: NDArray[np.float64] = weight @ targets / weight.sum()
        return centre


def _eigen(products: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues and eigenvectors; a diagonal matrix, as of reduced rows, needs no decomposition."""
    values = np.diag(products).copy()
    if np.abs(products - np.diag(values)).max(initial=0) <= 1e-13 * values.max(initial=0):
        order = np.argsort(values)
        return values[order], np.eye(len(values))[:, order]
    found: tuple[NDArray[np.float64], NDArray[np.float64]] = np.linalg.eigh(products)
    return found


def _inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse; 0 in directions that only a group itself determines."""
    inverse: NDArray[np.float64] = np.divide(1, values, out=np.zeros_like(values), where=values > 1e-10)
    return inverse


def _members(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return arrays (n_groups, size) of row indices, for groups of one size, with about _ROWS rows each."""
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.flatnonzero(np.diff(groups[order])) + 1])
    sizes = np.diff(np.append(starts, len(order)))
    found = []
    for size in np.unique(sizes).tolist():
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        step = len(members) if size == 1 else max(1, _ROWS // size)
        found += [members[start : start + step] for start in range(0, len(members), step)]
    return found


def _row_blocks(n: int) -> list[slice]:
    """Return slices of rows."""
    return [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]


def patterns(targets: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return (columns, rows present) for each set of columns with the same missing rows."""
    present = np.isfinite(targets)
    masks, which = np.unique(present, axis=1, return_inverse=True)
    return [(np.flatnonzero(which.ravel() == i), np.flatnonzero(masks[:, i])) for i in range(masks.shape[1])]

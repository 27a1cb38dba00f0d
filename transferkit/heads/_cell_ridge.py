"""Ridge regression on the cells of many maps, with held-out predictions.

The normal equations are sums over images. Those without a fold are the difference of two sums, so that five
held-out models take a single pass over the cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transferkit.heads._base import Maps, TrainingData, usual_size
from transferkit.heads._cells import described, ideal, scores
from transferkit.heads._ridge import patterns

Floats = NDArray[np.float64]
Solution = tuple[NDArray[np.float32], Floats]

_FOLDS = 5
_MOST_CELLS = 20_000  # cells to learn from; with many images, a random part of the cells of each
_BLOCK = 16  # images at a time
_FLOOR = 1e-3  # of the usual deviation of a layer's channels


@dataclass
class CellRidge:
    """Sums of the normal equations, for each fold.

    ``data.targets`` (n, 2 k) are points as fractions of the square. An image is left out for points that are
    missing in it. All rows of a group are in the same fold.
    """

    maps: Maps
    grid: int
    data: TrainingData
    spread: float
    penalty: float
    _sums: list[tuple[NDArray[np.int64], list[tuple[Floats, Floats, float]]]] = field(
        default_factory=list, init=False
    )

    def __post_init__(self) -> None:
        """Add up the equations for each set of points that are missing in the same images."""
        n_groups, group = _numbered(self.data.groups)
        generator = np.random.default_rng(self.data.random_state)
        n_folds = min(_FOLDS, n_groups)
        self.fold = (generator.permutation(n_groups) % n_folds)[group]
        n, cells = len(self.fold), self.grid**2
        share = min(1.0, _MOST_CELLS / (n * cells))
        self.used = generator.random((n, cells)) < share if share < 1 else np.ones((n, cells), dtype=bool)
        means = [array.mean(axis=(0, 1, 2), dtype=np.float64) for array in self.maps]
        gains = [_gain(array.std(axis=(0, 1, 2), dtype=np.float64)) for array in self.maps]
        self.mean = np.concatenate(means).astype(np.float32)
        self.gain = np.concatenate(gains).astype(np.float32)
        for columns, present in self._patterns():
            folds = [present[self.fold[present] == fold] for fold in range(n_folds)]
            self._sums.append((columns, [self._sum(rows, columns) for rows in folds]))

    def solve(self, without: int | None = None) -> Solution:
        """Return weights (c, k) and intercept (k,) for raw channels, without a fold or from all of them."""
        n_points = self.data.targets.shape[1] // 2
        weights = np.zeros((len(self.mean), n_points), dtype=np.float32)
        intercept = np.zeros(n_points)
        for columns, folds in self._sums:
            kept = [sums for fold, sums in enumerate(folds) if fold != without]
            products, moments, total = (sum(parts) for parts in zip(*kept, strict=True))
            size = self.penalty * max(float(total), 1e-12)
            ridge = np.full(len(self.mean) + 1, size)
            ridge[-1] = 1e-9 * size + 1e-12  # the intercept is free
            found = np.linalg.solve(products + np.diag(ridge), moments)
            weights[:, columns] = found[:-1] * self.gain[:, None]
            intercept[columns] = found[-1] - self.mean @ (found[:-1] * self.gain[:, None])
        return weights, intercept

    def held_out_scores(self) -> NDArray[np.float32]:
        """Return scores (n, cells, k) of each image by the model without its fold."""
        found = np.empty((len(self.fold), self.grid**2, self.data.targets.shape[1] // 2), dtype=np.float32)
        for fold in np.unique(self.fold):
            rows = np.flatnonzero(self.fold == fold)
            found[rows] = scores([array[rows] for array in self.maps], *self.solve(int(fold)), self.grid)
        return found

    def _patterns(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return (points, rows that have them)."""
        points = self.data.targets.reshape(len(self.data.targets), -1, 2)
        return patterns(points.sum(axis=-1))  # NaN where either coordinate is missing

    def _sum(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> tuple[Floats, Floats, float]:
        """Return inner products, moments and the total weight of the cells of these images."""
        width = len(self.mean) + 1
        products, moments = np.zeros((width, width)), np.zeros((width, len(columns)))
        total = 0.0
        points = self.data.targets.reshape(len(self.data.targets), -1, 2)[:, columns]
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            used = self.used[block]
            weight = np.repeat(np.sqrt(self.data.sample_weight[block]), used.sum(axis=1)).astype(np.float32)
            cells = described([array[block] for array in self.maps], self.grid)[used]
            cells = (cells - self.mean) * self.gain * weight[:, None]
            cells = np.concatenate([cells, weight[:, None]], axis=1)
            wanted = ideal(points[block], self.grid, self.spread)[used] * weight[:, None]
            products += cells.T @ cells
            moments += cells.T @ wanted
            total += float(weight @ weight)
        return products, moments, total


def _gain(deviation: Floats) -> Floats:
    """Return one factor for each channel of a layer; those that hardly vary are not amplified."""
    floor = _FLOOR * min(1.0, usual_size(deviation))
    gain: Floats = 1 / np.maximum(deviation, max(floor, float(np.finfo(np.float32).tiny)))
    return gain


def _numbered(groups: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Return the number of groups, and the group of each row, counted from 0."""
    names, group = np.unique(groups, return_inverse=True)
    return len(names), group.ravel()

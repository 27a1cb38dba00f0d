"""The evidence that all checks use: images with their facts, features and duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._data import Data
from transferkit.auditing._duplicates import Pairs
from transferkit.auditing._looks import Looks
from transferkit.foundation.linked import linked_groups
from transferkit.images import Reader

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """Everything known about n images.

    Attributes
    ----------
    data : Data
    looks : Looks
    failures : dict of int to error
        Error of each image that cannot be read.
    vectors : ndarray of float32, shape (n_readable, d), or None
        Features; None if no check needs them.
    first : ndarray of int64, shape (n,)
        The first image with the same content; -1 for images that cannot be read.
    pairs : Pairs
        Near duplicates with different content.
    groups : ndarray of int64, shape (n_train,)
        Groups of images that should not be separated by a split.
    guess : Guess or None
        Series of images, guessed from their names.
    probabilities : ndarray of float64, shape (n_train, n_classes), or None
        Predicted by models that have not seen the image.
    shortcut : Shortcut or None
    estimator : Classifier
    reader : Reader
        How images are read.
    image_size : int
        Side in pixels of what the backbone sees.
    seed : int
    confidence : float
    """

    data: Data
    looks: Looks
    failures: dict[int, Any]
    vectors: NDArray[np.float32] | None
    first: Rows
    pairs: Pairs
    estimator: Any
    reader: Reader
    image_size: int
    seed: int
    confidence: float
    groups: Rows
    guess: Any = None
    probabilities: NDArray[np.float64] | None = None
    shortcut: Any = None

    @cached_property
    def readable(self) -> Rows:
        """Rows of the images that can be read."""
        return np.array([row for row in range(len(self.data)) if row not in self.failures], dtype=np.int64)

    @cached_property
    def train(self) -> Rows:
        """Rows of the training images that can be read."""
        return self.readable[self.readable < self.data.n_train]

    @cached_property
    def repeats(self) -> Rows:
        """Group of each image (n,): exact copies and near duplicates share one."""
        return joined(
            len(self.data), (self.first, np.arange(len(self.data))), (self.pairs.first, self.pairs.second)
        )


def joined(n: int, *links: tuple[Rows, Rows]) -> Rows:
    """Return group numbers (n,) of images that are linked, directly or through others; -1 is no link."""
    first, second = (np.concatenate([link[side] for link in links]) for side in (0, 1))
    linked = (first >= 0) & (second >= 0)
    return linked_groups(n, first[linked], second[linked])

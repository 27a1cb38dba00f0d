"""Cross-fitting: logits of held-out scores by calibrations that have not seen these scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FEW = 2000  # scores; with fewer, five calibrations are cheap, and half of the scores may be too few for one


def cross_fitted(
    calibrate: Callable[[NDArray[np.int64]], tuple[Floats, Floats]],
    scores: Floats,
    groups: NDArray[np.int64],
    seed: int,
) -> Floats:
    """Return logits (n, k) for scores (n, k), each calibrated on rows of other groups.

    A calibration is too optimistic about rows that it has seen, especially if there are few: with 80 rows and
    three classes, prediction sets with a nominal coverage of 80 % had one of 76 % on new images.

    Parameters
    ----------
    calibrate : callable
        Maps row numbers to slope (k, k) and offset (k,).
    scores : ndarray
    groups : ndarray of int, shape (n,)
    seed : int
    """
    names, group = np.unique(groups, return_inverse=True)
    n_folds = 5 if scores.size <= _FEW else 2
    fold = np.random.default_rng(seed).permutation(len(names))[group] % n_folds
    logits = np.empty_like(scores)
    for one in range(n_folds):
        held, rest = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        if len(held):
            slope, offset = calibrate(rest if len(rest) else held)
            logits[held] = scores[held] @ slope + offset
    return logits

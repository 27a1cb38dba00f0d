"""Estimate a systematic horizontal offset of labels from predictions on images and mirror images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_offset"]

_SURE = 3.0  # standard errors; with ten groups, all of them must agree
_LARGEST = 2.0  # pixels; ways to count pixels differ by one at most
_UNEVEN = 0.3  # largest standard deviation between points, as a fraction of the offset


def label_offset(
    found: NDArray[np.float64],
    truth: NDArray[np.float64],
    groups: NDArray[np.int64],
    weight: NDArray[np.float64] | None = None,
) -> float:
    """Return the systematic offset of labels to the right, in pixels; 0 if it may be chance.

    Labels may count pixels from 1, as in MATLAB, or from the edge of the first pixel. A model that also
    learns from mirror images cannot learn this offset, since their labels are off in the opposite direction:
    its predictions have no offset.

    Parameters
    ----------
    found : ndarray, shape (n, k, 2)
        Points in pixels, predicted by a model that learned from images and mirror images, but not from these.
    truth : ndarray, shape (n, k, 2)
        Labels; NaN is a missing point.
    groups : ndarray of int, shape (n,)
        Groups of images; a group counts as one image.
    weight : ndarray, shape (n,), optional
        Weights of images; by default equal.

    Returns
    -------
    float
        Offset in pixels. 0 if groups do not agree on its direction by three standard errors (which takes at
        least ten groups), if it exceeds two pixels, or if it differs between points. (Subjects that all look
        to one side also cause an offset, as predictions are biased towards the middle; but it differs between
        points.)

    Notes
    -----
    The offset is the median over groups of the median over points, tested by a sign test.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.keypoints import label_offset
    >>> truth = np.random.default_rng(0).uniform(0, 100, (20, 5, 2))
    >>> round(label_offset(truth - np.array([1.0, 0.0]), truth, np.arange(20)), 3)
    1.0
    """
    gaps = truth[..., 0] - found[..., 0]
    weight = np.ones(len(gaps)) if weight is None else weight
    some = np.isfinite(gaps).any(axis=1) & (weight > 0)
    if not some.any():
        return 0.0
    gaps, weight = gaps[some], weight[some]
    images = np.nanmedian(gaps, axis=1)
    names, group = np.unique(groups[some], return_inverse=True)
    each = np.array([_median(images[group == i], weight[group == i]) for i in range(len(names))])
    share = np.bincount(group, weight).astype(np.float64)
    middle = _median(each, share)
    agree = (share * np.sign(each)).sum() / np.sqrt((share**2).sum())  # 0 +- 1 if it is chance
    points = [_median(*_present(column, weight)) for column in gaps.T if np.isfinite(column).any()]
    sure = abs(agree) > _SURE and abs(middle) <= _LARGEST
    return middle if sure and np.std(points) <= _UNEVEN * abs(middle) else 0.0


def _present(values: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    there = np.isfinite(values)
    return values[there], weight[there]


def _median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return the weighted median; between two values, their mean."""
    order = np.argsort(values)
    below = np.cumsum(weight[order])
    middle = [np.searchsorted(below, below[-1] / 2, side) for side in ("left", "right")]
    return float(values[order][np.minimum(middle, len(values) - 1)].mean())

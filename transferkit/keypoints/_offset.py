"""How far to the right labels lie of where images and their mirror images say points are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_offset"]

_FEWEST = 10  # groups; fewer say nothing
_SURE = 3.0  # standard errors


def label_offset(found: NDArray[np.float64], truth: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Return the pixels by which all labels lie to the right of the points found; 0 where it may be chance.

    Labels may count pixels from 1, as MATLAB does, or from the edge of the first one. A model that learns
    from mirror images too cannot learn that, since theirs are off the other way: it finds the middle of both.

    Parameters
    ----------
    found : ndarray, shape (n, k, 2)
        Points in pixels, by a model that learned from images and mirror images, but from none of these.
    truth : ndarray, shape (n, k, 2)
        Labels; NaN is a missing point.
    groups : ndarray of int, shape (n,)
        Images of one group count as one.

    Returns
    -------
    float
        Pixels; 0 with fewer than 10 groups, and where it is within three standard errors.

    Notes
    -----
    The median over groups of the median over points, with the standard error of a median of Gaussian values.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit.keypoints import label_offset
    >>> truth = np.random.default_rng(0).uniform(0, 100, (20, 5, 2))
    >>> round(label_offset(truth - np.array([1.0, 0.0]), truth, np.arange(20)), 3)
    1.0
    """
    gaps = truth[..., 0] - found[..., 0]
    some = np.isfinite(gaps).any(axis=1)
    if not some.any():
        return 0.0
    images = np.nanmedian(gaps[some], axis=1)
    names, group = np.unique(groups[some], return_inverse=True)
    each = np.array([np.median(images[group == i]) for i in range(len(names))])
    middle = float(np.median(each))
    # Of medians, so that a face that was not found counts no more than any other.
    error = 1.2533 * 1.4826 * float(np.median(np.abs(each - middle))) / np.sqrt(len(each))
    return middle if len(each) >= _FEWEST and abs(middle) > _SURE * error else 0.0

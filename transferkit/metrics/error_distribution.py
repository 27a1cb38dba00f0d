"""The cumulative distribution of keypoint errors over images, and metrics of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number

__all__ = ["area_under_ced", "cumulative_error_distribution", "failure_rate", "present_errors"]

FloatArray = npt.NDArray[np.float64]


def cumulative_error_distribution(errors: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the cumulative distribution of errors.

    Parameters
    ----------
    errors : array-like of shape (n,)
        One error per image, as from ``normalized_mean_error(..., per_image=True)``. Use ``inf`` for an image
        without a detection; NaN is ignored.

    Returns
    -------
    thresholds : ndarray of shape (m,)
        Increasing fractions, starting at 0.
    shares : ndarray of shape (m,)
        Share of images with at most this error, from 0 to 1. Plot as steps after each threshold.

    Raises
    ------
    InvalidInputError
        If all errors are NaN, or one is negative.

    Examples
    --------
    >>> thresholds, shares = cumulative_error_distribution([0.04, 0.02])
    >>> thresholds.tolist(), shares.tolist()
    ([0.0, 0.02, 0.04], [0.0, 0.5, 1.0])
    """
    values = _image_errors(errors)
    thresholds = np.union1d([0.0], values[np.isfinite(values)])
    return thresholds, np.searchsorted(np.sort(values), thresholds, side="right") / len(values)


def area_under_ced(errors: npt.ArrayLike, *, limit: float = 0.08) -> float:
    """Return the area under the cumulative error distribution up to `limit`, divided by `limit`.

    For the distribution :math:`F`, :math:`\\frac{1}{L} \\int_0^L F(e)\\, de`, which for :math:`n`
    images equals :math:`\\frac{1}{n} \\sum_i \\max(0, 1 - e_i / L)`.

    Parameters
    ----------
    errors : array-like of shape (n,)
        One for each image; ``inf`` is an image where nothing was found; NaN is left out.
    limit : float, default=0.08
        Upper end of the integral; 0.08 of the distance between the outer eye corners is customary
        for 300-W [1]_.

    Returns
    -------
    float
        From 0 to 1 (perfect).

    Raises
    ------
    InvalidInputError
        If there is no error, a negative one, or if the limit is not positive.

    References
    ----------
    .. [1] H. Yang et al., "An Empirical Study of Recent Face Alignment Methods", 2015.

    Examples
    --------
    >>> area_under_ced([0.0, 0.04, 0.5])
    0.5
    """
    return float(np.clip(1.0 - _image_errors(errors) / check_limit(limit), 0.0, None).mean())


def failure_rate(errors: npt.ArrayLike, *, limit: float = 0.08) -> float:
    """Return the share of images whose error is above `limit`.

    Parameters
    ----------
    errors : array-like of shape (n,)
        One for each image; ``inf`` is an image where nothing was found; NaN is left out.
    limit : float, default=0.08
        The largest error that is not a failure.

    Returns
    -------
    float
        From 0 (perfect) to 1.

    Raises
    ------
    InvalidInputError
        If there is no error, a negative one, or if the limit is not positive.

    Examples
    --------
    >>> failure_rate([0.02, 0.08, 0.09, 0.5])
    0.5
    """
    return float((_image_errors(errors) > check_limit(limit)).mean())


def present_errors(errors: FloatArray) -> FloatArray:
    """Return the errors that are not NaN; raise `InvalidInputError` if none is left."""
    errors = errors[~np.isnan(errors)]
    if not len(errors):
        raise InvalidInputError(
            "No image has an error: there are no images, or the points that the normalizer needs are missing "
            "in all of them. Pass images with keypoints, or another normalizer."
        )
    return errors


def _image_errors(errors: npt.ArrayLike) -> FloatArray:
    """Return the validated errors without NaN."""
    values = np.asarray(errors, dtype=np.float64)
    if values.ndim != 1:
        raise InvalidInputError(
            f"errors must have shape (n,), one per image. Got {values.shape}. "
            "Pass normalized_mean_error(..., per_image=True)."
        )
    if (values < 0).any():
        raise InvalidInputError(f"errors must not be negative. Got {values.min()}.")
    return present_errors(values)


def check_limit(limit: float) -> float:
    """Return `limit`; raise `InvalidInputError` unless it is a positive number."""
    if not is_number(limit, above=0):
        raise InvalidInputError(f"limit must be a positive fraction such as 0.08. Got {limit!r}.")
    return limit

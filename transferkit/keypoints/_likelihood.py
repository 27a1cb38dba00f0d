"""From the error to expect of a point to the likelihood that it is close enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number

__all__ = ["likelihood_within"]


def likelihood_within(expected_error: npt.ArrayLike, distance: float) -> npt.NDArray[np.float64]:
    """Return how likely each point is within a distance of the true one.

    Parameters
    ----------
    expected_error : array-like, shape (n, k)
        Pixels, as ``KeypointRegressor.predict(X, return_error=True)`` returns them. NaN stays NaN.
    distance : float
        Pixels that a point may be off and still be of use.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Between 0 and 1, as the column ``likelihood`` of DeepLabCut: for ``table.with_keypoints(points,
        likelihood=...)``.

    Raises
    ------
    InvalidInputError
        An expected error is negative, or the distance is not positive.

    Notes
    -----
    Distances are taken to be gamma-distributed with shape 2, whose tail is longer than of Gaussian errors. On
    drawn bodies and on faces, the share within half, one and two times the expected error is 26, 59 and
    91 % by this law; in six experiments it was 21 to 33, 59 to 71 and 91 to 97 %.

    Examples
    --------
    >>> from transferkit.keypoints import likelihood_within
    >>> likelihood_within([[2.0, 8.0]], 5.0).round(2).tolist()
    [[0.96, 0.36]]
    """
    expected = np.asarray(expected_error, dtype=np.float64)
    if not is_number(distance, above=0):
        raise InvalidInputError(f"distance must be a positive number of pixels. Got {distance!r}.")
    if (expected < 0).any():
        raise InvalidInputError(f"expected_error must be 0 or more. Got {np.nanmin(expected):g}.")
    steps = 2 * distance / np.maximum(expected, 1e-9)
    likelihood: npt.NDArray[np.float64] = 1 - np.exp(-steps) * (1 + steps)
    return likelihood

"""The two layouts of keypoint arrays: (n, 2 * k) and (n, k, 2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError

__all__ = ["as_layout", "as_points"]


def as_points(keypoints: npt.ArrayLike, *, name: str = "keypoints") -> npt.NDArray[np.float64]:
    """Convert keypoints of either layout to an array of (x, y) points.

    Parameters
    ----------
    keypoints : array-like of shape (n, 2 * k) or (n, k, 2)
        ``x0, y0, x1, y1, ...`` of each image, or (x, y) points. NaN is a missing point.
    name : str, default="keypoints"
        Name of the argument in error messages.

    Returns
    -------
    ndarray of float64, shape (n, k, 2)
        A copy. If one coordinate of a point is NaN or masked, both are set to NaN.

    Raises
    ------
    InvalidInputError
        If the values are not numbers, one is infinite, or the shape fits neither layout.

    Examples
    --------
    >>> as_points([[1, 2, 3, 4]]).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    try:
        given = keypoints if np.ma.isMaskedArray(keypoints) else np.asarray(keypoints)
        if given.dtype.kind in "cMmVS":
            raise TypeError(f"their type is {given.dtype}")
        points = np.array(given, dtype=np.float64)
        points[np.ma.getmaskarray(given)] = np.nan
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{name} must be one array of numbers, of shape (n, 2 * k) or (n, k, 2): {error}. "
            "Use the same number of points for each image, with NaN for missing points."
        ) from error
    flat = points.ndim == 2 and points.shape[1] > 0 and points.shape[1] % 2 == 0
    if not flat and not (points.ndim == 3 and points.shape[1] > 0 and points.shape[2] == 2):
        raise InvalidInputError(
            f"{name} must have shape (n, 2 * k) or (n, k, 2). Got {points.shape}. "
            "Pass one row x0, y0, x1, y1, ... per image, even for a single image."
        )
    points = points.reshape(len(points), points.shape[1] // (2 if flat else 1), 2)
    infinite = np.argwhere(np.isinf(points))
    if len(infinite):
        image, point, axis = (int(i) for i in infinite[0])
        raise InvalidInputError(
            f"{name} has an infinite {'xy'[axis]} at image {image}, point {point}. "
            "Use NaN for a missing point."
        )
    points[np.isnan(points).any(axis=-1)] = np.nan
    return points


def as_layout(points: npt.NDArray[np.float64], like: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Convert points to the layout of another keypoint array.

    Parameters
    ----------
    points : ndarray of shape (n, k, 2)
    like : array-like of shape (m, 2 * k) or (m, k, 2)
        Only its number of axes is used.

    Returns
    -------
    ndarray of shape (n, 2 * k) or (n, k, 2)

    Raises
    ------
    InvalidInputError
        If `like` has neither two nor three axes.

    Examples
    --------
    >>> flat = [[1.0, 2.0, 3.0, 4.0]]
    >>> as_layout(as_points(flat), like=flat).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    axes = np.ndim(like)
    if axes not in (2, 3):
        raise InvalidInputError(f"like must have 2 axes (n, 2 * k) or 3 axes (n, k, 2). Got {axes}.")
    return points.reshape(len(points), 2 * points.shape[1]) if axes == 2 else points

"""Smooth keypoints over the frames of a video."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.keypoints._layouts import as_layout, as_points

__all__ = ["smooth_keypoints"]


def smooth_keypoints(keypoints: npt.ArrayLike, *, window: int = 5) -> npt.NDArray[np.float64]:
    """Smooth keypoints of successive frames by a running median.

    The median removes errors of single frames and preserves sudden movements, but loses movements back and
    forth that are shorter than half the window.

    Parameters
    ----------
    keypoints : array-like, shape (n, 2 * k) or (n, k, 2)
        Keypoints of frames at equal time intervals, in order; NaN is a missing point.
    window : int, default=5
        Number of frames in the window, odd; 1 changes nothing. The window is shorter at both ends.

    Returns
    -------
    ndarray of the same shape
        Smoothed keypoints. A point is missing only if it is missing in all frames of the window.

    Raises
    ------
    InvalidInputError
        If the window is not an odd number of frames.

    Notes
    -----
    A median of 5 frames is also the default of DeepLabCut's ``filterpredictions``.

    Examples
    --------
    >>> smooth_keypoints([[0.0, 0], [1, 0], [90, 0], [3, 0], [4, 0]], window=3)[:, 0].tolist()
    [0.5, 1.0, 3.0, 4.0, 3.5]
    """
    points = as_points(keypoints)
    if not isinstance(window, int | np.integer) or window < 1 or window % 2 == 0:
        raise InvalidInputError(f"window must be an odd number of frames, such as 5. Got {window!r}.")
    if not len(points):
        return as_layout(points, like=np.asarray(keypoints))
    half = int(window) // 2
    padded = np.pad(points, ((half, half), (0, 0), (0, 0)), constant_values=np.nan)
    # Windows of each point (n, k, 2, window); windows without any value stay NaN, without NumPy's warning.
    windows = np.lib.stride_tricks.sliding_window_view(padded, int(window), axis=0)
    present = np.isfinite(windows).any(axis=-1)
    smooth = np.full(points.shape, np.nan)
    smooth[present] = np.nanmedian(windows[present], axis=-1)
    return as_layout(smooth, like=np.asarray(keypoints))

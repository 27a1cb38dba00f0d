"""Smooth the tracks of keypoints over the frames of a film."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.keypoints._layouts import as_layout, as_points

__all__ = ["smooth_keypoints"]


def smooth_keypoints(keypoints: npt.ArrayLike, *, window: int = 5) -> npt.NDArray[np.float64]:
    """Return keypoints of successive frames, each the median of the frames around it.

    A single frame that is wrong does not show, and a step stays one; a movement to and fro that is shorter
    than half the window is lost.

    Parameters
    ----------
    keypoints : array-like, shape (n, 2 * k) or (n, k, 2)
        In the order of time, at even distances; NaN is a missing point.
    window : int, default=5
        Frames that count, an odd number; 1 changes nothing. At both ends there are fewer.

    Returns
    -------
    ndarray of the same shape
        A point that is missing in all frames of a window is missing.

    Raises
    ------
    InvalidInputError
        If the window is not an odd number of frames.

    Notes
    -----
    The default of DeepLabCut's ``filterpredictions``: a median of 5 frames.

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
    # Windows of one point (n, k, 2, window); a column without any value stays NaN, without numpy's warning.
    windows = np.lib.stride_tricks.sliding_window_view(padded, int(window), axis=0)
    present = np.isfinite(windows).any(axis=-1)
    smooth = np.full(points.shape, np.nan)
    smooth[present] = np.nanmedian(windows[present], axis=-1)
    return as_layout(smooth, like=np.asarray(keypoints))

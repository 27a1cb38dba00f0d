"""The standard 68-point scheme of the face.

The order is that of Multi-PIE and 300-W [1]_: jaw (from left to right in the image), eyebrows, nose, eyes,
lips. "Right" is the *subject's* right, which is on the left of the image.

References
----------
.. [1] C. Sagonas et al., "300 Faces In-The-Wild Challenge: database and results",
   Image and Vision Computing 47, 2016. https://ibug.doc.ic.ac.uk/resources/300-W/
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from transferkit.keypoints._names import Pairs

N_FACE_POINTS = 68

GROUPS = MappingProxyType(
    {
        "jaw": range(0, 17),
        "right_eyebrow": range(17, 22),
        "left_eyebrow": range(22, 27),
        "nose_bridge": range(27, 31),
        "nose": range(31, 36),
        "right_eye": range(36, 42),
        "left_eye": range(42, 48),
        "outer_mouth": range(48, 60),
        "inner_mouth": range(60, 68),
    }
)
"""Indices of the points of each part of the face."""

OUTER_EYE_CORNERS = (36, 45)
"""The subject's right and left outer eye corner."""

EYE_POINTS = (tuple(range(36, 42)), tuple(range(42, 48)))
"""The six points of the subject's right and left eye; their mean approximates the pupil."""

MIRROR_PAIRS: tuple[tuple[int, int], ...] = (
    *((i, 16 - i) for i in range(8)),  # jaw; 8 is the chin
    *((17 + i, 26 - i) for i in range(5)),  # eyebrows
    *((31, 35), (32, 34)),  # nose; the bridge 27-30 and 33 lie on the midline
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # eyes
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),  # outer lips; 51 and 57 on the midline
    *((60, 64), (61, 63), (65, 67)),  # inner lips; 62 and 66 on the midline
)
"""Pairs of points that swap when the image is mirrored; the other 10 points stay."""


def mirror_order(n_points: int, pairs: Pairs | None = None) -> npt.NDArray[np.intp] | None:
    """Return the order of the points after mirroring the image horizontally.

    Parameters
    ----------
    n_points : int
        Number of points.
    pairs : tuple of (int, int), optional
        Points that swap; all others stay. By default those of the 68 points of the face.

    Returns
    -------
    ndarray of int, shape (n_points,), or None
        Use it as ``mirrored = points[:, order]``, and replace each ``x`` by ``width - 1 - x``. None if no
        pairs are passed and there are not 68 points.

    Examples
    --------
    >>> int(mirror_order(68)[36])
    45
    >>> mirror_order(5) is None
    True
    """
    if pairs is None and n_points != N_FACE_POINTS:
        return None
    order = np.arange(n_points)
    for right, left in MIRROR_PAIRS if pairs is None else pairs:
        order[right], order[left] = left, right
    return order


def pupils(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the subject's right and left pupil, as the mean of the six points of each eye.

    Parameters
    ----------
    points : ndarray of shape (n, 68, 2)

    Returns
    -------
    ndarray of shape (n, 2, 2)
        (x, y) in the unit of `points`; NaN if a point of that eye is missing.
    """
    return np.stack([points[:, list(eye)].mean(axis=1) for eye in EYE_POINTS], axis=1)

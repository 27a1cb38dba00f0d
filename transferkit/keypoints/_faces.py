"""The standard 68-point scheme of the face.

The order is that of Multi-PIE and 300-W [1]_: the jaw from the image's left to
its right, brows, nose, eyes, then the lips. "Right" is the *subject's* right,
which a camera sees on the left of the image.

Any number of points is welcome elsewhere in transferkit; 68 points bring names,
mirror pairs and eye corners. A missing point is NaN in both coordinates.

References
----------
.. [1] C. Sagonas et al., "300 Faces In-The-Wild Challenge: database and results",
   Image and Vision Computing 47, 2016. https://ibug.doc.ic.ac.uk/resources/300-W/
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt

__all__ = [
    "EYE_POINTS",
    "GROUPS",
    "MIRROR_PAIRS",
    "N_FACE_POINTS",
    "OUTER_EYE_CORNERS",
    "mirror_order",
    "pupils",
]

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
"""Name of each part of the face, and the indices of its points."""

OUTER_EYE_CORNERS = (36, 45)
"""The subject's right and left outer eye corner."""

EYE_POINTS = (tuple(range(36, 42)), tuple(range(42, 48)))
"""The six points of the subject's right and left eye; their mean stands for the pupil."""

MIRROR_PAIRS: tuple[tuple[int, int], ...] = (
    *((i, 16 - i) for i in range(8)),  # jaw; 8 is the chin
    *((17 + i, 26 - i) for i in range(5)),  # brows
    *((31, 35), (32, 34)),  # nose; the bridge 27-30 and 33 lie on the midline
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # eyes
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),  # outer lips; 51 and 57 on the midline
    *((60, 64), (61, 63), (65, 67)),  # inner lips; 62 and 66 on the midline
)
"""Points that trade places when the image is mirrored; the 10 left out stay."""


def mirror_order(n_points: int) -> npt.NDArray[np.intp] | None:
    """Return the order of the points after a horizontal mirroring of the image.

    Parameters
    ----------
    n_points : int
        Number of points of the scheme.

    Returns
    -------
    ndarray of int, shape (n_points,), or None
        ``mirrored = points[:, order]`` once each ``x`` is ``width - 1 - x``.
        None where the scheme is not known: only 68 points are.

    Examples
    --------
    >>> int(mirror_order(68)[36])
    45
    >>> mirror_order(5) is None
    True
    """
    if n_points != N_FACE_POINTS:
        return None
    order = np.arange(N_FACE_POINTS)
    for right, left in MIRROR_PAIRS:
        order[right], order[left] = left, right
    return order


def pupils(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the subject's right and left pupil, each as the mean of the six points of its eye.

    Parameters
    ----------
    points : ndarray of shape (n, 68, 2)

    Returns
    -------
    ndarray of shape (n, 2, 2)
        (x, y) in the unit of `points`; NaN where a point of that eye is missing.
    """
    return np.stack([points[:, list(eye)].mean(axis=1) for eye in EYE_POINTS], axis=1)

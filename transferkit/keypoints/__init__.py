"""Keypoints: the 68-point scheme of the face, array layouts, shapes, and CSV files.

Any number of points is supported; 68 points have names, mirror pairs and eye corners. A missing point is NaN
in both coordinates.
"""

from transferkit.keypoints._csv import KeypointTable, read_keypoints_csv, write_keypoints_csv
from transferkit.keypoints._faces import (
    EYE_POINTS,
    GROUPS,
    MIRROR_PAIRS,
    N_FACE_POINTS,
    OUTER_EYE_CORNERS,
    mirror_order,
    pupils,
)
from transferkit.keypoints._layouts import as_layout, as_points
from transferkit.keypoints._shapes import frames_around, mean_shape

__all__ = [
    "EYE_POINTS",
    "GROUPS",
    "MIRROR_PAIRS",
    "N_FACE_POINTS",
    "OUTER_EYE_CORNERS",
    "KeypointTable",
    "as_layout",
    "as_points",
    "frames_around",
    "mean_shape",
    "mirror_order",
    "pupils",
    "read_keypoints_csv",
    "write_keypoints_csv",
]

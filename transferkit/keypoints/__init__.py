"""Keypoints: the 68-point scheme of the face, array layouts, shapes, and files of every format.

Any number of points is supported; 68 points have names, mirror pairs and eye corners. A missing point is NaN
in both coordinates.
"""

from transferkit.keypoints._boxes import BOX_MARGIN, check_boxes, frames_of_boxes
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
from transferkit.keypoints._likelihood import likelihood_within
from transferkit.keypoints._names import Pairs, checked_pairs, mirror_pairs_by_name
from transferkit.keypoints._offset import label_offset
from transferkit.keypoints._shapes import frames_around, mean_shape
from transferkit.keypoints._smoothing import smooth_keypoints
from transferkit.keypoints.files import (
    KeypointTable,
    format_of_keypoints,
    read_coco_keypoints,
    read_deeplabcut,
    read_keypoints,
    read_keypoints_csv,
    read_label_studio,
    read_labelme,
    read_pts,
    read_sleap,
    read_yolo_pose,
    write_coco_keypoints,
    write_deeplabcut,
    write_keypoints_csv,
)

__all__ = [
    "BOX_MARGIN",
    "EYE_POINTS",
    "GROUPS",
    "MIRROR_PAIRS",
    "N_FACE_POINTS",
    "OUTER_EYE_CORNERS",
    "KeypointTable",
    "Pairs",
    "as_layout",
    "as_points",
    "check_boxes",
    "checked_pairs",
    "format_of_keypoints",
    "frames_around",
    "frames_of_boxes",
    "label_offset",
    "likelihood_within",
    "mean_shape",
    "mirror_order",
    "mirror_pairs_by_name",
    "pupils",
    "read_coco_keypoints",
    "read_deeplabcut",
    "read_keypoints",
    "read_keypoints_csv",
    "read_label_studio",
    "read_labelme",
    "read_pts",
    "read_sleap",
    "read_yolo_pose",
    "smooth_keypoints",
    "write_coco_keypoints",
    "write_deeplabcut",
    "write_keypoints_csv",
]

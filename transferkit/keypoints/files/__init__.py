"""Files of keypoints: a reader for each common format, and one kind of table for all of them.

::

    CSV  DeepLabCut  COCO  .pts  LabelMe  SLEAP  Label Studio  YOLO
      \\______________________|________________________________/
                       KeypointTable
                      /      |       \\
                   CSV   DeepLabCut   COCO

A row is a subject, not an image: a picture of three persons has three rows. Images are usually not opened. If
a file is passed to the reader of another format, the error message names its actual format (``_kinds``).
"""

from transferkit.keypoints.files._any import read_keypoints
from transferkit.keypoints.files._coco import read_coco_keypoints
from transferkit.keypoints.files._coco_out import write_coco_keypoints
from transferkit.keypoints.files._csv import read_keypoints_csv, write_keypoints_csv
from transferkit.keypoints.files._deeplabcut import read_deeplabcut
from transferkit.keypoints.files._deeplabcut_out import write_deeplabcut
from transferkit.keypoints.files._kinds import kind_of as format_of_keypoints
from transferkit.keypoints.files._label_studio import read_label_studio
from transferkit.keypoints.files._labelme import read_labelme
from transferkit.keypoints.files._pts import read_pts
from transferkit.keypoints.files._sleap import read_sleap
from transferkit.keypoints.files._table import KeypointTable
from transferkit.keypoints.files._yolo import read_yolo_pose

__all__ = [
    "KeypointTable",
    "format_of_keypoints",
    "read_coco_keypoints",
    "read_deeplabcut",
    "read_keypoints",
    "read_keypoints_csv",
    "read_label_studio",
    "read_labelme",
    "read_pts",
    "read_sleap",
    "read_yolo_pose",
    "write_coco_keypoints",
    "write_deeplabcut",
    "write_keypoints_csv",
]

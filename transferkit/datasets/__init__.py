"""Images with labels, numbers or keypoints, from folders, tables and videos, or synthetic."""

from transferkit.datasets._folder import ImageFolder, read_image_folder
from transferkit.datasets._labelled import labelled_images
from transferkit.datasets._table import ImageTable, read_column, read_table
from transferkit.datasets._video import VideoFrames, video_frames
from transferkit.datasets.bodies import Bodies, make_bodies
from transferkit.datasets.faces import Faces, make_faces, write_faces
from transferkit.keypoints import (
    KeypointTable,
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
    "Bodies",
    "Faces",
    "ImageFolder",
    "ImageTable",
    "KeypointTable",
    "VideoFrames",
    "labelled_images",
    "make_bodies",
    "make_faces",
    "read_coco_keypoints",
    "read_column",
    "read_deeplabcut",
    "read_image_folder",
    "read_keypoints",
    "read_keypoints_csv",
    "read_label_studio",
    "read_labelme",
    "read_pts",
    "read_sleap",
    "read_table",
    "read_yolo_pose",
    "video_frames",
    "write_coco_keypoints",
    "write_deeplabcut",
    "write_faces",
    "write_keypoints_csv",
]

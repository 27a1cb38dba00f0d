"""Images with labels or keypoints: from a folder, from a table, or drawn."""

from ._folder import IMAGE_SUFFIXES, ImageFolder, is_side_file, read_image_folder
from ._table import KeypointTable, read_keypoints_csv
from .faces import Faces, make_faces, write_faces

__all__ = [
    "IMAGE_SUFFIXES",
    "Faces",
    "ImageFolder",
    "KeypointTable",
    "is_side_file",
    "make_faces",
    "read_image_folder",
    "read_keypoints_csv",
    "write_faces",
]

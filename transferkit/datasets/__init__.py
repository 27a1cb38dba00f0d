"""Images with labels, numbers or keypoints: from a folder, from a CSV file, or synthetic."""

from transferkit.datasets._folder import ImageFolder, read_image_folder
from transferkit.datasets._labelled import labelled_images
from transferkit.datasets._table import ImageTable, read_table
from transferkit.datasets.bodies import Bodies, make_bodies
from transferkit.datasets.faces import Faces, make_faces, write_faces
from transferkit.keypoints import KeypointTable, read_keypoints_csv

__all__ = [
    "Bodies",
    "Faces",
    "ImageFolder",
    "ImageTable",
    "KeypointTable",
    "labelled_images",
    "make_bodies",
    "make_faces",
    "read_image_folder",
    "read_keypoints_csv",
    "read_table",
    "write_faces",
]

"""One reader for files of every format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from transferkit.errors import InvalidInputError, quoted
from transferkit.keypoints.files._coco import read_coco_keypoints
from transferkit.keypoints.files._csv import read_keypoints_csv
from transferkit.keypoints.files._deeplabcut import read_deeplabcut
from transferkit.keypoints.files._kinds import READERS, kind_of
from transferkit.keypoints.files._label_studio import read_label_studio
from transferkit.keypoints.files._labelme import read_labelme
from transferkit.keypoints.files._pts import read_pts
from transferkit.keypoints.files._sleap import read_sleap
from transferkit.keypoints.files._table import KeypointTable
from transferkit.keypoints.files._yolo import read_yolo_pose

__all__ = ["read_keypoints"]

_FUNCTIONS: dict[str, Any] = {
    "CSV": read_keypoints_csv,
    "DeepLabCut": read_deeplabcut,
    "COCO": read_coco_keypoints,
    "pts": read_pts,
    "LabelMe": read_labelme,
    "SLEAP": read_sleap,
    "Label Studio": read_label_studio,
    "YOLO": read_yolo_pose,
}


def read_keypoints(path: str | os.PathLike[str], **options: Any) -> KeypointTable:
    """Read keypoints from a file of any known format, which is recognized by its content.

    Parameters
    ----------
    path : path
        A CSV file; a file of DeepLabCut, COCO, LabelMe, SLEAP or Label Studio; a ``data.yaml`` of YOLO; a
        ``.pts`` file; or a folder of ``.pts`` or LabelMe files.
    **options
        Options of the reader for this format, such as ``image_folder=``.

    Returns
    -------
    KeypointTable

    Raises
    ------
    InvalidInputError
        If there is no such file, its format is unknown, or its reader raises an error.

    Examples
    --------
    >>> table = read_keypoints("annotations/person_keypoints_val2017.json")  # doctest: +SKIP
    >>> kp = KeypointRegressor().fit(*table, groups=table.groups)            # doctest: +SKIP
    """
    kind = kind_of(path)
    if kind is None:
        state = "is of none of them" if Path(path).exists() else f"does not exist in {Path.cwd()}"
        raise InvalidInputError(
            f"Expected a file of keypoints: {quoted(READERS, 'or')}. {os.fspath(path)!r} {state}."
        )
    reader = _FUNCTIONS[kind]
    known = set(reader.__kwdefaults__ or {})
    if unknown := sorted(set(options) - known):
        raise InvalidInputError(
            f"{os.fspath(path)} is a {kind} file, and {READERS[kind]} takes "
            f"{quoted(sorted(known)) or 'no options'}. Got {quoted(unknown)}."
        )
    table: KeypointTable = reader(path, **options)
    return table

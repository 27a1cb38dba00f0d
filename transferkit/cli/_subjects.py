"""Boxes of subjects and groups of images in a keypoint file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError

Boxes = NDArray[np.float64]


def boxes_to_learn(data: Any, wanted: bool) -> Boxes | None:
    """Return the boxes of a table of keypoints if images have several subjects, or if they are wanted.

    With one subject per image they are not used by default: the model would need a box for each new image,
    too; and many tools write the extent of the points instead of a box, which gives away where points are.
    """
    boxes = getattr(data, "boxes", None)
    several = _n_further(data)
    if boxes is None and wanted:
        raise InvalidInputError(
            "boxes are not in this data. Expected a file of keypoints with a box for each subject, such as "
            "COCO's, or a CSV with the columns box_left, box_top, box_right and box_bottom."
        )
    if boxes is None and several:
        raise InvalidInputError(
            f"data must have a box for each subject where images have several. {several} row(s) are further "
            "subjects of an image, and the file has no boxes."
        )
    return boxes if several or wanted else None


def boxes_for(model: Any, data: Any) -> dict[str, Any]:
    """Return the boxes as an argument of ``evaluate`` and ``predict``, if the model needs some."""
    if not getattr(model, "boxed_", False):
        several = _n_further(data)
        if several:
            raise InvalidInputError(
                f"data must have one subject for each image: the model was trained on whole images. "
                f"{several} row(s) are further subjects of an image."
            )
        return {}
    boxes = getattr(data, "boxes", None)
    if boxes is None:
        raise InvalidInputError(
            "data must be a file of keypoints with a box for each subject, such as COCO's: the model was "
            "trained with boxes."
        )
    return {"boxes": boxes}


def groups_of(data: Any) -> NDArray[Any] | None:
    """Return the groups in a keypoint file, such as the videos of frames, if there are several."""
    groups = getattr(data, "groups", None)
    return groups if groups is not None and len(np.unique(groups)) > 1 else None


def _n_further(data: Any) -> int:
    """Return how many rows are additional subjects of an image."""
    paths = getattr(data, "paths", ())
    return len(paths) - len(set(paths))

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


def check_order(model: Any, data: Any) -> None:
    """Raise if a file has its points in another order than a model, as far as left and right points tell."""
    own, theirs = (_partners(getattr(one, "mirror_pairs", None)) for one in (model, data))
    wrong = [point for point in own if theirs.get(point, own[point]) != own[point]]
    if wrong:
        raise InvalidInputError(
            f"data must have its points in the order of the model: point {wrong[0]} is the mirror image of "
            f"point {theirs[wrong[0]]} in this file, and of point {own[wrong[0]]} in the model. Write the "
            "file anew with its points in that order; readers of some formats take names= for it."
        )


def _partners(pairs: Any) -> dict[int, int]:
    """Return the mirror image of each point."""
    return {a: b for left, right in pairs or () for a, b in ((left, right), (right, left))}


def groups_of(data: Any) -> NDArray[Any] | None:
    """Return the groups in a keypoint file, such as the videos of frames, if there are several."""
    groups = getattr(data, "groups", None)
    return groups if groups is not None and len(np.unique(groups)) > 1 else None


def _n_further(data: Any) -> int:
    """Return how many rows are additional subjects of an image."""
    paths = getattr(data, "paths", ())
    return len(paths) - len(set(paths))

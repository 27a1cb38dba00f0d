"""Boxes around subjects, and the squares that a backbone sees of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError

__all__ = ["BOX_MARGIN", "frames_of_boxes"]

# On each side, as a fraction of the longer side of the box: detectors' boxes are tight, and what surrounds a
# subject says where it ends.
BOX_MARGIN = 0.2


def frames_of_boxes(boxes: Any, n_images: int) -> npt.NDArray[np.float64]:
    """Return the upright square around each box, with a margin.

    Parameters
    ----------
    boxes : array-like, shape (n, 4)
        Left, top, right and bottom edge of each subject, in pixels.
    n_images : int
        How many there must be.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Centre x, centre y and side in pixels, and the angle, which is 0.

    Raises
    ------
    InvalidInputError
        There are more or fewer, one is missing, or its right edge is not to the right of its left one.
    """
    try:
        edges = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"boxes must be numbers, of shape (n, 4): {error}.") from error
    if edges.shape != (n_images, 4):
        raise InvalidInputError(
            f"boxes must have shape ({n_images}, 4): left, top, right and bottom for each image. "
            f"Got {edges.shape}. For several subjects in one image, repeat the image."
        )
    sides = edges[:, 2:] - edges[:, :2]
    wrong = np.flatnonzero(~(np.isfinite(edges).all(axis=1) & (sides > 0).all(axis=1)))
    if len(wrong):
        raise InvalidInputError(
            f"boxes must be left, top, right and bottom, in pixels. Row {wrong[0]} is "
            f"{edges[wrong[0]].tolist()}; {len(wrong)} row(s) are affected. (COCO's own order is left, top, "
            "width, height; read_coco_keypoints converts it.)"
        )
    centre = (edges[:, :2] + edges[:, 2:]) / 2
    side = sides.max(axis=1) * (1 + 2 * BOX_MARGIN)
    return np.column_stack([centre, side, np.zeros(len(side))])

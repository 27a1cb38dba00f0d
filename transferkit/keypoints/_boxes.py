"""Boxes around subjects, and the squares that a backbone sees of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError

__all__ = ["BOX_MARGIN", "check_boxes", "frames_of_boxes"]

# Margin on each side, as a fraction of the longer side of the box: detectors' boxes are tight, and the
# surroundings of a subject show where it ends.
BOX_MARGIN = 0.2
_NEAR = 2.0  # half sides of the square around a box; points farther from its centre are of something else


def frames_of_boxes(boxes: Any, n_images: int) -> npt.NDArray[np.float64]:
    """Return the upright square around each box, with a margin.

    Parameters
    ----------
    boxes : array-like, shape (n, 4)
        Left, top, right and bottom edge of each subject, in pixels.
    n_images : int
        Expected number of boxes.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Centre x, centre y and side in pixels, and the angle, which is 0.

    Raises
    ------
    InvalidInputError
        There are more or fewer boxes, one is missing, or its right edge is not to the right of its left edge.
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


def check_boxes(frames: Any, sizes: Any, rows: Any, points: Any = None) -> None:
    """Raise if squares around boxes contain no part of their images, or none of their points.

    Parameters
    ----------
    frames : ndarray, shape (n, 4)
        As :func:`frames_of_boxes` returns them.
    sizes : ndarray of int, shape (n, 2)
        Width and height of the images.
    rows : ndarray of int, shape (n,)
        Rows of the caller's boxes.
    points : ndarray, shape (n, k, 2), optional
        Points in pixels; NaN is a missing one.

    Raises
    ------
    InvalidInputError
        The boxes seem to be of other images, or of images of another size.
    """
    centre, half = frames[:, :2], frames[:, 2:3] / 2 / (1 + 2 * BOX_MARGIN)
    wrong = ((centre + half < 0) | (centre - half > sizes)).any(axis=1)
    fault = "does not touch its image of {0} x {1} pixels"
    if points is not None and not wrong.any():
        with np.errstate(invalid="ignore"):
            near = (np.abs(points - centre[:, None]) <= _NEAR * half[:, None]).all(axis=2).any(axis=1)
        wrong = np.isfinite(points).all(axis=2).any(axis=1) & ~near
        fault = "is far from all points of its row, in an image of {0} x {1} pixels"
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        (x, y), reach = centre[first], half[first, 0]
        raise InvalidInputError(
            f"boxes must be around subjects, in pixels of each original image. That of row {rows[first]}, "
            f"around x = {x:g} and y = {y:g} and of {2 * reach:g} pixels, {fault.format(*sizes[first])}; "
            f"{int(wrong.sum())} row(s) are affected. Were the images resized, or put in another order?"
        )

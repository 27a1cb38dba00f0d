"""Check keypoints before anything is learned from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.keypoints import as_points


def points_like(y: Any, n_points: int) -> NDArray[np.float64]:
    """Return points (n, k, 2) of y; raise unless there are as many as a model finds."""
    points = as_points(y, name="y")
    if points.shape[1] != n_points:
        raise InvalidInputError(
            f"y has {points.shape[1]} points but the model finds {n_points}. Pass the same points, in the "
            "order of the y of fit, with NaN for those that are missing."
        )
    return points


def check_present(points: NDArray[np.float64]) -> None:
    """Raise if a point is marked in no image, because it cannot be learned."""
    absent = np.flatnonzero(~np.isfinite(points).any(axis=(0, 2)))
    if len(absent):
        names = ", ".join(map(str, absent[:10])) + (", ..." if len(absent) > 10 else "")
        raise InvalidInputError(
            f"Each point must be marked in one image at least. Of {points.shape[1]} points, {len(absent)} "
            f"are missing in all {len(points)} images: {names}. Leave out their columns. (A point counts as "
            "missing when its x or its y is NaN.)"
        )


def check_inside(
    points: NDArray[np.float64], sizes: NDArray[np.int64], rows: NDArray[np.int64], name: str = "y"
) -> None:
    """Raise if coordinates cannot be pixels of their images.

    Raises
    ------
    InvalidInputError
        Points are outside by more than the size of the image, or are fractions instead of pixels.
    """
    with np.errstate(invalid="ignore"):
        outside = (points < -sizes[:, None]) | (points > 2 * sizes[:, None])
    if outside.any():
        image, point, axis = np.argwhere(outside)[0]
        width, height = sizes[image]
        raise InvalidInputError(
            f"{name} must be in pixels of each original image. Row {rows[image]} has "
            f"{'xy'[axis]}{point} = {points[image, point, axis]:g} but its image is {width} x {height}. "
            f"{int(outside.any(axis=(1, 2)).sum())} rows are affected. "
            "Were the images resized after the points were marked?"
        )
    present = np.isfinite(points).any(axis=(1, 2))
    largest = np.abs(np.where(np.isfinite(points), points, 0)).max(axis=(1, 2))
    fractions = present & (largest <= 1) & (sizes.min(axis=1) > 2) & (points.shape[1] > 1)
    if fractions.any():
        raise InvalidInputError(
            f"{name} must be in pixels of each original image. {int(fractions.sum())} of {len(points)} rows, "
            f"the first of them {rows[np.flatnonzero(fractions)[0]]}, have no value above 1 and look like "
            "fractions. "
            "Multiply x by the width and y by the height."
        )

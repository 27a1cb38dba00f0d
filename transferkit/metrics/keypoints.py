"""Errors of predicted keypoints.

Faces differ in size, so the normalised mean error (NME) divides the error in pixels by a distance of the same
face. Errors are *fractions*: 0.05 is printed in papers as "5 %" or "5.00".
"""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.keypoints import GROUPS, N_FACE_POINTS, as_points
from transferkit.metrics._normalizers import reference_distances
from transferkit.metrics.error_distribution import present_errors

__all__ = ["group_errors", "normalized_mean_error"]

FloatArray = npt.NDArray[np.float64]


@overload
def normalized_mean_error(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    normalizer: str | float = ...,
    per_image: Literal[False] = ...,
) -> float: ...
@overload
def normalized_mean_error(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, normalizer: str | float = ..., per_image: Literal[True]
) -> FloatArray: ...
@overload
def normalized_mean_error(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, normalizer: str | float = ..., per_image: bool
) -> float | FloatArray: ...
def normalized_mean_error(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    normalizer: str | float = "outer_eye_corners",
    per_image: bool = False,
) -> float | FloatArray:
    """Return the mean distance to the true points as a fraction of a reference distance.

    For one image with present points :math:`P` and reference distance :math:`d`,

    .. math:: e = \\frac{1}{|P|\\, d} \\sum_{i \\in P} \\lVert \\hat{p}_i - p_i \\rVert_2

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n, 2 * k) or (n, k, 2)
        Points in the same unit, such as pixels. NaN in `y_true` is a missing point and is ignored.
    normalizer : str or float, default="outer_eye_corners"
        Reference distance, measured on the true points. ``"outer_eye_corners"``: between the outer eye
        corners (300-W [1]_); ``"pupils"``: between the centres of the eyes; both need the standard 68 points.
        ``"box_diagonal"``: the diagonal of the bounding box of the points; ``"box_size"``:
        ``sqrt(width * height)`` of that box (AFLW2000-3D [2]_); both need at least two points.
        A number, in the unit of the points, is used for all images.
    per_image : bool, default=False
        Return one error per image instead of their mean.

    Returns
    -------
    float or ndarray of shape (n,)
        A fraction, 0 is perfect. The error of an image whose reference points are missing is NaN, and
        ignored in the mean.

    Raises
    ------
    InvalidInputError
        If shapes differ, a prediction is NaN, the normalizer is unsuitable, or no image has an error.

    References
    ----------
    .. [1] C. Sagonas et al., "300 Faces In-The-Wild Challenge: database and results", 2016.
    .. [2] X. Zhu et al., "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016.

    Examples
    --------
    >>> truth = [[0, 0, 30, 40]]                     # a box of 30 by 40: its diagonal is 50
    >>> normalized_mean_error(truth, [[5, 0, 35, 40]], normalizer="box_diagonal")
    0.1
    """
    errors = _point_errors(y_true, y_pred, normalizer)
    image_errors = _mean_of_present(errors)
    return image_errors if per_image else float(present_errors(image_errors).mean())


@overload
def group_errors(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    normalizer: str | float = ...,
    per_image: Literal[False] = ...,
) -> dict[str, float]: ...
@overload
def group_errors(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, *, normalizer: str | float = ..., per_image: Literal[True]
) -> dict[str, FloatArray]: ...
def group_errors(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    normalizer: str | float = "outer_eye_corners",
    per_image: bool = False,
) -> dict[str, float] | dict[str, FloatArray]:
    """Return the normalised mean error of each part of the face.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n, 136) or (n, 68, 2)
    normalizer : str or float, default="outer_eye_corners"
        As for `normalized_mean_error`.
    per_image : bool, default=False
        Return one error per image instead of their mean.

    Returns
    -------
    dict of str to float, or to ndarray of shape (n,)
        Fraction by name of the group (`transferkit.keypoints.GROUPS`); NaN if no image shows it.

    Raises
    ------
    InvalidInputError
        As for `normalized_mean_error`, or if there are not 68 points.

    See Also
    --------
    normalized_mean_error : The error of the whole face.
    """
    errors = _point_errors(y_true, y_pred, normalizer)
    if errors.shape[1] != N_FACE_POINTS:
        raise InvalidInputError(
            f"group_errors needs the standard {N_FACE_POINTS} points of the face. Got {errors.shape[1]} "
            "points. Call normalized_mean_error(..., normalizer='box_diagonal') for other points."
        )
    by_image = {name: _mean_of_present(errors[:, list(points)]) for name, points in GROUPS.items()}
    if per_image:
        return by_image
    return {name: float(_mean_of_present(values[None])[0]) for name, values in by_image.items()}


def _point_errors(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, normalizer: str | float) -> FloatArray:
    """Return the error of each point, shape (n, k); NaN if the true point is missing."""
    true, predicted = as_points(y_true, name="y_true"), as_points(y_pred, name="y_pred")
    if true.shape != predicted.shape:
        raise InvalidInputError(
            f"y_true has {len(true)} images of {true.shape[1]} points but y_pred has {len(predicted)} "
            f"of {predicted.shape[1]}. Pass the predictions for the same images and points."
        )
    lost = np.argwhere(np.isnan(predicted[..., 0]) & ~np.isnan(true[..., 0]))
    if len(lost):  # ignoring these would favour the model
        raise InvalidInputError(
            f"y_pred is NaN at image {lost[0][0]}, point {lost[0][1]} ({len(lost)} such point(s)), where "
            "y_true has a point. Predict all points, or drop the point from y_true."
        )
    distances = reference_distances(true, normalizer)
    return np.linalg.norm(predicted - true, axis=-1) / distances[:, None]


def _mean_of_present(errors: FloatArray) -> FloatArray:
    """Return the mean of each row, ignoring NaN; NaN if nothing is left."""
    present = ~np.isnan(errors)
    total, count = np.where(present, errors, 0.0).sum(axis=1), present.sum(axis=1)
    return np.divide(total, count, out=np.full(len(errors), np.nan), where=count > 0)

"""Reference distances by which errors in pixels are normalised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import is_number
from transferkit.keypoints import N_FACE_POINTS, OUTER_EYE_CORNERS, pupils

__all__ = ["NORMALIZERS", "reference_distances"]

FloatArray = npt.NDArray[np.float64]


def outer_eye_corners(points: FloatArray) -> FloatArray:
    """Distance between the outer eye corners, as in 300-W (Sagonas et al. 2016)."""
    right, left = OUTER_EYE_CORNERS
    return _length(points[:, left] - points[:, right])


def pupil_distance(points: FloatArray) -> FloatArray:
    """Distance between the centres of the eyes, as in the papers of Cootes and Cao."""
    eyes = pupils(points)
    return _length(eyes[:, 1] - eyes[:, 0])


def box_diagonal(points: FloatArray) -> FloatArray:
    """Diagonal of the tight box of the true points, as in COFW and the 'diag' figures of WFLW."""
    return _length(_box(points))


def box_size(points: FloatArray) -> FloatArray:
    """``sqrt(width * height)`` of the tight box, as in AFLW2000-3D (Zhu et al. 2016)."""
    return np.asarray(np.sqrt(_box(points).prod(axis=-1)))


NORMALIZERS: Mapping[str, Callable[[FloatArray], FloatArray]] = MappingProxyType(
    {
        "outer_eye_corners": outer_eye_corners,
        "pupils": pupil_distance,
        "box_diagonal": box_diagonal,
        "box_size": box_size,
    }
)
_NEED_A_FACE = ("outer_eye_corners", "pupils")


def reference_distances(points: FloatArray, normalizer: str | float) -> FloatArray:
    """Return the reference distance of each image, NaN if its points are missing.

    It is also NaN if the points that are present have no size, such as a single point.

    Parameters
    ----------
    points : ndarray of shape (n, k, 2)
        True points; NaN is missing.
    normalizer : str or float
        A key of `NORMALIZERS`, or one distance for all images.

    Returns
    -------
    ndarray of shape (n,)
        In the unit of `points`.

    Raises
    ------
    InvalidInputError
        If the normalizer is unknown or needs 68 points, or if a distance is zero though no point is missing.
    """
    if is_number(normalizer, above=0):
        return np.full(len(points), float(normalizer))
    if not isinstance(normalizer, str) or normalizer not in NORMALIZERS:
        raise InvalidInputError(
            f"normalizer must be {quoted(NORMALIZERS, 'or')}, or a positive number of pixels. "
            f"Got {normalizer!r}."
        )
    if normalizer in _NEED_A_FACE and points.shape[1] != N_FACE_POINTS:
        raise InvalidInputError(
            f"normalizer={normalizer!r} needs the standard {N_FACE_POINTS} points of the face. "
            f"Got {points.shape[1]} points. Pass normalizer='box_diagonal' or 'box_size'."
        )
    if points.shape[1] == 1:
        raise InvalidInputError(
            f"normalizer={normalizer!r} needs at least two points. "
            "Pass a number of pixels, such as normalizer=100.0; errors are then fractions of it."
        )
    distances = NORMALIZERS[normalizer](points)
    incomplete = np.isnan(points).any(axis=(1, 2))
    distances = np.where((distances == 0) & incomplete, np.nan, distances)
    zero = np.flatnonzero(distances == 0)
    if len(zero):
        raise InvalidInputError(
            f"The true keypoints of image {zero[0]} have zero {normalizer!r} distance "
            f"({len(zero)} such image(s)), so errors cannot be divided by it. Correct or drop "
            "them, or pass a number of pixels as normalizer."
        )
    return distances


def _length(vectors: FloatArray) -> FloatArray:
    """Euclidean length along the last axis."""
    return np.asarray(np.hypot(vectors[..., 0], vectors[..., 1]))


def _box(points: FloatArray) -> FloatArray:
    """Width and height of the tight box of the present points, shape (n, 2)."""
    present = ~np.isnan(points)
    low = np.where(present, points, np.inf).min(axis=1)
    high = np.where(present, points, -np.inf).max(axis=1)
    found = present.any(axis=1)
    return np.subtract(high, low, out=np.full_like(low, np.nan), where=found)

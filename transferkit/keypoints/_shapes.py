"""Mean shapes of keypoints, and the aligned square around each shape.

Shapes are aligned by the least-squares similarity (scale, rotation, shift), as in Gower 1975, "Generalized
Procrustes analysis", Psychometrika 40. Missing points (NaN) are ignored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.keypoints._faces import mirror_order
from transferkit.keypoints._names import Pairs

__all__ = ["frames_around", "mean_shape"]

Floats = NDArray[np.float64]

_ROUNDS = 5  # rounds of aligning and averaging, which converge in two or three


def mean_shape(points: Floats, pairs: Pairs | None = None) -> Floats:
    """Return the mean of aligned shapes.

    Parameters
    ----------
    points : ndarray, shape (n, k, 2)
        Points in pixels; NaN is a missing point. Rows with fewer than two present points are ignored.
    pairs : tuple of (int, int), optional
        Mirror pairs; by default those of 68 points.

    Returns
    -------
    ndarray, shape (k, 2)
        Mean shape, centred on 0; the longer side of its bounding box is 1. It has the mean rotation of the
        shapes, and is symmetric if mirror pairs are known.
    """
    points = points[np.isfinite(points).all(axis=2).sum(axis=1) > 1]
    present = np.asarray(np.isfinite(points).all(axis=2))
    sizes = np.nanmax(points, axis=(1, 2)) - np.nanmin(points, axis=(1, 2))
    centred = (points - np.nanmean(points, axis=1, keepdims=True)) / np.maximum(sizes, 1e-9)[:, None, None]
    order = mirror_order(points.shape[1], pairs)
    mean = _level(_mean(centred), order)
    for _ in range(_ROUNDS):
        scale, turn, shift = _similarities(points, mean, present)
        aligned = scale[:, None, None] * (points @ turn) + shift[:, None]
        mean = _level(_mean(aligned), order)
    return mean


def frames_around(shapes: Floats, mean: Floats, margin: float) -> Floats:
    """Return the square around each shape, aligned to the mean shape.

    Parameters
    ----------
    shapes : ndarray, shape (n, k, 2)
        In pixels, NaN if missing; integer coordinates are pixel centres.
    mean : ndarray, shape (k, 2)
        From :func:`mean_shape`.
    margin : float
        Space on each side, as a fraction of the longer side of the shape.

    Returns
    -------
    ndarray, shape (n, 4)
        Centre x, centre y and side in pixels, 0 at the edge of the image, and the angle in degrees.
    """
    present = np.asarray(np.isfinite(shapes).all(axis=2))
    scale, turn, shift = _similarities(shapes + 0.5, mean, present)
    centre = (-shift[:, None] / scale[:, None, None] @ turn.transpose(0, 2, 1))[:, 0]
    angle = np.degrees(np.arctan2(turn[:, 1, 0], turn[:, 0, 0]))
    return np.column_stack([centre, (1 + 2 * margin) / scale, angle])


def _similarities(points: Floats, mean: Floats, present: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return scale (n,), rotation (n, 2, 2) and shift (n, 2) that align shapes to the mean.

    The aligned shape is ``scale * points @ rotation + shift``.
    """
    weight = present[..., None] / np.maximum(present.sum(axis=1), 1)[:, None, None]
    points = np.where(present[..., None], points, 0.0)
    centre, target = (points * weight).sum(axis=1), (mean * weight).sum(axis=1)
    x, y = np.moveaxis((points - centre[:, None]) * np.sqrt(weight), 2, 0)
    u, v = np.moveaxis((mean - target[:, None]) * np.sqrt(weight), 2, 0)
    cosine, sine = (x * u + y * v).sum(axis=1), (x * v - y * u).sum(axis=1)
    norm = np.maximum(np.hypot(cosine, sine), 1e-12)
    scale = np.maximum(norm / np.maximum((x**2 + y**2).sum(axis=1), 1e-12), 1e-6)
    turn = np.stack([cosine, sine, -sine, cosine], axis=1).reshape(-1, 2, 2) / norm[:, None, None]
    return scale, turn, target - scale[:, None] * (centre[:, None] @ turn)[:, 0]


def _mean(shapes: Floats) -> Floats:
    """Return the mean (k, 2) of shapes; a point that is missing in all is put in the middle of the others."""
    present = np.isfinite(shapes)
    mean: Floats = np.where(present, shapes, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    never = np.asarray(~present.any(axis=(0, 2)))
    mean[never] = mean[~never].mean(axis=0)
    return mean


def _level(mean: Floats, order: NDArray[np.intp] | None) -> Floats:
    """Return a shape centred on 0 with size 1, made symmetric if mirror pairs are known."""
    if order is not None:
        middle = mean[:, 0].mean()
        mean = (mean + (mean[order] - [middle, 0.0]) * [-1.0, 1.0] + [middle, 0.0]) / 2
    low, high = mean.min(axis=0), mean.max(axis=0)
    levelled: Floats = (mean - (low + high) / 2) / max(float((high - low).max()), 1e-9)
    return levelled

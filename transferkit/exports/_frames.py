"""Geometry of points, as nodes: map points of a square to the image, and find the square around a shape."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from transferkit.exports._resize import contents
from transferkit.exports._tensor import Tensor
from transferkit.exports._weights import divided
from transferkit.keypoints import BOX_MARGIN, Pairs, mirror_order
from transferkit.views import View

_QUARTERS = 4.0  # frames are rounded to quarters of a pixel and of a degree, as in ``views.Crops``


def from_whole_square(
    points: Tensor, n_points: int, planes: Tensor, view: View, size: int, resize: str
) -> Tensor:
    """Return points (n, k, 2) of a view's square in pixels of the images, as ``View.from_square`` does."""
    (square,) = view.squares
    points = _swapped(points, n_points, view.pairs) if square.reflects else points
    reflected = np.array([square.mirror, square.flip], np.float32)
    points = points * (1 - 2 * reflected) + reflected
    angle = math.radians(square.angle)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]], np.float32)
    if square.zoom != 1 or square.angle or any(square.shift):
        points = ((points - 0.5) / square.zoom) @ turn + (np.array(square.shift, np.float32) + 0.5)
    height, width = planes.shape(2), planes.shape(3)
    new_height, new_width = contents(height, width, size, resize)
    join = points.graph.join
    offset = join([divided(size - new, 2)[0] for new in (new_width, new_height)], 0).cast("float32")
    side, new = (join(each, 0).cast("float32") for each in ([width, height], [new_width, new_height]))
    return (points * float(size) - offset) * (side / new) - 0.5


def from_frames(points: Tensor, frames: Tensor) -> Tensor:
    """Return points (n, k, 2) of squares in frames (n, 4) in pixels of the images."""
    x, y, side, angle = (frames.part(1, i, i + 1) for i in range(4))
    angle = angle * (math.pi / 180)
    cosine, sine = side * angle.apply("Cos"), side * angle.apply("Sin")
    u, v = (points.part(2, i, i + 1).reshape(0, -1) - 0.5 for i in (0, 1))
    pair = [cosine * u - sine * v + (x - 0.5), sine * u + cosine * v + (y - 0.5)]
    return points.graph.join([each.expand(2) for each in pair], 2)


def mirrored(points: Tensor, n_points: int, pairs: Pairs | None) -> Tensor:
    """Return points (n, k, 2) of a square in its mirror image."""
    across = np.array([1, 0], np.float32)
    return _swapped(points * (1 - 2 * across) + across, n_points, pairs)


def _swapped(points: Tensor, n_points: int, pairs: Pairs | None) -> Tensor:
    """Return points (n, k, 2) with left and right ones swapped, if the pairs are known."""
    order = mirror_order(n_points, pairs)
    return points if order is None else points.take(order.tolist(), 1)


def frames_around(points: Tensor, mean: NDArray[np.float64], margin: float) -> Tensor:
    """Return the squares (n, 4) around shapes (n, k, 2), as ``keypoints.frames_around`` and ``Crops`` do."""
    k = len(mean)
    points = points + 0.5
    centre = points.sum(1, keep=True) / float(k)
    target = mean.mean(axis=0)
    away, wanted = points - centre, (mean - target).astype(np.float32)
    # The product with the mean shape gives the cosine; that with its quarter turn gives the sine.
    turned = np.stack([wanted[:, 1], -wanted[:, 0]], axis=1)
    cosine, sine = ((away * each).sum(1, 2).expand(-1) / float(k) for each in (wanted, turned))
    spread = (away * away).sum(1, 2).expand(-1) / float(k)
    norm = (cosine * cosine + sine * sine).apply("Sqrt").at_least(1e-12)
    scale = (norm / spread.at_least(1e-12)).at_least(1e-6)
    cosine, sine = cosine / norm, sine / norm
    u, v = float(target[0]) / scale, float(target[1]) / scale
    x, y = (centre.part(2, i, i + 1).reshape(0, -1) for i in (0, 1))
    frame = [
        x - (cosine * u + sine * v),
        y - (cosine * v - sine * u),
        (1 + 2 * margin) / scale,
        _angle(cosine, -sine),
    ]
    return in_quarters(frame)


def frames_of_boxes(boxes: Tensor) -> Tensor:
    """Return the squares (n, 4) around boxes (n, 4): left, top, right and bottom, in pixels."""
    left, top, right, bottom = (boxes.part(1, i, i + 1) for i in range(4))
    side = (right - left).at_least(bottom - top) * (1 + 2 * BOX_MARGIN)
    return in_quarters([(left + right) / 2, (top + bottom) / 2, side, side * 0])


def in_quarters(frame: list[Tensor]) -> Tensor:
    """Return the four numbers of frames in one tensor, rounded as by ``views.Crops``."""
    return (frame[0].graph.join(frame, 1) * _QUARTERS).apply("Round") / _QUARTERS


def _angle(cosine: Tensor, sine: Tensor) -> Tensor:
    """Return angles in degrees for a cosine and a sine, since ONNX has no arc tangent of two arguments."""
    small = (sine.abs() < 1e-12).where(1e-12, sine, "float32")
    ahead = cosine >= 0
    tangent = ahead.where(sine, 1 - cosine, "float32") / ahead.where(1 + cosine, small, "float32")
    return tangent.apply("Atan") * (2 * 180 / math.pi)

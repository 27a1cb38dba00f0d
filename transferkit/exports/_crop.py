"""The upright square inside a frame, as from ``images.crop_image`` and Pillow.

The image is first reduced if the square is larger than the result. Only that window of the reduced image is
computed which contains the square. Its pixels are then interpolated bicubically, as by ``Image.transform``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from transferkit.exports._resize import Portion, halves, weighted
from transferkit.exports._tensor import Tensor
from transferkit.exports._weights import divided, weights

_SPARE = 8  # pixels around the square in its window: two for the interpolation, and some for rounding


def constant_crop(planes: Tensor, frame: Sequence[float], size: int) -> Tensor:
    """Return the same square of each image (n, 3, h, w): (n, 3, size, size)."""
    row = planes.graph.constant(np.array([frame], np.float32))
    zeros = (planes.shape(0) * 0).cast("float32").expand(-1)
    n = planes.graph.join([planes.shape(0), planes.graph.ints(1)], 0)
    frames = row + planes.graph.add("Expand", zeros, n, dtype="float32")
    return crop(planes, frames, size)


def crop(planes: Tensor, frames: Tensor, size: int) -> Tensor:
    """Return the squares (n, 3, size, size) inside frames (n, 4): centre x, y, side, and angle in degrees."""
    graph = planes.graph
    x, y, side, angle = (frames.part(1, i, i + 1) for i in range(4))
    angle = angle * (math.pi / 180)
    per_pixel = side / size
    cosine, sine = (per_pixel * angle.apply(each) for each in ("Cos", "Sin"))
    reach = (cosine.abs() + sine.abs()) * (size / 2)
    height, width = planes.shape(2), planes.shape(3)
    n_window = math.ceil(size * math.sqrt(2)) + _SPARE
    across = _Axis(width, per_pixel, x, reach, n_window)
    down = _Axis(height, per_pixel, y, reach, n_window)
    part = planes.part(3, *across.bounds).part(2, *down.bounds)
    portions = [
        Portion(halves(axis.weights.expand(1)), graph.ints(0), axis.bounds[1] - axis.bounds[0])
        for axis in (down, across)
    ]
    window = weighted(part, portions[:1], portions[1:])
    # Pillow's map from the centre of each new pixel to the reduced image.
    steps = np.arange(size, dtype=np.float32) + 0.5 - size / 2
    right, lower = (steps[None, None, :], steps[None, :, None])
    cosine, sine, x, y = (each.expand(-1) for each in (cosine, sine, x, y))
    u = (cosine * right - sine * lower + x) * across.scale.expand(-1)
    v = (sine * right + cosine * lower + y) * down.scale.expand(-1)
    return _read(window, (u, across), (v, down), size, n_window)


class _Axis:
    """One axis of a reduced image: its new length, and the window that contains the squares.

    Attributes
    ----------
    new : Tensor of int64, shape (n, 1)
        Length after the reduction.
    scale : Tensor of float32, shape (n, 1)
        New length divided by the old one.
    first : Tensor of int64, shape (n, 1)
        First pixel of the window.
    bounds : (Tensor, Tensor) of int64, shape (1,)
        Range of pixels of the whole axis from which all windows are computed.
    weights : Tensor of int64, shape (n, n_window, bounds[1] - bounds[0])
    """

    def __init__(self, side: Tensor, per_pixel: Tensor, centre: Tensor, reach: Tensor, n_window: int) -> None:
        graph, length = side.graph, side.cast("float32")
        smaller = (length / per_pixel.at_least(1)).apply("Round").at_least(1).at_most(length)
        self.new = smaller.cast("int64")
        self.scale = smaller / length
        first = ((centre - reach) * self.scale).floor().cast("int64") - _SPARE // 2
        self.first = first.at_most(self.new - n_window).at_least(0)
        margin = divided(side, self.new)[0] + 2
        start = divided(self.first * side, self.new)[0] - margin
        end = divided((self.first + n_window) * side, self.new)[0] + margin
        self.bounds = (
            (-(-start).greatest()).at_least(0).at_most(side - 1),
            end.greatest().at_most(side).at_least(1),
        )
        taps = graph.count(self.bounds[1] - self.bounds[0]) + self.bounds[0]
        self.weights = weights(side, self.new, self.first, n_window, taps)


def _read(
    window: Tensor, across: tuple[Tensor, _Axis], down: tuple[Tensor, _Axis], size: int, n: int
) -> Tensor:
    """Return bicubic values of windows (images, 3, n, n) at places (images, size, size), 0 outside."""
    graph = window.graph
    inside, parts, places = None, [], []
    for place, axis in (across, down):
        length = axis.new.expand(-1)
        here = (place >= 0) & (place < length.cast("float32"))
        inside = here if inside is None else inside & here
        low = (place - 0.5).floor()
        parts.append(_in_channels(place - 0.5 - low))
        offset, first = low.cast("int64"), axis.first.expand(-1)
        last = (first + (n - 1)).at_most(length - 1)
        places.append([(offset + step).clip(first, last) - first for step in (-1, 0, 1, 2)])
    rows = window.transpose(0, 2, 3, 1).reshape(-1, 3)
    image = (graph.count(window.shape(0)) * (n * n)).expand(-1, -2)
    columns = []
    for row in places[1]:
        start = image + row * n
        columns.append(_cubic([rows.take(start + column, 0) for column in places[0]], parts[0]))
    levels = _cubic(columns, parts[1]).clip(0, 255).floor()
    assert inside is not None
    return (levels * _in_channels(inside.cast("float32"))).transpose(0, 3, 1, 2)


def _in_channels(values: Tensor) -> Tensor:
    """Return values (n, h, w) three times, (n, h, w, 3).

    ONNX Runtime multiplies arrays of one shape 15 times as fast as it broadcasts one of them along channels.
    """
    channel = values.expand(-1)
    copies: Tensor = values.graph.join([channel, channel, channel], 3)
    return copies


def _cubic(values: Sequence[Tensor], part: Tensor) -> Tensor:
    """Return the cubic through four values, at a fraction of the way from the second to the third.

    Pillow's form is used, which returns the value itself if all four are equal. This matters since results
    are truncated, not rounded.
    """
    a, b, c, d = values
    third, fourth = (a - b) * 2 + c - d, b - a + d - c
    return b + part * (c - a + part * (third + part * fourth))

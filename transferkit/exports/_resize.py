"""The square that a backbone sees, resized exactly as by Pillow.

Pillow's antialiasing filter takes a weighted mean along each row, rounds it to integer levels, and does the
same along each column. The weights depend only on the sizes, so each pass is a product with a matrix, which
the graph computes for images of any size. Pillow's weights are integers of 22 bits. They are split into two
of 11 bits, so that products with 8 bits of a pixel, and their sums, are exact in float32, and ties are
rounded as by Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from transferkit.exports._tensor import Tensor
from transferkit.exports._weights import HALF_BITS, divided, weights

_PORTIONS = 8  # portions of an axis; most weights are 0, and eight portions skip seven eighths of these


def as_planes(pixels: Tensor) -> Tensor:
    """Return pixels (n, h, w, 3), uint8, as levels (n, 3, h, w), float32."""
    return pixels.transpose(0, 3, 1, 2).cast("float32")


def as_pixels(planes: Tensor) -> Tensor:
    """Return levels (n, 3, h, w) as pixels (n, h, w, 3)."""
    return planes.transpose(0, 2, 3, 1)


class Portion(NamedTuple):
    """Some pixels of a resized axis, and the pixels that they are computed from.

    Parameters
    ----------
    halves : (Tensor, Tensor) of float32, shape (n or 1, 1, m, end - start)
        Weights as multiples of 2**11 and the rest; float32 holds both exactly.
    start, end : Tensor of int64, shape (1,)
        Range of pixels of the original axis.
    """

    halves: tuple[Tensor, Tensor]
    start: Tensor
    end: Tensor


def whole_square(planes: Tensor, size: int, resize: str) -> Tensor:
    """Return the square (n, 3, size, size) of whole images, as ``images.resize_image`` does."""
    height, width = planes.shape(2), planes.shape(3)
    new_height, new_width = contents(height, width, size, resize)
    rows = _in_portions(height, new_height, size)
    columns = _in_portions(width, new_width, size)
    square = weighted(planes, rows, columns)
    if size % _PORTIONS:
        square = square.part(2, 0, size).part(3, 0, size)
    return square


def _in_portions(side: Tensor, new: Tensor, size: int) -> list[Portion]:
    """Divide the axis of a square into portions, each of which needs only a part of the image.

    The last portion may extend beyond the square. The weights of all portions are computed together, since
    thousands of small operations would take longer than the others.
    """
    graph, step = side.graph, -(-size // _PORTIONS)
    begins = np.arange(0, size, step)
    places = -divided(size - new, 2)[0] + begins
    longer = side.at_least(new)
    # The filter of a pixel extends from its centre by the width of a pixel of the coarser side.
    low = ((places * 2 + 1) * side - longer * 2).at_least(0)
    high = ((places + (step - 1)) * 2 + 1) * side + longer * 2
    starts = divided(low, new * 2)[0].at_most(side - 1)
    ends = (divided(high.at_least(0), new * 2)[0] + 1).at_most(side).at_least(starts + 1)
    length = (ends - starts).greatest()
    starts = starts.at_most(side - length)
    taps = graph.count(length) + starts.expand(-1)
    found = weights(side, new, places.expand(-1), step, taps.expand(1)).reshape(1, 1, len(begins) * step, -1)
    each = [graph.split(half, len(begins), 2) for half in halves(found)]
    first = [starts.part(0, i, i + 1) for i in range(len(begins))]
    return [
        Portion((upper, lower), start, start + length)
        for upper, lower, start in zip(*each, first, strict=True)
    ]


def contents(height: Tensor, width: Tensor, size: int, resize: str) -> tuple[Tensor, Tensor]:
    """Return height and width of an image inside its square, as ``images.letterbox`` has them."""
    if resize == "stretch":
        return height * 0 + size, width * 0 + size
    longest = height.at_least(width)
    first, second = (
        divided(side * (2 * size) + longest, longest * 2)[0].at_least(1) for side in (height, width)
    )
    return first, second


def weighted(planes: Tensor, rows: Sequence[Portion], columns: Sequence[Portion]) -> Tensor:
    """Return planes (n, 3, h, w) resized by the weights of rows and of columns.

    If the first axis of the weights has length 1, all images are resized in the same way.
    """
    return _along_columns(_along_rows(planes, columns), rows)


def _along_rows(planes: Tensor, columns: Sequence[Portion]) -> Tensor:
    sums = []
    for portion in columns:
        part = planes.part(3, portion.start, portion.end)
        sums.append([part @ half.transpose(0, 1, 3, 2) for half in portion.halves])
    return _rounded(*(planes.graph.join(parts, 3) for parts in zip(*sums, strict=True)))


def _along_columns(planes: Tensor, rows: Sequence[Portion]) -> Tensor:
    sums = []
    for portion in rows:
        part = planes.part(2, portion.start, portion.end)
        sums.append([half @ part for half in portion.halves])
    return _rounded(*(planes.graph.join(parts, 2) for parts in zip(*sums, strict=True)))


def halves(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights as multiples of 2**11 and the rest, in float32, which holds both exactly."""
    upper, lower = divided(weights, HALF_BITS)
    return upper.cast("float32"), lower.cast("float32")


def _rounded(high: Tensor, low: Tensor) -> Tensor:
    """Return integer levels, rounding halves up, from the sums of multiples of 2**11 and of the rest."""
    whole = (high / HALF_BITS).floor()
    rest = (high - whole * HALF_BITS) * HALF_BITS + low
    return (whole + (rest / HALF_BITS**2 + 0.5).floor()).clip(0, 255)

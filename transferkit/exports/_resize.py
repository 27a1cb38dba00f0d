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

from transferkit.exports._tensor import Tensor
from transferkit.exports._weights import HALF_BITS, divided, weights

_PORTIONS = 4  # portions of an axis; most weights are 0, and four portions skip three quarters of these


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
    weights : Tensor of int64, shape (..., m, end - start)
    start, end : Tensor of int64, shape (1,)
        Range of pixels of the original axis.
    """

    weights: Tensor
    start: Tensor
    end: Tensor


def whole_square(planes: Tensor, size: int, resize: str) -> Tensor:
    """Return the square (n, 3, size, size) of whole images, as ``images.resize_image`` does."""
    height, width = planes.shape(2), planes.shape(3)
    new_height, new_width = contents(height, width, size, resize)
    rows = _in_portions(height, new_height, size)
    columns = _in_portions(width, new_width, size)
    return weighted(planes, rows, columns)


def _in_portions(side: Tensor, new: Tensor, size: int) -> list[Portion]:
    """Divide the axis of a square into portions, each of which needs only a part of the image."""
    first, step = -divided(size - new, 2)[0], -(-size // _PORTIONS)
    longer, portions = side.at_least(new), []
    for begin in range(0, size, step):
        n = min(step, size - begin)
        place = first + begin
        # The filter of a pixel extends from its centre by the width of a pixel of the coarser side.
        low = ((place * 2 + 1) * side - longer * 2).at_least(0)
        high = ((place + (n - 1)) * 2 + 1) * side + longer * 2
        start = divided(low, new * 2)[0].at_most(side - 1)
        end = (divided(high.at_least(0), new * 2)[0] + 1).at_most(side).at_least(start + 1)
        taps = side.graph.count(end - start) + start
        portions.append(Portion(weights(side, new, place, n, taps).expand(0, 1), start, end))
    return portions


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
    """Return planes (n, 3, h, w) resized by weights (n, 1, ...) of rows and of columns.

    The first axis of the weights may have length 1; all images are then resized in the same way.
    """
    return _along_columns(_along_rows(planes, columns), rows)


def _along_rows(planes: Tensor, columns: Sequence[Portion]) -> Tensor:
    parts = []
    for portion in columns:
        part = planes.part(3, portion.start, portion.end)
        parts.append(_rounded(*(part @ half.transpose(0, 1, 3, 2) for half in _halves(portion.weights))))
    return parts[0] if len(parts) == 1 else planes.graph.join(parts, 3)


def _along_columns(planes: Tensor, rows: Sequence[Portion]) -> Tensor:
    parts = []
    for portion in rows:
        part = planes.part(2, portion.start, portion.end)
        parts.append(_rounded(*(half @ part for half in _halves(portion.weights))))
    return parts[0] if len(parts) == 1 else planes.graph.join(parts, 2)


def _halves(weights: Tensor) -> list[Tensor]:
    """Return weights as multiples of 2**11 and the rest, in float32, which holds both exactly."""
    return [part.cast("float32") for part in divided(weights, HALF_BITS)]


def _rounded(high: Tensor, low: Tensor) -> Tensor:
    """Return integer levels, rounding halves up, from the sums of multiples of 2**11 and of the rest."""
    whole = (high / HALF_BITS).floor()
    rest = (high - whole * HALF_BITS) * HALF_BITS + low
    return (whole + (rest / HALF_BITS**2 + 0.5).floor()).clip(0, 255)

"""The squares of views of whole images, as nodes; ``views.View.render`` is the same in NumPy."""

from __future__ import annotations

from collections.abc import Sequence

from transferkit.exports._crop import constant_crop
from transferkit.exports._tensor import Tensor
from transferkit.views import Square, View


def squares_of(whole: Tensor, views: Sequence[View], size: int) -> list[list[Tensor]]:
    """Return the squares (n, 3, size, size) of each view of whole images, resized to squares of this size."""
    return [[_rendered(whole, square, size) for square in view.squares] for view in views]


def _rendered(whole: Tensor, square: Square, size: int) -> Tensor:
    if square.contrast != 1:
        middle = whole.sum(2, 3, keep=True) / float(size * size)
        whole = ((whole - middle) * square.contrast + middle).apply("Round").clip(0, 255)
    if square._replace(mirror=False, flip=False, contrast=1.0) != Square():
        x, y = (size / 2 + part * size for part in square.shift)
        whole = constant_crop(whole, (x, y, size / square.zoom, square.angle), size)
    whole = whole.reversed(2) if square.flip else whole
    return whole.reversed(3) if square.mirror else whole

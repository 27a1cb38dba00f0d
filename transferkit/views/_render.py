"""Render the pixels of views, without cache and backbone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.images import Image, Source, Target
from transferkit.views._crops import Crop
from transferkit.views._views import View


class Rendered(NamedTuple):
    """Squares of one image.

    Attributes
    ----------
    squares : list of ndarray of uint8
        One array (n, image_size, image_size, 3) for each view.
    size : (int, int)
        Width and height of the upright original in pixels.
    notes : tuple of str
        Conversions worth knowing.
    """

    squares: list[NDArray[np.uint8]]
    size: tuple[int, int]
    notes: tuple[str, ...]


def render(
    source: Source,
    views: Sequence[View | Crop],
    image_size: int,
    *,
    resize: str = "stretch",
    decode: Callable[[Target], Image] | None = None,
) -> Rendered:
    """Return the squares of an image for some views.

    Parameters
    ----------
    source : Source
        As :func:`transferkit.images.read_source` returns it.
    views : sequence of View or Crop
        One or more.
    image_size : int
        Side of the squares in pixels.
    resize : {"stretch", "pad"}, default="stretch"
    decode : callable, optional
        Maps a target to an image; by default the ``decode`` of the source.

    Raises
    ------
    BadImageError
        The image cannot be decoded.
    """
    if decode is None:

        def decode(target: Target) -> Image:
            return source.decode(target=target)

    targets = [view.target(image_size, resize) for view in views]
    images: dict[Target, Image] = {}
    for target in targets:
        if target not in images:
            images[target] = _decoded_alike(target, images) or decode(target)
    drawn: dict[tuple[float, ...], NDArray[np.uint8]] = {}  # shared by a square and its mirror image
    squares = []
    for view, target in zip(views, targets, strict=True):
        if view.origin not in drawn:
            drawn[view.origin] = view.draw(images[target], image_size, resize)
        squares.append(view.show(drawn[view.origin]))
    first = images[targets[0]]
    return Rendered(squares, first.size, first.notes)


def _decoded_alike(target: Target, images: Mapping[Target, Image]) -> Image | None:
    """Return an image decoded for another target if decoding for this target would give the same.

    Each view sees the same pixels as if it were rendered alone, whatever other views are requested.
    """
    for other, image in images.items():
        if other.reduction(*image.size) == target.reduction(*image.size):
            return image
    return None

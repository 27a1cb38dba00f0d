"""Panels that show images, downsampled and without ticks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.images import Reader, as_image_list
from transferkit.plots._text import use_fonts

_LARGEST_SIDE = 512  # pixels; a panel shows fewer


def show_images(
    axes: Iterable[Any],
    images: Iterable[Any],
    titles: Sequence[str] | None = None,
    captions: Sequence[str] | None = None,
    *,
    of: Any = None,
) -> None:
    """Draw each image of any form on its Axes, with an optional title above and caption below.

    They are read by the ``reader`` of ``of``, the result that they belong to, if it has one.
    """
    axes, reader = list(axes), reader_of(of)
    for i, (ax, image) in enumerate(zip(axes, images, strict=True)):
        show_pixels(ax, reader.load(image).pixels)
        if titles is not None:
            ax.set_title(titles[i], fontsize="small")
        if captions is not None:
            ax.set_xlabel(captions[i], fontsize="x-small")
    use_fonts(axes)


def reader_of(result: Any) -> Reader:
    """Return the reader of the images of a result; by default that of ``load_image``."""
    return getattr(result, "reader", None) or Reader()


def show_pixels(ax: Any, pixels: NDArray[np.uint8]) -> None:
    """Draw pixels (h, w, 3), with integer coordinates at the centres of pixels."""
    height, width = pixels.shape[:2]
    step = max(1, max(height, width) // _LARGEST_SIDE)
    ax.imshow(pixels[::step, ::step], extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    hide_ticks(ax)


def hide_ticks(ax: Any) -> None:
    """Remove ticks and frame, but not the title."""
    ax.set(xticks=[], yticks=[])
    ax.set_frame_on(False)


def pair_up(images: Any, labels: Any, name: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return images and labels as lists; raise InvalidInputError if their numbers differ."""
    items = as_image_list(images)
    values = list(labels)
    if len(values) != len(items):
        raise InvalidInputError(
            f"{name} has {len(values)} rows but there are {len(items)} images. Pass one per image."
        )
    return items, values

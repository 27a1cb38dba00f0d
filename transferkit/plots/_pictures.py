"""Pictures in panels: small enough to keep, upright, without ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.images import as_image_list, load_image

_LARGEST_SIDE = 512  # pixels: a panel shows less


def show_image(ax: Any, image: Any) -> tuple[int, int]:
    """Draw an image in its own pixels, whatever it is kept in, and return its width and height."""
    pixels = load_image(image).pixels
    show_pixels(ax, pixels)
    return pixels.shape[1], pixels.shape[0]


def show_pixels(ax: Any, pixels: NDArray[np.uint8]) -> None:
    """Draw pixels (h, w, 3) such that the centre of a pixel has integer coordinates."""
    height, width = pixels.shape[:2]
    step = max(1, max(height, width) // _LARGEST_SIDE)
    ax.imshow(pixels[::step, ::step], extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    strip(ax)


def strip(ax: Any) -> None:
    """Take away ticks and frame; a title stays."""
    ax.set(xticks=[], yticks=[])
    ax.set_frame_on(False)


def pair_up(images: Any, labels: Any, name: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return images and what belongs to each, of the same number."""
    items = as_image_list(images)
    values = list(labels)
    if len(values) != len(items):
        raise InvalidInputError(
            f"{name} has {len(values)} rows but there are {len(items)} images. Each image needs one."
        )
    return items, values

"""Grids of images with labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.images import as_image_list
from transferkit.plots._axes import check_count, new_grid
from transferkit.plots._panels import pair_up, show_images
from transferkit.plots._text import as_text


def plot_images(
    images: Any,
    labels: Any = None,
    *,
    n: int = 15,
    columns: int = 5,
    random_state: int | None = 0,
    ax: Any = None,
) -> Any:
    """Plot images in a grid, with their labels above.

    Parameters
    ----------
    images : image or sequence of images
        Paths, bytes, file objects, Pillow images or arrays.
    labels : array-like of shape (n_images,), optional
        Titles of the images.
    n : int, default=15
        Maximum number of images.
    columns : int, default=5
        Number of images in a row.
    random_state : int or None, default=0
        Seed for choosing n images at random if there are more; their order is kept. None takes the first n,
        which may all be of one class.
    ax : array of matplotlib Axes, optional
        One per image; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)

    Raises
    ------
    InvalidInputError
        There are no images, or not as many labels.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed.
    """
    items, texts = pair_up(images, labels, "labels") if labels is not None else (as_image_list(images), None)
    n, columns = min(check_count(n, "n"), len(items)), check_count(columns, "columns")
    chosen = list(range(n))
    if random_state is not None:
        chosen = sorted(np.random.default_rng(random_state).permutation(len(items))[:n].tolist())
    axes = new_grid(n, ax, columns=columns, width=1.7, height=1.7 if texts is None else 1.95)
    titles = None if texts is None else [as_text(texts[i]) for i in chosen]
    show_images(axes, [items[i] for i in chosen], titles)
    return axes

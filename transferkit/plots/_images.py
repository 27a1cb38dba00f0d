"""Some of the images, with their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.images import as_image_list
from transferkit.plots._axes import check_count, new_grid
from transferkit.plots._pictures import pair_up, show_image
from transferkit.plots._text import as_text, use_fonts


def plot_images(
    images: Any,
    labels: Any = None,
    *,
    n: int = 15,
    columns: int = 5,
    random_state: int | None = 0,
    ax: Any = None,
) -> Any:
    """Draw images in a grid, with their labels above.

    Parameters
    ----------
    images : image or sequence of images
        Paths, bytes, file objects, PIL images or arrays.
    labels : array-like of shape (n_images,), optional
        Anything that can be written.
    n : int, default=15
        How many to draw at most.
    columns : int, default=5
    random_state : int or None, default=0
        Which n are drawn from more of them, in their order; None takes the first ones, which of a folder
        for each class are all of one class.
    ax : array of matplotlib Axes, optional
        One for each panel; by default those of a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)

    Raises
    ------
    InvalidInputError
        No images, or not as many labels.
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
    for panel, i in zip(axes, chosen, strict=True):
        show_image(panel, items[i])
        if texts is not None:
            panel.set_title(as_text(texts[i]), fontsize="small")
    use_fonts(axes)
    return axes

"""Query images and their nearest images."""

from __future__ import annotations

from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.images import as_image_list
from transferkit.plots._axes import check_count, new_grid
from transferkit.plots._panels import show_images
from transferkit.plots._text import caption_of


def plot_neighbours(neighbours: Any, images: Any = None, *, n: int = 6, ax: Any = None) -> Any:
    """Plot query images, each with its nearest images to the right and their distances above.

    Parameters
    ----------
    neighbours : Neighbours
        Result of :meth:`transferkit.NearestImages.query`.
    images : sequence of images, optional
        The list that was passed to ``fit``; by default the files are read. Required for images that were not
        files, and for a loaded collection: ``[folder / path for path in nearest.paths_]``.
    n : int, default=6
        Maximum number of queries.
    ax : array of matplotlib Axes, optional
        One per image, row by row; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)

    Raises
    ------
    InvalidInputError
        There are no queries, or ``images`` are not those of ``fit``.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed.
    """
    shown, k = neighbours.indices[: check_count(n, "n")], neighbours.indices.shape[1]
    if not len(shown):
        raise InvalidInputError("neighbours has no queries to plot. Pass the result of query().")
    files = None if images is None else as_image_list(images)
    if files is not None and len(files) <= (last := int(shown.max())):
        raise InvalidInputError(
            f"images must be the list that was passed to fit, with {last + 1} images or more. "
            f"Got {len(files)}."
        )
    panels: list[Any] = []
    titles: list[str] = []
    captions: list[str] = []
    for i, indices in enumerate(shown):
        query, found = neighbours.queries[i], list(neighbours.paths[i])
        titles += ["query", *(f"{distance:.3g}" for distance in neighbours.distances[i])]
        captions += map(caption_of, [query, *found])
        if files is not None:
            query = files[neighbours.rows[i]] if neighbours.own else query
            found = [files[index] for index in indices]
        panels += [query, *found]
    if any(panel is None for panel in panels):
        raise InvalidInputError("images must be the list that was passed to fit: it held images, not files.")
    axes = new_grid(len(panels), ax, columns=k + 1, width=1.7, height=2.05)
    show_images(axes, panels, titles, captions, of=neighbours)
    return axes

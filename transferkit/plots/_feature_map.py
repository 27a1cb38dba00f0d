"""A map of images that places those with similar features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation import arguments
from transferkit.images import Reader, as_image_list
from transferkit.plots._axes import COLOURS, add_legend, new_axes
from transferkit.plots._panels import reader_of
from transferkit.plots._projection import METHODS, as_vectors, on_a_plane
from transferkit.plots._text import as_texts, use_fonts

_MARKERS = "osD^vP*"
_MOST_NAMED = 14  # classes with their own colour and marker; all others share one
_MARGIN = 0.07  # margin on each side, as a fraction of the axes
_APART = 1.25  # smallest distance between the centres of thumbnails, relative to their side
_SHARP = 2  # pixels of a thumbnail per pixel of the screen

Floats = NDArray[np.float64]


def plot_feature_map(
    features: Any,
    images: Any = None,
    labels: Any = None,
    *,
    method: str = "pca",
    n: int = 40,
    side: float = 0.45,
    random_state: int = 0,
    reader: Reader | None = None,
    ax: Any = None,
) -> Any:
    """Plot images as points on a plane, similar ones side by side, and some of them as thumbnails.

    Parameters
    ----------
    features : Features or array-like, shape (n_images, d) or (n_images, h, w, c)
        Features, such as the result of ``clf.extract(X)``; only their directions are compared.
    images : sequence of images, optional
        Images of the features, in the same order; without them, no thumbnails are drawn.
    labels : array-like, shape (n_images,), optional
        Values to colour the points by; floating-point numbers get a colour scale.
    method : {"pca", "umap"}, default="pca"
        "pca" draws the two directions in which features vary most, so that distances approximate those of the
        features. "umap" [1]_ keeps neighbours together and separates groups more clearly, but distances
        between groups are meaningless; it needs ``pip install "transferkit[map]"``.
    n : int, default=40
        Maximum number of thumbnails. They are spread over the map, and do not overlap.
    side : float, default=0.45
        Longer side of a thumbnail, in inches.
    random_state : int, default=0
        Seed of the projection.
    reader : transferkit.images.Reader, optional
        How the images are read, such as ``clf.extractor_.reader()``; by default as for features that
        ``extract`` returned, or else by :func:`transferkit.images.load_image`.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        There are fewer than three images, numbers of rows differ, or a parameter cannot be used.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed, or umap-learn for ``method="umap"``.

    References
    ----------
    .. [1] L. McInnes, J. Healy and J. Melville, "UMAP: Uniform manifold approximation and projection for
       dimension reduction", arXiv:1802.03426, 2018.

    Examples
    --------
    >>> from transferkit import plots
    >>> plots.plot_feature_map(clf.extract(paths), paths, labels)  # doctest: +SKIP
    """
    problems = arguments.choice("method", method, METHODS) + arguments.seed("random_state", random_state)
    if not arguments.is_count(n):
        problems.append(f"n must be a positive integer. Got {n!r}.")
    if not arguments.is_number(side, above=0):
        problems.append(f"side must be a positive number of inches. Got {side!r}.")
    arguments.check(problems)
    vectors = as_vectors(features)
    items = None if images is None else as_image_list(images)
    values = None if labels is None else np.asarray(labels)
    for name, rows in (("images", items), ("labels", values)):
        if rows is not None and len(rows) != len(vectors):
            raise InvalidInputError(
                f"{name} must have one entry for each of {len(vectors)} images. Got {len(rows)}."
            )
    if values is not None and values.ndim != 1:
        raise InvalidInputError(f"labels must be one for each image. Got shape {values.shape}.")
    places, names = on_a_plane(vectors, method, random_state)
    ax = new_axes(ax, width=7.5, height=6.0)
    ax.set(xticks=[], yticks=[], xlabel=names[0], ylabel=names[1])
    ax.margins(_MARGIN)
    colours = _draw_points(ax, places, values)
    if items is not None:
        chosen = _spread(_in_inches(ax, places), int(n), _APART * side)
        for row in chosen:
            pixels = (reader or reader_of(features)).load(items[row]).pixels
            _draw_picture(ax, places[row], pixels, colours[row], side)
    use_fonts([ax])
    return ax


def _draw_points(ax: Any, places: Floats, values: NDArray[Any] | None) -> Sequence[Any]:
    """Draw a point for each image; return their colours."""
    look: dict[str, Any] = {"s": float(np.clip(6000 / len(places), 4, 28)), "linewidths": 0, "alpha": 0.75}
    if values is None:
        ax.scatter(*places.T, color=COLOURS[0], **look)
        return [COLOURS[0]] * len(places)
    if values.dtype.kind == "f":
        drawn = ax.scatter(*places.T, c=values, cmap="viridis", **look)
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
        drawn.update_scalarmappable()
        return [tuple(colour) for colour in drawn.to_rgba(values)]
    texts = np.array([str(value) for value in values.tolist()], dtype=object)
    names, counts = np.unique(texts.astype(np.str_), return_counts=True)
    shown = sorted(names[np.argsort(-counts, kind="stable")][:_MOST_NAMED].tolist())
    colours: list[Any] = ["0.6"] * len(places)
    others = ~np.isin(texts.astype(np.str_), shown)
    drawn = []
    if others.any():
        label = f"{len(names) - len(shown)} other labels"
        drawn.append(ax.scatter(*places[others].T, color="0.6", label=label, **look))
    for i, (name, text) in enumerate(zip(shown, as_texts(shown), strict=True)):
        rows = np.flatnonzero(texts == name)
        colour, marker = COLOURS[i % len(COLOURS)], _MARKERS[i // len(COLOURS) % len(_MARKERS)]
        dots = ax.scatter(*places[rows].T, color=colour, marker=marker, label=text, **look)
        drawn.append(dots)
        for row in rows.tolist():
            colours[row] = colour
    where = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
    add_legend(ax, drawn, fontsize="small", markerscale=1.5, **where)
    return colours


def _in_inches(ax: Any, places: Floats) -> Floats:
    """Return the points in inches on the figure, after its layout is computed."""
    figure = ax.figure
    figure.draw_without_rendering()
    inches: Floats = ax.transData.transform(places) / figure.dpi
    return inches


def _spread(points: Floats, n: int, apart: float) -> list[int]:
    """Return up to n points, each as far as possible from those before it, and no nearer than ``apart``."""
    first = int(np.linalg.norm(points - np.median(points, axis=0), axis=1).argmin())
    chosen = [first]
    distance = _square(points, first)
    while len(chosen) < n and distance.max() >= apart:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, _square(points, chosen[-1]))
    return chosen


def _square(points: Floats, row: int) -> Floats:
    """Return distances in the maximum norm, which tell whether squares overlap."""
    distance: Floats = np.abs(points - points[row]).max(axis=1)
    return distance


def _draw_picture(ax: Any, place: Floats, pixels: Any, colour: Any, side: float) -> None:
    """Draw a thumbnail in a frame of its colour."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    picture = PIL.Image.fromarray(pixels)
    dots = side * ax.figure.dpi
    picture.thumbnail((round(_SHARP * dots),) * 2, PIL.Image.Resampling.LANCZOS)
    # Zoom is in pixels of the picture for each point, 1/72 inch.
    shown = OffsetImage(np.asarray(picture), zoom=72 * side / max(picture.size))
    frame = {"edgecolor": colour, "linewidth": 1.5, "facecolor": "white"}
    ax.add_artist(AnnotationBbox(shown, (float(place[0]), float(place[1])), pad=0.08, bboxprops=frame))

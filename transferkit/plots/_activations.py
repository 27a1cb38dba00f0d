"""Activations of the filters of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._axes import check_count, new_grid
from transferkit.plots._panels import hide_ticks


def plot_activations(
    maps: Any, *, filters: int | Sequence[int] | None = None, n: int = 36, columns: int = 6, ax: Any = None
) -> Any:
    """Plot activations in a grid: the filters of a layer for one image, or one filter for several images.

    Parameters
    ----------
    maps : array-like of shape (h, w, c) or (n_images, h, w, c)
        Activations of one layer, as returned by :func:`transferkit.extract_activations`. With three axes,
        the filters of one image, each on its own scale so that weak filters are visible. With four axes,
        one filter for several images, on a common scale.
    filters : int or sequence of int, optional
        With three axes, the filters to plot, by default the first n; with four axes, the one filter.
    n : int, default=36
        Maximum number of panels.
    columns : int, default=6
        Number of panels in a row.
    ax : array of matplotlib Axes, optional
        One per panel; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        Bright means strong.

    Raises
    ------
    InvalidInputError
        Shapes or filters do not fit, or activations are not finite.
    MissingDependencyError
        matplotlib is not installed.

    Examples
    --------
    >>> from transferkit import extract_activations, plots
    >>> maps = extract_activations("vgg16", paths, "block1_conv1")  # doctest: +SKIP
    >>> plots.plot_activations(maps[0])  # doctest: +SKIP
    >>> plots.plot_activations(maps, filters=7)  # doctest: +SKIP
    """
    array = np.asarray(maps)
    n, columns = check_count(n, "n"), check_count(columns, "columns")
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim not in (3, 4) or not array.size:
        raise InvalidInputError(
            "maps must have shape (h, w, c), of one image, or (n, h, w, c), of one layer. "
            f"Got {array.shape}. Layers whose output is a vector have no maps."
        )
    one_filter = array.ndim == 4
    if one_filter and not isinstance(filters, int | np.integer):
        raise InvalidInputError(
            f"maps of {len(array)} images need filters=, the index of one filter. Got {filters!r}. "
            "Pass maps[0] to plot the filters of the first image."
        )
    chosen = np.arange(array.shape[-1])[:n] if filters is None else np.atleast_1d(filters)[:n]
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= array.shape[-1]:
        raise InvalidInputError(f"filters must be in 0..{array.shape[-1] - 1}. Got {filters!r}.")
    if not np.isfinite(array).all():
        raise InvalidInputError("maps must be finite. Got NaN or infinity.")
    panels = array[:n, ..., chosen[0]] if one_filter else np.moveaxis(array[..., chosen], -1, 0)
    scale = {"vmin": panels.min(), "vmax": panels.max()} if one_filter else {}
    axes = new_grid(len(panels), ax, columns=columns, width=1.2, height=1.2 if one_filter else 1.4)
    for i, (place, panel) in enumerate(zip(axes, panels, strict=True)):
        place.imshow(panel, cmap="viridis", interpolation="nearest", **scale)
        hide_ticks(place)
        if not one_filter:
            place.set_title(str(chosen[i]), fontsize="small", pad=2)
    return axes

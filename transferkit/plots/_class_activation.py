"""Class activation maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, quoted
from transferkit.plots._axes import COLOURS, new_axes
from transferkit.plots._panels import show_pixels
from transferkit.plots._text import as_text, use_fonts

_STRONGEST = 0.7  # opacity of the strongest cell: the image stays visible
_LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R BT.601


def plot_class_activation(activation: Any, *, layer: str | None = None, ax: Any = None) -> Any:
    """Plot the contribution of each part of an image to the score of a class, over the image.

    Parameters
    ----------
    activation : ClassActivation
        Result of ``clf.class_activation(image)``.
    layer : str, optional
        The layer to plot; by default the sum of all layers.
    ax : matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    matplotlib Axes
        With a colour bar: orange is evidence for the class, blue against it; the stronger, the more opaque.
        The image is grey, so that its colours are not confused with these.

    Raises
    ------
    InvalidInputError
        The model does not use the layer.
    MissingDependencyError
        matplotlib is not installed.
    """
    if layer is not None and layer not in activation.layers:
        raise InvalidInputError(f"layer must be {quoted(activation.layers, 'or')}. Got {layer!r}.")
    values = activation.total() if layer is None else activation.maps[activation.layers.index(layer)]
    strongest = float(np.abs(values).max()) or 1.0
    ax = new_axes(ax, width=4.6, height=4.0)
    from matplotlib.colors import LinearSegmentedColormap

    grey = (activation.picture @ np.array(_LUMINANCE)).round().astype(np.uint8)
    show_pixels(ax, np.stack([grey] * 3, axis=-1))
    height, width = grey.shape
    overlay = ax.imshow(
        values,
        cmap=LinearSegmentedColormap.from_list("against_for", [COLOURS[0], "white", COLOURS[1]]),
        vmin=-strongest,
        vmax=strongest,
        alpha=_STRONGEST * np.abs(values) / strongest,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
    )
    bar = ax.figure.colorbar(overlay, ax=ax, shrink=0.8)
    bar.set_label("Added to the score, by cell", fontsize="small")
    ax.set_title(f"{as_text(activation.label)}: score {activation.score:+.2f}", fontsize="medium")
    part = "all layers" if layer is None else as_text(layer)
    ax.set_xlabel(f"base {activation.intercept:+.2f}, {part} {values.sum():+.2f}", fontsize="small")
    use_fonts([ax])
    return ax

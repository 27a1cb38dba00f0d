"""Which places of a picture speak for a class, and which against."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, quoted
from transferkit.plots._axes import new_axes
from transferkit.plots._pictures import show_pixels
from transferkit.plots._text import as_text, use_fonts

_STRONGEST = 0.75  # opacity of the strongest cell: the picture stays visible


def plot_class_activation(activation: Any, *, layer: str | None = None, ax: Any = None) -> Any:
    """Draw how much each place of a picture adds to the score of a class, over the picture.

    Parameters
    ----------
    activation : ClassActivation
        What ``clf.class_activation(image)`` returns.
    layer : str, optional
        Only what this layer adds; by default the sum of all layers.
    ax : matplotlib Axes, optional
        By default one of a new figure.

    Returns
    -------
    matplotlib Axes
        With a colour bar: orange speaks for the class, purple against it; the stronger, the
        less of the picture shows through.

    Raises
    ------
    InvalidInputError
        The head does not use the layer.
    MissingDependencyError
        matplotlib is not installed.
    """
    if layer is not None and layer not in activation.layers:
        raise InvalidInputError(f"layer must be {quoted(activation.layers, 'or')}. Got {layer!r}.")
    values = activation.total() if layer is None else activation.maps[activation.layers.index(layer)]
    strongest = float(np.abs(values).max()) or 1.0
    ax = new_axes(ax, width=4.6, height=4.0)
    show_pixels(ax, activation.picture)
    height, width = activation.picture.shape[:2]
    overlay = ax.imshow(
        values,
        cmap="PuOr_r",
        vmin=-strongest,
        vmax=strongest,
        alpha=_STRONGEST * np.abs(values) / strongest,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
    )
    bar = ax.figure.colorbar(overlay, ax=ax, shrink=0.8)
    bar.set_label("Added to the score, by cell", fontsize="small")
    ax.set_title(f"{as_text(activation.label)}: score {activation.score:+.2f}", fontsize="medium")
    ax.set_xlabel(
        f"{'all layers' if layer is None else as_text(layer)}: {values.sum():+.2f}, "
        f"without the picture: {activation.intercept:+.2f}",
        fontsize="small",
    )
    use_fonts([ax])
    return ax

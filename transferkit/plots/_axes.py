"""Where to draw: the Axes that were given, or those of a new figure."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, MissingDependencyError

# Okabe and Ito, "Color Universal Design" (2008), told apart by colour-blind readers too; the yellow, which
# does not show on white, is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")


def new_axes(ax: Any, *, width: float = 5.0, height: float = 4.0) -> Any:
    """Return the Axes to draw on, of a new figure of this size in inches when none is given."""
    if ax is not None:
        return ax
    _, made = _pyplot().subplots(figsize=(width, height), layout="constrained")
    return made


def new_grid(n: int, ax: Any, *, columns: int, width: float, height: float) -> Any:
    """Return an array of n Axes: the first of those given, or panels of this size in inches.

    Axes that are left over are turned off.
    """
    if ax is None:
        columns = min(n, columns)
        rows = -(-n // columns)
        _, ax = _pyplot().subplots(
            rows, columns, figsize=(columns * width, rows * height), layout="constrained", squeeze=False
        )
    axes = np.asarray(ax, dtype=object).ravel()
    if len(axes) < n:
        raise InvalidInputError(
            f"ax must be an array of at least {n} Axes, one for each panel. Got {len(axes)}. "
            "Leave it out, or pass the array that matplotlib's subplots() returns."
        )
    for spare in axes[n:]:
        spare.set_axis_off()
    return axes[:n]


def check_count(value: Any, name: str) -> int:
    """Return a number of panels, curves or bins, or say why it is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidInputError(f"{name} must be a positive integer. Got {value!r}.")
    return int(value)


def _pyplot() -> Any:
    """Return pyplot, or say how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "plots", "transferkit.plots") from error
    return plt

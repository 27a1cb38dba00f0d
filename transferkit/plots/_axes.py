"""Axes, colours and argument checks shared by the plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.plots._text import use_fonts

# Okabe and Ito, "Color Universal Design" (2008), for colour-blind readers. Their yellow, barely visible on
# white, is left out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")


def new_axes(ax: Any, *, width: float = 5.0, height: float = 4.0) -> Any:
    """Return the given Axes, or one of a new figure of this size in inches."""
    if ax is not None:
        return ax
    _, made = _pyplot().subplots(figsize=(width, height), layout="constrained")
    return made


def new_grid(n: int, ax: Any, *, columns: int, width: float, height: float) -> Any:
    """Return an array of n Axes: the first of those given, or panels of this size in inches.

    Remaining Axes are turned off.
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
            f"ax must be an array of at least {n} Axes, one per panel. Got {len(axes)}. "
            "Leave it out, or pass the array returned by matplotlib's subplots()."
        )
    for spare in axes[n:]:
        spare.set_axis_off()
    return axes[:n]


def message_panel(ax: Any, text: str) -> Any:
    """Return an array of one Axes with a message that says why there is nothing to draw."""
    axes = new_grid(1, ax, columns=1, width=3.6, height=1.2)
    axes[0].set_axis_off()
    axes[0].text(0.5, 0.5, text, ha="center", va="center")
    return axes


def check_count(value: Any, name: str) -> int:
    """Return a number of panels or bins; raise InvalidInputError unless it is a positive integer."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidInputError(f"{name} must be a positive integer. Got {value!r}.")
    return int(value)


def by_name(value: Any, what: str) -> Mapping[Any, Any]:
    """Return a dictionary of values by name; a single value has the name ``""``."""
    named: Mapping[Any, Any] = value if isinstance(value, Mapping) else {"": value}
    if not named:
        raise InvalidInputError(f"Expected at least one {what} by name. Got an empty dictionary.")
    return named


def curve_style(colour: int, line: int) -> dict[str, Any]:
    """Return the colour and the line style with these indices; both repeat."""
    return {"color": COLOURS[colour % len(COLOURS)], "linestyle": LINE_STYLES[line % len(LINE_STYLES)]}


def finish_unit_square(
    ax: Any,
    curves: Sequence[Any],
    xlabel: str,
    ylabel: str,
    *,
    margin: float,
    legend: str,
    diagonal: str | None = None,
) -> None:
    """Add diagonal, labels, limits and legend to curves with both coordinates in 0..1."""
    line = ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0, label=diagonal)
    limits = (-margin, 1 + margin)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=limits, ylim=limits, aspect="equal")
    add_legend(ax, [*curves, *(line if diagonal else ())], loc=legend, fontsize="small")
    use_fonts([ax])


def add_legend(ax: Any, drawn: Sequence[Any], **options: Any) -> None:
    """Add a legend of what was drawn, with any names, and of what else has a label."""
    others = [one for one in ax.get_legend_handles_labels()[0] if one not in drawn]
    handles = [*others, *drawn]
    # matplotlib omits names that begin with an underscore; before 3.10, even names that are passed.
    legend = ax.legend(handles, ["-"] * len(handles), **options)
    for text, handle in zip(legend.get_texts(), handles, strict=True):
        text.set_text(handle.get_label())


def _pyplot() -> Any:
    """Return pyplot; raise MissingDependencyError if matplotlib is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "plots", "transferkit.plots") from error
    return plt

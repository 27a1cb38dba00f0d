"""Held-out errors of the combinations of layers tried by ``head="auto"``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.plots._axes import COLOURS, new_grid
from transferkit.plots._text import as_text, use_fonts

_ERRORS = ("squared_error", "absolute_error", "error")


def are_tries(rows: Sequence[Any]) -> bool:
    """Return True if the rows were recorded by ``head="auto"``."""
    return len(rows) > 0 and {"layers", "shares"} <= set(rows[0]) and error_name(rows) is not None


def error_name(rows: Sequence[Any]) -> str | None:
    """Return the name of the per-row error."""
    return next((name for name in _ERRORS if name in rows[0]), None)


def draw_tries(rows: Sequence[Any], ax: Any) -> Any:
    """Draw one line per combination, in the order they were tried, with the chosen one in another colour.

    A bar is one standard error of the paired difference from the first; the chosen one is a mean of several.
    """
    name = error_name(rows)
    axes = new_grid(1, ax, columns=1, width=6.4, height=1.1 + 0.27 * len(rows))
    panel = axes[0]
    errors = np.array([row[name] for row in rows], dtype=np.float64)
    bars = np.array([row.get("standard_error") or 0.0 for row in rows], dtype=np.float64)
    chosen = np.array([bool(row.get("chosen")) for row in rows])
    places = np.arange(len(rows))
    for which, colour, label in ((~chosen, COLOURS[0], None), (chosen, COLOURS[1], "chosen")):
        if which.any():
            panel.errorbar(
                errors[which],
                places[which],
                xerr=bars[which],
                fmt="o",
                markersize=4,
                color=colour,
                label=label,
            )
    panel.axvline(errors[0], color="0.4", linestyle=":", linewidth=1)
    n_layers = max(len(_layers(row)) for row in rows)
    panel.set_yticks(places, [_label(row, n_layers) for row in rows], fontsize="small")
    panel.invert_yaxis()
    words = str(name).replace("_", " ")
    panel.set(xlabel=f"{words.capitalize()} on held-out training images")
    panel.grid(alpha=0.3, axis="x")
    if chosen.any():
        panel.legend(fontsize="small")
    use_fonts(axes)
    return axes


def _layers(row: Any) -> list[str]:
    """Return the names of the layers of a combination."""
    layers = row["layers"]
    return layers.split("+") if isinstance(layers, str) else [f"layer {i}" for i in layers]


def _label(row: Any, n_layers: int) -> str:
    """Return a short description of a combination."""
    names, shares = [as_text(name) for name in _layers(row)], list(row["shares"])
    if max(shares) > min(shares):
        first = int(np.argmax(shares))
        if np.ptp(np.delete(shares, first)) > 1e-9:  # the mean of several
            return ", ".join(f"{name} {share:.0%}" for name, share in zip(names, shares, strict=True))
        return f"{names[first]} {shares[first]:.0%}, others {min(shares):.0%}"
    return f"all {n_layers} in equal shares" if len(names) == n_layers > 2 else " + ".join(names)

"""What training recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._axes import COLOURS, new_grid
from transferkit.plots._text import as_text, use_fonts
from transferkit.plots._tries import are_tries, draw_tries

_LOSSES = {"loss": "Loss", "squared_error": "Squared error", "absolute_error": "Absolute error"}


def plot_history(history: Any, *, ax: Any = None) -> Any:
    """Draw the loss and each metric side by side, of training and of validation.

    Parameters
    ----------
    history : estimator or list of dict
        A fitted estimator, or its ``history_``: a row per epoch of a network, with ``"epoch"``, ``"loss"``,
        ``"val_loss"`` and so on; or a row per penalty that a linear head tried, or per mixture of layers that
        ``head="auto"`` tried, with errors on held-out rows.
    ax : array of matplotlib Axes, optional
        One for each panel; by default those of a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        The loss first. A dotted line marks the least validation loss (held-out error, of penalties), or for
        an estimator whose head has ``monitor="accuracy"`` the best validation accuracy. Mixtures of layers
        are one panel, a line for each; a dotted line marks the first, equal shares of all layers, and bars
        are a standard error of the paired difference from it.

    Raises
    ------
    InvalidInputError
        No rows, or rows of something else.
    MissingDependencyError
        matplotlib is not installed.
    """
    rows: Sequence[Any] = getattr(history, "history_", history)
    if not len(rows):  # a model that was loaded has what it chose among, and no history
        rows = getattr(history, "selection_", rows)
    if are_tries(rows):
        return draw_tries(rows, ax)
    key = next((name for name in ("epoch", "penalty") if len(rows) and name in rows[0]), None)
    if key is None or "layers" in rows[0]:
        raise InvalidInputError(
            "history must be a fitted estimator or its history_, with a row per epoch or per penalty. Got "
            + (f"rows of {sorted(rows[0])}." if len(rows) else "no rows.")
            + " A fit records them, and a model that was loaded has none."
        )
    names = [name for name in rows[0] if name not in (key, "seconds") and not name.startswith("val_")]
    names.sort(key=lambda name: name not in _LOSSES)  # the loss first; the others keep their order
    axes = new_grid(len(names), ax, columns=len(names), width=4.2, height=3.4)
    x = _column(rows, key)
    own = "training" if key == "epoch" else "held-out training images"
    for panel, name in zip(axes, names, strict=True):
        for label, column, colour in ((own, name, COLOURS[0]), ("validation", f"val_{name}", COLOURS[1])):
            values = _column(rows, column)
            if np.isfinite(values).any():
                panel.plot(
                    x, values, color=colour, label=label, marker="o" if len(x) < 30 else None, markersize=3
                )
        title = _LOSSES.get(name, as_text(name.replace("_", " ").capitalize()))
        panel.set(xlabel=key.capitalize(), ylabel=title)
        panel.grid(alpha=0.3)
        if key == "penalty":
            panel.set_xscale("log")
        else:
            panel.xaxis.get_major_locator().set_params(integer=True)
    by_accuracy = getattr(getattr(history, "head_", None), "monitor", "") == "accuracy"
    best_by = "val_accuracy" if by_accuracy else f"val_{names[0]}" if key == "epoch" else names[0]
    _mark_best(axes, x, rows, best_by, key)
    axes[0].legend(fontsize="small")
    use_fonts(axes)
    return axes


def _mark_best(axes: Any, x: Any, rows: Sequence[Any], name: str, key: str) -> None:
    """Draw a line where the held-out loss is least or accuracy highest, if there is one."""
    held_out = _column(rows, name) * (-1 if name == "val_accuracy" else 1)
    if np.isfinite(held_out).any():
        best = x[int(np.nanargmin(held_out))]
        for panel in axes:
            panel.axvline(best, color="0.4", linestyle=":", linewidth=1, label=f"best {key}: {best:g}")


def _column(rows: Sequence[Any], name: str) -> Any:
    """Return one value of each row, NaN where it is missing."""
    return np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)

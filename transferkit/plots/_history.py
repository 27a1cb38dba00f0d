"""Training histories."""

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
    """Plot the loss and each metric of training and validation side by side.

    Parameters
    ----------
    history : estimator or list of dict
        A fitted estimator, or its ``history_``: one row per epoch of a network, with ``"epoch"``, ``"loss"``,
        ``"val_loss"`` and so on; or one row per penalty of a linear head, or per combination of layers of
        ``head="auto"``, with errors on held-out rows.
    ax : array of matplotlib Axes, optional
        One per panel; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        The loss first. A dotted line marks the lowest validation loss (for penalties, held-out error), or
        for a head with ``monitor="accuracy"`` the best validation accuracy. Combinations of layers have a
        single panel with one line each; the dotted line marks the first, equal shares of all layers, and
        bars are one standard error of the paired difference from it.

    Raises
    ------
    InvalidInputError
        There are no rows, or rows of another kind.
    MissingDependencyError
        matplotlib is not installed.
    """
    rows: Sequence[Any] = getattr(history, "history_", history)
    if not len(rows):  # a loaded model has layer_selection_, but no history
        rows = [trial.record() for trial in getattr(history, "layer_selection_", [])]
    if are_tries(rows):
        return draw_tries(rows, ax)
    key = next((name for name in ("epoch", "penalty") if len(rows) and name in rows[0]), None)
    if key is None or "layers" in rows[0]:
        raise InvalidInputError(
            "history must be a fitted estimator or its history_, with one row per epoch or per penalty. Got "
            + (f"rows of {sorted(rows[0])}." if len(rows) else "no rows.")
            + " They are recorded by fit; a loaded model has none."
        )
    names = [name for name in rows[0] if name not in (key, "seconds") and not name.startswith("val_")]
    names.sort(key=lambda name: name not in _LOSSES)  # the loss first, the others in order
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
    """Draw a line at the lowest held-out loss or highest accuracy, if there is one."""
    held_out = _column(rows, name) * (-1 if name == "val_accuracy" else 1)
    if np.isfinite(held_out).any():
        best = x[int(np.nanargmin(held_out))]
        for panel in axes:
            panel.axvline(best, color="0.4", linestyle=":", linewidth=1, label=f"best {key}: {best:g}")


def _column(rows: Sequence[Any], name: str) -> Any:
    """Return one column of the rows, with NaN for missing values."""
    return np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)

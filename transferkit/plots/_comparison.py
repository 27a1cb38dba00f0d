"""Comparisons of backbones."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._axes import COLOURS, new_grid
from transferkit.plots._text import as_text, as_texts, use_fonts


def plot_comparison(comparison: Any, *, ax: Any = None) -> Any:
    """Plot the score of each backbone, and its difference from the best on the same images.

    Parameters
    ----------
    comparison : Comparison
        Result of :func:`transferkit.compare`: ``.rows`` with ``.name``, ``.score`` and ``.difference``, each
        figure with ``.value``, ``.low`` and ``.high``; ``.metric``; ``.greater_is_better``; and
        ``.confidence``, if it is known.
    ax : array of two matplotlib Axes, optional
        By default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)
        Scores and paired differences, with intervals. A hollow dot marks a difference whose interval
        contains 0 or is unknown, which may be noise.

    Raises
    ------
    InvalidInputError
        The comparison has no rows.
    MissingDependencyError
        matplotlib is not installed.
    """
    rows = list(comparison.rows)
    if not rows:
        raise InvalidInputError("The comparison has no rows. Compare at least one backbone.")
    axes = new_grid(2, ax, columns=2, width=4.0, height=1.1 + 0.36 * len(rows))
    scores, differences = axes
    metric = as_text(str(comparison.metric).replace("_", " "))
    best = (max if comparison.greater_is_better else min)(rows, key=lambda row: row.score.value)
    for place, row in enumerate(rows):
        _dot(scores, row.score, place, filled=True)
        if row is best:
            differences.plot(0, place, marker="D", markersize=6, color=COLOURS[0])
        elif row.difference is not None:
            _dot(differences, row.difference, place, filled=row.difference.low > 0 or row.difference.high < 0)
    differences.axvline(0, color="0.6", linewidth=1, zorder=0)
    names = as_texts(row.name for row in rows)
    for panel, labels in ((scores, names), (differences, [""] * len(rows))):
        panel.set_yticks(np.arange(len(rows)), labels)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.grid(axis="x", alpha=0.3)
    confidence = getattr(comparison, "confidence", None)
    level = "with interval" if confidence is None else f"{100 * confidence:.4g} % interval"
    scores.set_xlabel(f"{metric[:1].upper()}{metric[1:]}, {level}")
    differences.set_xlabel("Paired difference from the best\n(hollow: could be noise)")
    use_fonts(axes)
    return axes


def _dot(ax: Any, figure: Any, place: int, *, filled: bool) -> None:
    """Draw a figure with its interval."""
    ax.plot([figure.low, figure.high], [place, place], color=COLOURS[0], linewidth=1.5)
    ax.plot(
        figure.value,
        place,
        marker="o",
        markersize=6,
        color=COLOURS[0],
        markerfacecolor=COLOURS[0] if filled else "white",
    )

"""How figures are called and written, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.metrics import Figure

__all__ = ["LOWER_IS_BETTER", "about_intervals", "figure_cells", "figure_rows", "figure_title"]

LOWER_IS_BETTER = frozenset({"error_rate", "log_loss", "brier", "nme", "median", "failure_rate"})
# Figures that people read as numbers; all others are percentages.
_DECIMALS = frozenset({"mcc", "auc", "log_loss", "brier"})
_TITLES = {
    "auc": "AUC",
    "brier": "Brier score",
    "f1": "F1",
    "mcc": "MCC",
    "median": "median error",
    "nme": "mean error",
}


def figure_title(name: str) -> str:
    """Return what a figure is called in tables."""
    return _TITLES.get(name, name.replace("_", " "))


def _number(value: float, name: str, *, signed: bool = False) -> str:
    """Return a value as people read it; a dash where it is not defined."""
    if math.isnan(value):
        return "–"
    sign = "+" if signed else ""
    return f"{value:{sign}.3f}" if name in _DECIMALS else f"{100 * value:{sign}.1f} %"


def figure_cells(name: str, figure: Figure, *, signed: bool = False) -> tuple[str, str]:
    """Return a value and its interval for a table."""
    value, low, high = (_number(end, name, signed=signed) for end in (figure.value, figure.low, figure.high))
    return value, "–" if math.isnan(figure.low) else f"{low.removesuffix(' %')} to {high}"


def figure_rows(figures: Mapping[str, Figure]) -> list[list[str]]:
    """Return one row for each figure: title, value, interval, note."""
    return [
        [figure_title(name), *figure_cells(name, figure), figure.note] for name, figure in figures.items()
    ]


def about_intervals(confidence: float, groups: Any) -> str:
    """Return the line of a table that says what its intervals are."""
    if groups is None:
        return f"Intervals: {100 * confidence:.4g} %, Wilson's for proportions of images, else bootstrap"
    n_groups = len(np.unique(np.asarray(groups)))
    return f"Intervals: {100 * confidence:.4g} %, bootstrap over {n_groups:,} groups"

"""Names and formats of figures in tables, and whether larger or smaller is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.metrics import Figure

__all__ = ["LOWER_IS_BETTER", "about_intervals", "figure_cells", "figure_rows", "figure_title"]

_IN_UNITS = frozenset({"mae", "rmse", "median_error"})  # metrics in the unit of the target
LOWER_IS_BETTER = _IN_UNITS | {"error_rate", "log_loss", "brier", "nme", "median", "failure_rate"}
# Figures that people read as numbers; all others are percentages.
_DECIMALS = frozenset({"mcc", "auc", "log_loss", "brier", "r2", "macro_auc"})
_TITLES = {
    "auc": "AUC",
    "brier": "Brier score",
    "f1": "F1",
    "macro_auc": "macro AUC",
    "macro_f1": "macro F1",
    "mae": "mean absolute error",
    "mcc": "MCC",
    "median": "median error",
    "median_error": "median absolute error",
    "micro_f1": "micro F1",
    "nme": "mean error",
    "r2": "R²",
    "rmse": "RMSE",
}


def figure_title(name: str) -> str:
    """Return the name of a figure in tables."""
    return _TITLES.get(name, name.replace("_", " "))


def _number(value: float, name: str, *, signed: bool = False) -> str:
    """Return a value formatted for people; a dash if it is undefined."""
    if math.isnan(value):
        return "–"
    sign = "+" if signed else ""
    if name in _IN_UNITS:
        return f"{value:{sign}.4g}"
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


def about_intervals(confidence: float, groups: Any, *, proportions: bool = True) -> str:
    """Return the line of a table that explains its intervals."""
    if groups is None:
        method = "Wilson's for proportions of images, else bootstrap" if proportions else "bootstrap"
        return f"Intervals: {100 * confidence:.4g} %, {method}"
    n_groups = len(np.unique(np.asarray(groups)))
    return f"Intervals: {100 * confidence:.4g} %, bootstrap over {n_groups:,} groups"

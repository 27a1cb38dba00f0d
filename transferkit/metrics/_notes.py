"""Notes on classification figures: why one is undefined, or which classes it averages."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transferkit.metrics._outcomes import Outcomes

_OF_ALL = ("accuracy", "balanced_accuracy", "error_rate", "mcc", "log_loss", "brier")


def note_of(
    name: str,
    place: int | None,
    outcomes: Outcomes,
    values: npt.NDArray[np.float64],
    names: Sequence[tuple[str, int | None]],
) -> str:
    """Return why a figure is undefined or how many classes it averages; usually an empty string.

    Parameters
    ----------
    name : str
    place : int or None
        Position of the class; None for the figure of all classes.
    outcomes : Outcomes
    values : ndarray, shape (m,)
        All figures.
    names : sequence of (str, int or None)
        Name and class of each figure.
    """
    label = outcomes.positive if place is None else place
    if label is None or name in _OF_ALL:
        source = "sensitivity" if name == "balanced_accuracy" else name
        parts = [
            value for value, (one, of) in zip(values, names, strict=True) if one == source and of is not None
        ]
        n_defined = sum(not math.isnan(value) for value in parts)
        never = len(outcomes.never_predicted()) if name == "precision" else 0
        mean = f"mean of the {n_defined} of {len(parts)} classes where it is defined"
        notes = [mean] * (n_defined < len(parts))
        notes += [f"{never} of {len(parts)} classes never predicted, counted as 0"] * (never > 0)
        if notes:
            return "; ".join(notes)
        return "needs images of two classes" if name == "mcc" and len(np.unique(outcomes.true)) < 2 else ""
    shown = outcomes.classes.tolist()[label]
    if name == "precision" and label in outcomes.never_predicted():
        return f"no image was predicted as {shown!r}, counted as 0"
    if not math.isnan(values[names.index((name, place))]):
        return ""
    return {
        "sensitivity": f"no image is {shown!r}",
        "f1": f"no image is {shown!r}",
        "specificity": f"all images are {shown!r}",
        "precision": f"no image was predicted as {shown!r}",
        "auc": f"needs images that are {shown!r} and images that are not",
    }[name]

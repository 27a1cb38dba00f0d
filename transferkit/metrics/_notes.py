"""Why a figure of a classification is not defined, or what it is the mean of."""

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
    """Return why a figure is not defined, or of how many classes it is the mean; nothing as a rule.

    Parameters
    ----------
    name : str
    place : int or None
        Of the class that the figure is of; None for the whole.
    outcomes : Outcomes
    values : ndarray, shape (m,)
        All figures.
    names : sequence of (str, int or None)
        What each of them is.
    """
    label = outcomes.positive if place is None else place
    if label is None or name in _OF_ALL:
        source = "sensitivity" if name == "balanced_accuracy" else name
        parts = [
            value for value, (one, of) in zip(values, names, strict=True) if one == source and of is not None
        ]
        n_defined = sum(not math.isnan(value) for value in parts)
        never = len(outcomes.never_answered()) if name == "precision" else 0
        notes = [f"mean of the {n_defined} of {len(parts)} classes that have it"] * (n_defined < len(parts))
        notes += [f"{never} of {len(parts)} classes never answered, which count as 0"] * (never > 0)
        if notes:
            return "; ".join(notes)
        return "needs images of two classes" if name == "mcc" and len(np.unique(outcomes.true)) < 2 else ""
    shown = outcomes.classes.tolist()[label]
    if name == "precision" and label in outcomes.never_answered():
        return f"no image was taken for {shown!r}, which counts as 0"
    if not math.isnan(values[names.index((name, place))]):
        return ""
    return {
        "sensitivity": f"no image is {shown!r}",
        "f1": f"no image is {shown!r}",
        "specificity": f"all images are {shown!r}",
        "precision": f"no image was taken for {shown!r}",
        "auc": f"needs images that are {shown!r} and images that are not",
    }[name]

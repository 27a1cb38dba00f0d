"""Choose the threshold that meets a target, on images that models had not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.decisions._quantiles import conformal_quantile
from transferkit.decisions.held_out import HeldOut
from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import is_number
from transferkit.metrics import Figure, classification_figures, wilson_interval
from transferkit.tasks import Classes, Labels

Floats = NDArray[np.float64]

_CLOSEST = 1e-9  # to 0 and 1


@dataclass(frozen=True)
class Threshold:
    """A threshold for a label, and how well it works.

    All figures are measured on the held-out training images on which the threshold was chosen, with 95 %
    confidence intervals.

    Attributes
    ----------
    label : label
        The positive label.
    value : float
        Probability above which the label is predicted, in (0, 1).
    purpose : str
        Description of the target that it was chosen for.
    sensitivity : Figure
        Share of the images with the label for which it is predicted.
    specificity : Figure
        Share of the images without the label for which it is not predicted.
    precision : Figure
        Share of the images for which the label is predicted that do have it.
    n_positive, n_negative : int
        Number of images with and without the label.
    """

    label: Any
    value: float
    purpose: str
    sensitivity: Figure
    specificity: Figure
    precision: Figure
    n_positive: int
    n_negative: int

    def __str__(self) -> str:
        """Return the threshold and its figures."""
        return (
            f"{self.label!r} where its probability is above {self.value:.4f}, for {self.purpose}\n"
            f"  sensitivity  {self.sensitivity}  of {self.n_positive:,} held-out images\n"
            f"  specificity  {self.specificity}  of {self.n_negative:,}\n"
            f"  precision    {self.precision}"
        )


def choose_threshold(
    held_out: HeldOut,
    task: Classes | Labels,
    label: Any = None,
    *,
    sensitivity: float | None = None,
    specificity: float | None = None,
    costs: tuple[float, float] | None = None,
) -> Threshold:
    """Return the threshold for a label with this sensitivity, this specificity, or the least cost.

    See :meth:`transferkit.Classifier.threshold_for`.
    """
    position, label = _position(task, label)
    purpose = _checked(sensitivity, specificity, costs)
    chances = held_out.probabilities(task)[:, position]
    several = isinstance(task, Labels)
    has = held_out.targets[:, position] == 1 if several else held_out.targets == position
    if has.all() or not has.any():
        raise InvalidInputError(
            f"label={label!r} must be that of some held-out images, and not of all. "
            f"{int(has.sum())} of {len(has)} have it. Train with more images."
        )
    if costs is not None:
        value = _least_cost(chances, has, held_out.weight, costs)
    elif sensitivity is not None:  # the largest threshold that this share of images with the label exceeds
        least = -_promised("sensitivity", sensitivity, -chances, held_out, has, f"with {label!r}")
        value = (least + chances[chances < least].max(initial=0.0)) / 2
    else:
        most = _promised("specificity", specificity, chances, held_out, ~has, f"without {label!r}")
        value = (most + chances[chances > most].min(initial=1.0)) / 2
    value = float(np.clip(value, _CLOSEST, 1 - _CLOSEST))
    figures = classification_figures(
        has, chances > value, classes=[False, True], pos_label=True, groups=held_out.by_group
    ).whole
    parts = {"sensitivity": has, "specificity": ~has, "precision": chances > value}
    if held_out.by_group is not None:
        figures = {name: _over_groups(figures[name], held_out.groups[rows]) for name, rows in parts.items()}
    return Threshold(
        label,
        value,
        purpose,
        figures["sensitivity"],
        figures["specificity"],
        figures["precision"],
        int(has.sum()),
        int((~has).sum()),
    )


def _position(task: Classes | Labels, label: Any) -> tuple[int, Any]:
    """Return the column of a label, and the label; by default the second of two classes."""
    known = task.labels.tolist()
    if label is None and isinstance(task, Classes) and len(known) == 2:
        label = known[1]
    if label not in known:
        raise InvalidInputError(f"label must be {quoted(known, 'or')}. Got {label!r}.")
    return known.index(label), label


def _promised(
    name: str, share: Any, scores: Floats, held_out: HeldOut, rows: NDArray[np.bool_], which: str
) -> float:
    """Return a bound that a new score exceeds with probability 1 - share at most; raise if images are few."""
    groups = held_out.groups[rows]
    value = conformal_quantile(scores[rows], held_out.weight[rows], groups, share)
    if np.isfinite(value):
        return value
    needed = int(np.ceil(share / (1 - share) - 1e-9))
    n_groups = len(np.unique(groups))
    what = f"{n_groups} held-out images {which}"
    if n_groups < len(groups):
        what = f"{len(groups)} held-out images {which}, which are of {n_groups} groups (copies are one)"
    raise InvalidInputError(
        f"{name}={share:g} cannot be promised from {what}: that takes {needed} or more. Train with more, or "
        "ask for less."
    )


def _least_cost(chances: Floats, has: NDArray[np.bool_], weight: Floats, costs: tuple[float, float]) -> float:
    """Return the probability above which predicting the label has the lower expected cost.

    Class weights shift all logits by the same number. This shift is estimated, as the one that makes the mean
    probability equal to the share of the label among the held-out images, and undone.
    """
    from scipy.optimize import brentq

    logits = np.log(np.clip(chances, _CLOSEST, 1) / np.clip(1 - chances, _CLOSEST, 1))
    share = np.average(has, weights=weight)

    def excess(move: float) -> float:
        return float(np.average(1 / (1 + np.exp(-(logits - move))), weights=weight) - share)

    moved = float(brentq(excess, -50.0, 50.0))
    return float(1 / (1 + np.exp(-(np.log(costs[1] / costs[0]) + moved))))


def _over_groups(figure: Figure, groups: NDArray[np.int32]) -> Figure:
    """Return a proportion with an interval at least as wide as Wilson's for one trial per group."""
    n = len(np.unique(groups))
    if n == 0 or np.isnan(figure.value):
        return figure
    low, high = wilson_interval(round(figure.value * n), n)
    lows, highs = (low, figure.value, figure.low), (high, figure.value, figure.high)
    return Figure(figure.value, float(np.nanmin(lows)), float(np.nanmax(highs)), figure.note)


def _checked(sensitivity: Any, specificity: Any, costs: Any) -> str:
    """Return the target in words; raise unless exactly one valid target was passed."""
    given = {"sensitivity": sensitivity, "specificity": specificity, "costs": costs}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        got = quoted(named) if named else "none of them"
        raise InvalidInputError(f"Pass one of sensitivity, specificity and costs. Got {got}.")
    name = named[0]
    if name != "costs":
        if not (is_number(given[name], above=0) and given[name] < 1):
            raise InvalidInputError(f"{name} must be above 0 and below 1, such as 0.95. Got {given[name]!r}.")
        return f"a {name} of {given[name]:g}"
    if not (
        isinstance(costs, tuple | list)
        and len(costs) == 2
        and all(is_number(cost, above=0) for cost in costs)
    ):
        raise InvalidInputError(
            "costs must be two positive numbers: the cost of missing the label, and of giving it to an image "
            f"without it, such as (10, 1). Got {costs!r}."
        )
    return f"costs of {costs[0]:g} for each image missed and {costs[1]:g} for each false alarm"

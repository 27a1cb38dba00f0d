"""Metrics for several labels per image, with confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.metrics._weighted import areas_under_roc
from transferkit.metrics.figure import Figure, check_confidence, percentile_figure
from transferkit.metrics.proportions import wilson_interval
from transferkit.metrics.resampling import Resampling, mean_of_defined, ratio

__all__ = [
    "EACH_LABEL_FIGURES",
    "LABEL_FIGURES",
    "LabelFigures",
    "check_label_arrays",
    "label_figures",
    "resampled_label_figures",
]

Floats = npt.NDArray[np.float64]
EACH_LABEL_FIGURES = ("precision", "recall", "f1", "auc", "average_precision")
"""Figures of each label by itself."""
LABEL_FIGURES = (
    "subset_accuracy",
    *(f"micro_{name}" for name in EACH_LABEL_FIGURES[:3]),
    *(f"macro_{name}" for name in EACH_LABEL_FIGURES),
)
"""Figures of all labels, in the order of the report."""
_NEEDS_PROBABILITIES = EACH_LABEL_FIGURES[3:]


class LabelFigures(NamedTuple):
    """Overall figures, and figures of each label.

    Attributes
    ----------
    whole : dict of str to Figure
        Overall figures by name.
    by_label : dict of label to dict of str to Figure
        Figures of each label.
    """

    whole: dict[str, Figure]
    by_label: dict[Any, dict[str, Figure]]


def label_figures(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    probabilities: npt.ArrayLike | None = None,
    *,
    labels: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> LabelFigures:
    """Return precision, recall, AUC and other metrics of labels, each with a confidence interval.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n, k)
        1 where an image has a label, else 0.
    probabilities : array-like, shape (n, k), optional
        Independent probability of each label. Needed for AUC and average precision.
    labels : array-like, shape (k,), optional
        Names of the columns, all different; by default their positions.
    groups : array-like, shape (n,), optional
        Group of each image. Images of one group, such as one person, are resampled together, as they are not
        independent.
    confidence : float, default=0.95
        Confidence level of the intervals.
    n_resamples : int, default=1000
        Number of bootstrap resamples.
    seed : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    LabelFigures
        For each label, ``precision``, ``recall``, ``f1``, ``auc`` and ``average_precision``. Overall,
        ``subset_accuracy`` (share of images whose labels are all right), figures over all decisions together
        (``micro_``), and means over the labels (``macro_``).

    Raises
    ------
    InvalidInputError
        Shapes differ, values are not 0 and 1, one is masked, or a parameter is invalid.

    Notes
    -----
    Precision and recall of a label, and subset accuracy, are proportions of independent images and have
    Wilson's interval. All other figures, and all figures with groups, have the percentile interval of a
    bootstrap.

    As in scikit-learn, the precision of a label that was never predicted is 0, with a note; so is that of a
    label that was predicted but that no image has. All other figures of a label that no image has are
    undefined, and left out of means, with a note.

    Examples
    --------
    >>> figures = label_figures([[1, 0], [1, 1], [0, 1]], [[1, 0], [1, 0], [0, 1]], labels=["cat", "outdoor"])
    >>> round(figures.whole["micro_f1"].value, 3), figures.by_label["outdoor"]["recall"].value
    (0.857, 0.5)
    """
    confidence = check_confidence(confidence)
    true, predicted, chances = check_label_arrays(y_true, y_pred, probabilities)
    names = _names(labels, true.shape[1])
    values = _statistic(np.ones((1, len(true))), true, predicted, chances)[0]
    resampling = Resampling(len(true), groups=groups, n_resamples=n_resamples, seed=seed)
    samples = resampling.apply(lambda weights: _statistic(weights, true, predicted, chances))
    keys = _keys(true.shape[1])
    value = dict(zip(keys, values.tolist(), strict=True))
    proportions = {} if groups is not None else _proportions(true, predicted)
    found = {}
    for i, key in enumerate(keys):
        note = _note(key, value, predicted, chances)
        if proportions.get(key, (0, 0))[1] and not math.isnan(value[key]):
            low, high = wilson_interval(*proportions[key], confidence=confidence)
            found[key] = Figure(value[key], min(low, value[key]), max(high, value[key]), note)
        else:
            found[key] = percentile_figure(value[key], samples[:, i], confidence=confidence, note=note)
    return LabelFigures(
        {name: found[name, None] for name in LABEL_FIGURES},
        {
            label: {name: found[name, place] for name in EACH_LABEL_FIGURES}
            for place, label in enumerate(names)
        },
    )


def _proportions(
    true: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]
) -> dict[tuple[str, int | None], tuple[int, int]]:
    """Return hits and trials of the figures that are proportions of images."""
    right = int((true == predicted).all(axis=1).sum())
    counts: dict[tuple[str, int | None], tuple[int, int]] = {("subset_accuracy", None): (right, len(true))}
    both = (true & predicted).sum(axis=0).tolist()
    for place, hits in enumerate(both):
        counts["precision", place] = hits, int(predicted[:, place].sum())
        counts["recall", place] = hits, int(true[:, place].sum())
    return counts


def resampled_label_figures(
    true: Any, predicted: Any, probabilities: Any, groups: npt.ArrayLike | None = None, *, seed: int = 0
) -> dict[str, Floats]:
    """Return the overall figures for each of 1,000 resamples, which depend on the order of the images."""
    arrays = check_label_arrays(true, predicted, probabilities)
    samples = Resampling(len(true), groups=groups, seed=seed).apply(
        lambda weights: _statistic(weights, *arrays)
    )
    return {name: samples[:, i] for i, (name, place) in enumerate(_keys(len(true[0]))) if place is None}


def check_label_arrays(
    y_true: Any, y_pred: Any, probabilities: Any = None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], Floats | None]:
    """Validate labels and probabilities; errors as for `label_figures`."""
    true, predicted = _matrix(y_true, "y_true"), _matrix(y_pred, "y_pred")
    chances = None if probabilities is None else _matrix(probabilities, "probabilities").astype(np.float64)
    shapes = {array.shape for array in (true, predicted, chances) if array is not None}
    if len(shapes) > 1 or true.ndim != 2 or not true.size:
        raise InvalidInputError(
            "y_true, y_pred and probabilities must have the same shape (n, n_labels), n >= 1. "
            f"Got {' and '.join(map(str, sorted(shapes)))}."
        )
    if not (np.isin(true, (0, 1)).all() and np.isin(predicted, (0, 1)).all()):
        raise InvalidInputError("y_true and y_pred must have nothing but 0 and 1. Pass an indicator matrix.")
    if chances is not None and not ((chances >= 0) & (chances <= 1)).all():
        raise InvalidInputError("probabilities must be in 0..1. Pass what predict_proba returns.")
    return true.astype(bool), predicted.astype(bool), chances


def _matrix(values: Any, name: str) -> npt.NDArray[Any]:
    """Return numbers or booleans, also of a sparse matrix, as an array; raise for anything else."""
    try:
        array = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
        array = array.astype(np.float64) if array.dtype == object else array
    except (TypeError, ValueError) as error:  # such as rows of several lengths
        raise InvalidInputError(f"{name} must be numbers of shape (n, n_labels): {error}.") from error
    if array.dtype.kind not in "biuf" or np.ma.is_masked(values):
        what = "masked values" if np.ma.is_masked(values) else f"type {array.dtype}"
        raise InvalidInputError(f"{name} must be numbers of shape (n, n_labels): it has {what}.")
    return array


def _names(labels: Any, n_labels: int) -> list[Any]:
    """Return a name for each column."""
    names: list[Any] = list(range(n_labels)) if labels is None else np.asarray(labels).tolist()
    if len(set(names)) != n_labels:
        raise InvalidInputError(
            f"labels must have {n_labels} different names, one for each column. Got {quoted(names)}."
        )
    return names


def _keys(n_labels: int) -> list[tuple[str, int | None]]:
    """Return name and column of each figure that `_statistic` gives."""
    keys: list[tuple[str, int | None]] = [(name, None) for name in LABEL_FIGURES]
    return keys + [(name, place) for name in EACH_LABEL_FIGURES for place in range(n_labels)]


def _statistic(
    weights: Floats,
    true: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.bool_],
    chances: Floats | None,
) -> Floats:
    """Return all figures (b, m) under weights (b, n)."""
    hits, there, said = (weights @ array.astype(float) for array in (true & predicted, true, predicted))
    areas = averages = np.full(hits.shape, np.nan)
    if chances is not None:
        columns = list(zip(chances.T, true.T, strict=True))
        areas = np.stack([areas_under_roc(weights, chance, truth) for chance, truth in columns], axis=1)
        averages = np.stack([_average_precision(weights, chance, truth) for chance, truth in columns], axis=1)
    each = [*_rates(hits, there, said), areas, averages]
    exact = ratio(weights @ (true == predicted).all(axis=1).astype(float), weights.sum(axis=1))
    micro = _rates(hits.sum(axis=1), there.sum(axis=1), said.sum(axis=1))
    whole = [exact, *micro, *map(mean_of_defined, each)]
    return np.concatenate([np.stack(whole, axis=1), *each], axis=1)


def _rates(hits: Floats, there: Floats, said: Floats) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and F1."""
    precision = np.where((there > 0) & (said <= 0), 0.0, ratio(hits, said))
    return precision, ratio(hits, there), np.where(there > 0, ratio(2 * hits, there + said), np.nan)


def _average_precision(weights: Floats, chances: Floats, truth: npt.NDArray[np.bool_]) -> Floats:
    """Return the mean precision (b,) over the images with the label; ties are one threshold."""
    order = np.argsort(-chances, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(chances[order]) != 0, True))
    said = np.cumsum(weights[:, order], axis=1)[:, ends]
    hits = np.cumsum(weights[:, order] * truth[order], axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0.0)
    precision = np.divide(hits, said, out=np.zeros_like(hits), where=said > 0)
    return ratio((gained * precision).sum(axis=1), hits[:, -1])


def _note(
    key: tuple[str, int | None],
    values: Mapping[tuple[str, int | None], float],
    predicted: npt.NDArray[np.bool_],
    chances: Floats | None,
) -> str:
    """Return why a figure is undefined, or what it counts or leaves out; usually an empty string."""
    name, place = key[0].removeprefix("macro_"), key[1]
    if np.isnan(values[key]):
        if name in _NEEDS_PROBABILITIES and chances is None:
            return "needs probabilities"
        return "needs images with and without the label" if name == "auc" else "no image has the label"
    never: npt.NDArray[np.bool_] = np.logical_not(predicted.any(axis=0))
    if place is not None:
        return "never predicted, counted as 0" if name == "precision" and never[place] else ""
    if not key[0].startswith("macro_"):
        return ""
    parts = [values[name, column] for column in range(len(never))]
    n_defined = len(parts) - int(np.isnan(parts).sum())
    notes = [f"mean of the {n_defined} of {len(parts)} labels where it is defined"] * (n_defined < len(parts))
    n_never = int((never & ~np.isnan(parts)).sum()) if name == "precision" else 0
    notes += [f"{n_never} of {len(parts)} labels never predicted, counted as 0"] * (n_never > 0)
    return "; ".join(notes)

"""From scores to logits whose probabilities can be believed, also where few rows were held out.

A logistic regression on held-out scores (Platt 1999, "Probabilistic outputs for support vector machines") is
right on many rows. On few, it is as sure as these happen to be separable, which is too sure of new ones. So
a temperature of 1 or more, one number for all classes, divides its logits: the likeliest under a weak prior
that expects scores to mean about as much as they do elsewhere. A temperature changes no decision, and of two
classes or several labels no ranking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.tasks import Classes

Floats = NDArray[np.float64]
Solution = tuple[Floats, Floats]

CALIBRATIONS = ("auto",)

# A priori, the log of the slope of a class's logit over the score is normal with this mean and deviation:
# about 1.6, within a factor of 1.6. Log losses of pictures of three kinds, after training on 20 and 100,
# were the same within their errors for means of 0.3 to 0.8.
_LOG_SLOPE = 0.5
_DEVIATION = 0.5
# The same of the gain of a network: trained on few images, it is too sure, and the tenth that it holds out is
# too few to say how much. On 90 faces, and on 90 cats and dogs, -0.6 was better than 0 and than no prior.
_LOG_GAIN = -0.6
_REACH = 12.0  # the root mostly lies within it: beyond, the prior outweighs many rows


def calibrate(
    scores: Floats, targets: NDArray[np.int64], weight: Floats, ideal: Floats, method: str | None
) -> Solution:
    """Return slope (k, k) and offset (k,) that turn held-out scores of classes into logits.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Less the mean code.
    targets : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
        With mean 1.
    ideal : ndarray, shape (n_classes, k)
        Scores that each class should have.
    method : {"auto", None}
        None leaves the logistic regression as it is.
    """
    from sklearn.linear_model import LogisticRegression

    # The ideal scores of the classes count as one row together, so that the slope has the right sign even
    # where held-out rows are uninformative, as with one row per class. Rows of weight 0 do not count.
    n_classes = len(ideal)
    weight = weight * (np.count_nonzero(weight) / len(weight))
    rows = np.concatenate([scores, ideal])
    labels = np.concatenate([targets, np.arange(n_classes)])
    weights = np.concatenate([weight, np.full(n_classes, 1 / n_classes)])
    # The weak penalty only bounds the slope of separable classes.
    model = LogisticRegression(C=100.0, max_iter=1000).fit(rows, labels, sample_weight=weights)
    slope, offset = model.coef_.T, model.intercept_
    if method is None:
        return slope, offset
    mean = _LOG_SLOPE - float(np.log(max(_mean_slope(slope), 1e-3)))
    # Never surer than the rows themselves: where scores say little, the prior would be.
    gain = min(1.0, best_gain(scores @ slope + offset, targets, weight, mean, _DEVIATION))
    return slope * gain, offset * gain


def calibrate_each(
    scores: Floats, targets: NDArray[np.int64], weight: Floats, centre: Floats, method: str | None
) -> Solution:
    """Return slope (k, k), which is diagonal, and offset (k,): each column as two classes of its own."""
    parts = [
        calibrate(scores[:, [i]], targets[:, i], weight, np.array([[-1.0], [1.0]]) - centre[i], method)
        for i in range(scores.shape[1])
    ]
    slopes, offsets = zip(*parts, strict=True)
    return np.diag(np.concatenate(slopes).ravel()), np.concatenate(offsets)


def best_gain(
    logits: Floats, targets: NDArray[np.int64], weight: Floats, mean: float, deviation: float
) -> float:
    """Return by what to multiply logits, 1 over the temperature: the maximum a posteriori.

    Parameters
    ----------
    logits : ndarray, shape (n, k)
        Of classes: one column for two, else one for each.
    targets : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
        Each row counts so often.
    mean, deviation : float
        Of the logarithm of the gain, a priori.
    """
    from scipy.optimize import brentq

    n_classes = max(2, logits.shape[1])
    task = Classes(np.arange(n_classes))
    columns = np.column_stack([np.zeros(len(logits)), logits]) if n_classes == 2 else logits
    right = columns[np.arange(len(columns)), targets]

    def slope_of_loss(log_gain: float) -> float:
        gain = float(np.exp(log_gain))
        expected = (task.probabilities(gain * logits) * columns).sum(axis=1)
        return gain * float(weight @ (expected - right)) + (log_gain - mean) / deviation**2

    low, high = mean - _REACH, mean + _REACH
    while slope_of_loss(low) > 0:  # of logits without measure, as of a network on features of any size
        low -= _REACH
    while slope_of_loss(high) < 0:
        high += _REACH
    return float(np.exp(brentq(slope_of_loss, low, high, xtol=1e-12)))


def network_gain(logits: Floats, targets: NDArray[np.int64], weight: Floats | None) -> float:
    """Return the gain of a network's logits (n, k) for the rows that it has not learned from.

    Of several labels, whose targets are (n, k), all share it.
    """
    weight = np.ones(len(logits)) if weight is None or not weight.any() else weight
    weight = weight * (np.count_nonzero(weight) / weight.sum())
    if targets.ndim == 2:
        weight = np.repeat(weight, targets.shape[1])
        logits, targets = logits.reshape(-1, 1), targets.ravel()
    return best_gain(logits, targets, weight, _LOG_GAIN, _DEVIATION)


def _mean_slope(slope: Floats) -> float:
    """Return how much the logit of a class grows with its own score, on average."""
    k = len(slope)
    if k == 1:
        return float(slope[0, 0]) / 2  # the other class's score falls as much
    return float(np.trace(slope) - slope.sum() / k) / (k - 1)

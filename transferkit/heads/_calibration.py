"""Calibrate scores to logits with reliable probabilities, even if few rows were held out.

A logistic regression on held-out scores (Platt 1999, "Probabilistic outputs for support vector machines") is
well calibrated on many rows. On few rows it is overconfident, since few rows may happen to be separable.
So its logits are divided by a temperature of 1 or more, a single number for all classes, which is the maximum
a posteriori under a weak prior on the slope of logits over scores. A temperature changes no predicted class,
and with two classes or several labels per image no ranking of images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.tasks import Classes

Floats = NDArray[np.float64]
Solution = tuple[Floats, Floats]

CALIBRATIONS = ("auto",)

# Prior: the logarithm of the slope of a class's logit over its score is normal with this mean and deviation,
# so that the slope is about 1.6, within a factor of 1.6. Log losses on three datasets, after training on 20
# and on 100 images, were the same within their errors for means of 0.3 to 0.8.
_LOG_SLOPE = 0.5
_DEVIATION = 0.5
# Prior mean of the log gain of a network: if it is trained on few images, it is overconfident, and the tenth
# of them that it holds out does not suffice to tell by how much. On 90 faces, and on 90 cats and dogs, -0.6
# was better than 0 and than no prior.
_LOG_GAIN = -0.6
_REACH = 12.0  # half width of the bracket of the root; farther from the mean, the prior outweighs many rows


def calibrate(
    scores: Floats, targets: NDArray[np.int64], weight: Floats, ideal: Floats, method: str | None
) -> Solution:
    """Return slope (k, k) and offset (k,) that turn held-out scores of classes into logits.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Held-out scores minus the mean code.
    targets : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
        Weights with mean 1.
    ideal : ndarray, shape (n_classes, k)
        Ideal scores of each class.
    method : {"auto", None}
        None applies no temperature to the logistic regression.
    """
    from sklearn.linear_model import LogisticRegression

    # The ideal scores of all classes together count as one row, so that the slope has the right sign even if
    # held-out rows are uninformative, as with one row per class. Rows of weight 0 do not count.
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
    # The gain is at most 1: if scores are uninformative, the prior alone would raise the confidence.
    gain = min(1.0, best_gain(scores @ slope + offset, targets, weight, mean, _DEVIATION))
    return slope * gain, offset * gain


def calibrate_each(
    scores: Floats, targets: NDArray[np.int64], weight: Floats, centre: Floats, method: str | None
) -> Solution:
    """Return a diagonal slope (k, k) and offset (k,): each column is calibrated as two separate classes."""
    parts = [
        calibrate(scores[:, [i]], targets[:, i], weight, np.array([[-1.0], [1.0]]) - centre[i], method)
        for i in range(scores.shape[1])
    ]
    slopes, offsets = zip(*parts, strict=True)
    return np.diag(np.concatenate(slopes).ravel()), np.concatenate(offsets)


def best_gain(
    logits: Floats, targets: NDArray[np.int64], weight: Floats, mean: float, deviation: float
) -> float:
    """Return the maximum a posteriori factor for logits, which is 1 over the temperature.

    Parameters
    ----------
    logits : ndarray, shape (n, k)
        Logits of classes: a single column for two classes, else one for each.
    targets : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
        Number of times that each row counts.
    mean, deviation : float
        Mean and standard deviation of the prior of the logarithm of the factor.
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
    while slope_of_loss(low) > 0:  # logits may be huge, as of a network on features that are not scaled
        low -= _REACH
    while slope_of_loss(high) < 0:
        high += _REACH
    return float(np.exp(brentq(slope_of_loss, low, high, xtol=1e-12)))


def network_gain(logits: Floats, targets: NDArray[np.int64], weight: Floats | None) -> float:
    """Return the gain for a network's logits (n, k) of rows that it was not trained on.

    With several labels per image, whose targets are (n, k), all labels share it.
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
        return float(slope[0, 0]) / 2  # the score of the other class falls by the same amount
    return float(np.trace(slope) - slope.sum() / k) / (k - 1)

"""Convert logits to probabilities like ``scipy.special``, whose import takes longer than a prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def softmax(logits: Floats) -> Floats:
    """Return the probabilities (n, k) of mutually exclusive classes."""
    shares: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = shares / shares.sum(axis=1, keepdims=True)
    return probabilities


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithms of the softmax, finite even if a probability rounds to 0."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    logarithms: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logarithms


def sigmoid(logits: Floats) -> Floats:
    """Return the probability for each logit independently."""
    with np.errstate(over="ignore"):  # overflow means a probability of 0
        probabilities: Floats = 1.0 / (1.0 + np.exp(-logits))
    return probabilities


def log_sigmoid(logits: Floats) -> Floats:
    """Return the logarithm of the sigmoid, finite even if the probability rounds to 0."""
    logarithms: Floats = -np.logaddexp(0.0, -logits)
    return logarithms

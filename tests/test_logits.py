"""Probabilities of logits are those of scipy, from very small ones to very large ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special

from transferkit.tasks._logits import log_sigmoid, log_softmax, sigmoid, softmax

LOGITS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2), elements=st.floats(-1e4, 1e4))


@given(LOGITS)
def test_as_scipy(logits):
    for own, scipys in (
        (softmax(logits), special.softmax(logits, axis=1)),
        (log_softmax(logits), special.log_softmax(logits, axis=1)),
        (sigmoid(logits), special.expit(logits)),
        (log_sigmoid(logits), special.log_expit(logits)),
    ):
        np.testing.assert_allclose(own, scipys, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("logits", [np.array([[-1e300, 1e300]]), np.zeros((0, 3))])
def test_extremes(logits):
    for answer in (softmax(logits), sigmoid(logits)):
        assert answer.shape == logits.shape
        assert ((answer >= 0) & (answer <= 1)).all()

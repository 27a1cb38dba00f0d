"""Fit the expected error of keypoints, on held-out images only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._expected_error import ExpectedError
from transferkit.estimators._looks import held_out_looks, look
from transferkit.estimators.predictor import Predictor
from transferkit.keypoints import as_points
from transferkit.tasks import as_weights

Rows = NDArray[np.int64]

_MOST = 64  # most images that a network looks at again: each takes as long as several training squares


def fit_expected_error(
    predictor: Predictor,
    items: Any,
    features: Any,
    points: NDArray[np.float64],
    data: Any,
    held: Rows,
    validation: Any,
    random_state: int,
    offset: float,
) -> ExpectedError | None:
    """Return the expected error of a fitted model; None if too few images were held out.

    Parameters
    ----------
    predictor : Predictor
        The model, with its closer looks.
    items : list of images
    features : Features
        Features of these images, readable or not.
    points : ndarray, shape (n, k, 2)
        True points of the training images, in pixels; NaN is a missing point.
    data : TrainingSet
    held : ndarray of int
        Training images that the model has not learned from.
    validation : ValidationData or None
        The user's validation data.
    random_state : int
        Seed of the closer look.
    offset : float
        Remaining offset of these points to the right of the predictions, in pixels.
    """
    looks = held_out_looks(predictor, features, points, data, random_state)
    if looks is not None:
        return ExpectedError.fit(looks, points - (offset, 0.0), data.weight)
    if validation is not None:
        weight = as_weights(validation.sample_weight, len(validation.X), [])
        rows = _some(np.flatnonzero(weight > 0))
        views = tuple(view.of(rows) for view in validation.views)
        extracted = predictor.extractor.extract(
            [validation.X[row] for row in rows], views=views, on_error="skip"
        )
        readable = np.flatnonzero(extracted.ok)
        images = [validation.X[row] for row in rows[readable]]
        truth = as_points(validation.y, name="y of validation_data")[rows[readable]] - (offset, 0.0)
        return _fit_on(predictor, images, extracted, readable, views, truth, weight[rows[readable]])
    rows = _some(held)
    images = [items[row] for row in data.rows[rows]]
    truth = points[rows] - (offset, 0.0)
    return _fit_on(predictor, images, features, data.rows[rows], data.views, truth, data.weight[rows])


def _fit_on(
    predictor: Predictor, items: list[Any], features: Any, rows: Rows, views: Any, truth: Any, weight: Any
) -> ExpectedError | None:
    """Return the expected error, fitted on images that the model has not learned from."""
    if not len(rows):
        return None
    looks = look(predictor, items, features, rows, views, again=True)
    return ExpectedError.fit(looks, truth, weight)


def _some(rows: Rows) -> Rows:
    """Return at most ``_MOST`` rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(np.int64))]

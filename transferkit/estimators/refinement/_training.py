"""What a closer look learns from, and is judged on: images, and the shapes found in them so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import Predictor, average_views
from transferkit.estimators.refinement._closer_look import CloserLook
from transferkit.estimators.refinement._network import Sample, has_place
from transferkit.extraction import Features
from transferkit.heads import FittedHead, Head
from transferkit.keypoints import as_points
from transferkit.tasks import as_weights

Rows = NDArray[np.int64]


def fit_rounds(
    look: CloserLook,
    predictor: Predictor,
    head: Head,
    items: list[Any],
    features: Features,
    points: NDArray[np.float64],
    data: Any,
    held: Rows,
    own: Any,
    tuned: tuple[NDArray[np.float64], FittedHead] | None = None,
) -> None:
    """Fit the rounds of a closer look, given a trained first one.

    Parameters
    ----------
    look : CloserLook
    predictor : Predictor
        Of the first look.
    head : Head
    items : list of images
        The training images.
    features : Features
        Of all images, readable or not.
    points : ndarray, shape (n, k, 2)
        Of the training images, in pixels; NaN is a missing point.
    data : TrainingSet
    held : ndarray of int
        Training images that the first look has not learned from.
    own : OwnValidation or None
        Images of the caller's to judge rounds on.
    tuned : (mean, head), optional
        Mean shape and head of a closer look that was trained with the backbone.
    """
    if tuned is not None:
        judged = _judged(predictor, items, features, points, data, held, own)
        look.use_network(head, *tuned, judged)
    elif head.refinement == "network":
        train = np.setdiff1d(np.arange(len(items)), held)
        lost = train[~has_place(points[train])]  # they are cut out where they were found
        shapes = points.copy()
        if len(lost) and look.n_rounds:
            shapes[lost] = predictor.outputs(features, data.rows[lost], data.views)
        learned = Sample([items[row] for row in train], points[train], shapes[train], data.weight[train])
        look.fit_network(head, learned, _judged(predictor, items, features, points, data, held, own))
    elif predictor.head.held_out is not None:
        assert predictor.extractor is not None
        sizes = features.sizes(data.rows), predictor.extractor.image_size_, predictor.extractor.resize
        views = [view.of(data.rows) for view in data.views]
        shapes = average_views(views, np.split(predictor.head.held_out, len(views)), sizes)
        look.fit_cascade(items, shapes, points, data.groups, data.weight)


def _judged(
    predictor: Predictor,
    items: list[Any],
    features: Features,
    points: NDArray[np.float64],
    data: Any,
    held: Rows,
    own: Any,
) -> Sample | None:
    """Return images that training did not see, with the shapes found in them; None without any shape."""
    if own is not None:
        assert predictor.extractor is not None
        others = predictor.extractor.extract(own.X, views=own.views, on_error="skip")
        weight = as_weights(own.sample_weight, len(own.X), [])
        seen = np.flatnonzero(others.ok & (weight > 0))
        truth = as_points(own.y, name="y of validation_data")[seen]
        found = predictor.outputs(others, seen, own.views)
        judged = Sample([own.X[row] for row in seen], truth, found, weight[seen])
    elif len(held):
        found = predictor.outputs(features, data.rows[held], data.views)
        judged = Sample([items[row] for row in held], points[held], found, data.weight[held])
    else:
        return None
    return judged if (np.isfinite(judged.points).all(axis=2).sum(axis=1) > 1).any() else None

"""Training and evaluation data of a closer look: images, and the shapes found in them so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._tuned import TunedLook
from transferkit.estimators.predictor import Predictor, in_pixels
from transferkit.estimators.refinement._closer_look import CloserLook
from transferkit.estimators.refinement._network import Sample, has_place
from transferkit.estimators.refinement._refinement import shape_errors
from transferkit.extraction import Features
from transferkit.heads import Head
from transferkit.keypoints import as_points
from transferkit.tasks import as_weights

Rows = NDArray[np.int64]


def held_out_images(
    predictor: Predictor,
    items: list[Any],
    features: Features,
    points: NDArray[np.float64],
    data: Any,
    held: Rows,
    validation: Any,
) -> tuple[Sample, list[NDArray[np.float64]]] | None:
    """Return images that the first look has not learned from, and the points found in each view of them.

    Return None if there are no such images, or none with a shape. The shapes of the sample are the means over
    the views.

    Parameters
    ----------
    predictor : Predictor
        Predictor of the first look.
    items : list of images
        The training images.
    features : Features
        Features of all images, readable or not.
    points : ndarray, shape (n, k, 2)
        True points of the training images, in pixels; NaN is a missing point.
    data : TrainingSet
    held : ndarray of int
        Training images that the first look has not learned from.
    validation : ValidationData or None
        The user's validation data, to evaluate rounds on.
    """
    assert predictor.extractor is not None
    if (outputs := getattr(predictor.head, "held_out", None)) is not None:
        sizes = features.sizes(data.rows), predictor.extractor.image_size_, predictor.extractor.resize
        views = [view.of(data.rows) for view in data.views]
        found = in_pixels(views, np.split(outputs, len(views)), sizes)
        unseen = Sample(items, points, np.mean(found, axis=0), data.weight, data.groups)
    elif validation is not None:
        extracted = predictor.extractor.extract(validation.X, views=validation.views, on_error="skip")
        weight = as_weights(validation.sample_weight, len(validation.X), [])
        readable = np.flatnonzero(extracted.ok & (weight > 0))
        truth = as_points(validation.y, name="y of validation_data")[readable]
        images = [validation.X[row] for row in readable]
        found = predictor.first_look(images, extracted, readable, validation.views)
        unseen = Sample(images, truth, np.mean(found, axis=0), weight[readable], np.arange(len(readable)))
    elif len(held):
        images = [items[row] for row in held]
        found = predictor.first_look(images, features, data.rows[held], data.views)
        shapes = np.mean(found, axis=0)
        unseen = Sample(images, points[held], shapes, data.weight[held], data.groups[held])
    else:
        return None
    _, shaped = shape_errors(unseen.shapes, unseen.points)
    return (unseen, found) if len(shaped) else None


def fit_rounds(
    look: CloserLook,
    predictor: Predictor,
    head: Head,
    items: list[Any],
    features: Features,
    points: NDArray[np.float64],
    data: Any,
    held: Rows,
    unseen: Sample | None,
    tuned: TunedLook | None = None,
) -> None:
    """Fit the rounds of a closer look after a trained first look.

    Parameters
    ----------
    look : CloserLook
    predictor, items, features, points, data, held
        As for ``held_out_images``.
    head : Head
    unseen : Sample or None
        Images that the first look has not learned from.
    tuned : TunedLook, optional
        Trained closer look to use instead of a fit.
    """
    if tuned is not None:
        look.use_network(head, tuned.mean, tuned.head, unseen)
    elif head.refinement == "network":
        train = np.setdiff1d(np.arange(len(items)), held)
        lost = train[~has_place(points[train])]  # cropped around the shapes found instead
        shapes = points.copy()
        if len(lost) and look.n_rounds:
            shapes[lost] = predictor.outputs(features, data.rows[lost], data.views)
        images = [items[row] for row in train]
        learned = Sample(images, points[train], shapes[train], data.weight[train], data.groups[train])
        look.fit_network(head, learned, unseen)
    elif unseen is not None:
        look.fit_cascade(unseen)

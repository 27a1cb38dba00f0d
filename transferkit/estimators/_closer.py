"""What follows a first look at keypoints: closer looks, the offset of labels, and the expected error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._confidence import fit_expected_error
from transferkit.estimators._training_set import Rows, TrainingSet
from transferkit.estimators._tuned import TunedLook
from transferkit.estimators.predictor import Predictor
from transferkit.estimators.refinement import CloserLook, fit_rounds, fit_wide_look, held_out_images
from transferkit.extraction import Features
from transferkit.heads import Head
from transferkit.keypoints import as_points
from transferkit.tasks import Points


def look_closer(
    predictor: Predictor,
    look: CloserLook | None,
    head: Head,
    items: Any,
    features: Features,
    targets: NDArray[np.float64],
    data: TrainingSet,
    held: Rows,
    validation: Any,
    *,
    random_state: int,
    tuned: TunedLook | None = None,
) -> Predictor:
    """Return the predictor of a first look, completed by closer looks, label offset and expected error.

    Parameters
    ----------
    predictor : Predictor
    look : CloserLook or None
        Unfitted closer look, which is fitted here; None if there are too few points for a shape, or the head
        has no closer look.
    head : Head
    items : list of images
    features : Features
        Features of these images, readable or not.
    targets : ndarray, shape (n, k, 2)
        True points of the training images, in pixels; NaN is a missing point.
    data : TrainingSet
    held : ndarray of int
        Training images that the first look has not learned from.
    validation : ValidationData or None
        The user's validation data.
    random_state : int
    tuned : TunedLook, optional
        Trained closer look to use instead of a fit.
    """
    # Offsets of labels to the right, in pixels: subtracted to train the rounds, and added to predictions.
    training_offset = offset = 0.0
    if look is not None:
        images = [items[row] for row in data.rows]
        held_out = held_out_images(predictor, images, features, targets, data, held, validation)
        unseen = None if held_out is None else held_out[0]
        boxed = getattr(predictor.task, "boxed", False)  # a box tells where the subject is
        learned_wide_squares = bool(data.extra_views) or tuned is not None
        if held_out is not None and look.mirror and look.n_rounds and learned_wide_squares and not boxed:
            wide, found = fit_wide_look(predictor, *held_out)
            predictor = replace(predictor, wide_look=wide)
            unseen = held_out[0]._replace(shapes=np.mean(found, axis=0))
        if look.mirror and look.n_rounds and unseen is not None:
            # Errors of the first look depend on the place of a face in the image. So its offset is only used
            # to train the rounds; predictions get the offset that is measured after the rounds.
            training_offset = unseen.offset()
            unseen = unseen.moved(training_offset)
        points = targets - (training_offset, 0.0)
        fit_rounds(look, predictor, head, images, features, points, data, held, unseen, tuned)
        if look.mirror and look.refinements and look.unseen is not None:
            offset = look.unseen.moved(-training_offset).offset()
        if look.unseen is not None and offset != training_offset:
            look.restate(offset - training_offset)
        assert isinstance(predictor.task, Points)
        task = replace(predictor.task, offset=offset)
        predictor = replace(predictor, refinements=tuple(look.refinements), task=task)
    points = targets - (training_offset, 0.0)
    if validation is not None:
        validation = validation._replace(
            y=as_points(validation.y, name="y of validation_data") - (training_offset, 0.0)
        )
    expected = fit_expected_error(
        predictor,
        items,
        features,
        points,
        data,
        held,
        validation,
        random_state=random_state,
        offset=offset - training_offset,
    )
    return replace(predictor, expected_error=expected)

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
    own: Any,
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
    own : OwnValidation or None
        The caller's validation data.
    random_state : int
    tuned : TunedLook, optional
        Trained closer look to use instead of a fit.
    """
    assumed = total = 0.0  # offset of labels to the right, in pixels: while rounds learn, and in predictions
    if look is not None:
        images = [items[row] for row in data.rows]
        seen = held_out_images(predictor, images, features, targets, data, held, own)
        judged = None if seen is None else seen[0]
        boxed = getattr(predictor.task, "boxed", False)  # if so, it is known where the subject is
        wide_squares = bool(data.more) or tuned is not None  # whether the first look has learned from them
        if seen is not None and look.mirror and look.n_rounds and wide_squares and not boxed:
            wide, found = fit_wide_look(predictor, *seen)
            predictor = replace(predictor, wide_look=wide)
            judged = seen[0]._replace(shapes=np.mean(found, axis=0))
        if look.mirror and look.n_rounds and judged is not None:
            # Errors of the first look depend on the place of a face in the image. So the offset found with it
            # is only used to train the rounds; the one found with these is added to predictions.
            assumed = judged.offset()
            judged = judged.moved(assumed)
        points = targets - (assumed, 0.0)
        fit_rounds(look, predictor, head, images, features, points, data, held, judged, tuned)
        if look.mirror and look.refinements and look.judged is not None:
            total = look.judged.moved(-assumed).offset()
        if look.judged is not None and total != assumed:
            look.restate(total - assumed)
        assert isinstance(predictor.task, Points)
        task = replace(predictor.task, offset=total)
        predictor = replace(predictor, refinements=tuple(look.refinements), task=task)
    points = targets - (assumed, 0.0)
    if own is not None:
        own = own._replace(y=as_points(own.y, name="y of validation_data") - (assumed, 0.0))
    expected = fit_expected_error(
        predictor,
        items,
        features,
        points,
        data,
        held,
        own,
        random_state=random_state,
        offset=total - assumed,
    )
    return replace(predictor, expected_error=expected)

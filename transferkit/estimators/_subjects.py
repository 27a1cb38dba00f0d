"""Where keypoints are looked for: in boxes of images, and in images that come one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.estimators.predictor import Predictor
from transferkit.keypoints import frames_of_boxes
from transferkit.views import Crops, crops_of

_BATCH = 64  # images of an iterator that are held at a time


def box_views(predictor: Predictor, boxes: Any, n_images: int) -> tuple[Crops, ...] | None:
    """Return the views of boxes; None for a model of whole images.

    Raises
    ------
    InvalidInputError
        The model was fitted with boxes and there are none, or the other way round; or boxes do not fit.
    """
    boxed = getattr(predictor.task, "boxed", False)
    if boxed and boxes is None:
        raise InvalidInputError(
            "boxes must be passed: this model was fitted with boxes, and a whole image looks different from "
            "the square around a subject."
        )
    if boxes is None:
        return None
    if not boxed:
        raise InvalidInputError(
            "boxes cannot be used: this model was fitted on whole images. Pass boxes to fit, too."
        )
    return crops_of(predictor.views, frames_of_boxes(boxes, n_images))


def in_batches(
    predict: Callable[[list[Any]], NDArray[np.float64]], X: Iterator[Any], boxes: Any
) -> NDArray[np.float64]:
    """Return the predictions for the images of an iterator, of which only some are held at a time."""
    if boxes is not None:
        raise InvalidInputError("boxes need a list of images, not an iterator. Pass list(X).")
    found = []
    while batch := list(islice(X, _BATCH)):
        found.append(predict(batch))
    if not found:
        raise InvalidInputError("X has no images: the iterator is at its end. Make a new one.")
    return np.concatenate(found)

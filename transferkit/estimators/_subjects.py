"""Predict keypoints in boxes of images, and in images from an iterator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import PIL.Image

from transferkit.errors import InvalidInputError
from transferkit.estimators.predictor import Predictor
from transferkit.extraction import Features
from transferkit.images import Reader
from transferkit.keypoints import check_boxes, frames_of_boxes
from transferkit.views import AnyView, Crops, crops_of

_BATCH = 64  # images of an iterator that are in memory at a time


def box_views(predictor: Predictor, boxes: Any, n_images: int) -> tuple[Crops, ...] | None:
    """Return the views of boxes; None for a model of whole images.

    Raises
    ------
    InvalidInputError
        The model was fitted with boxes and none were passed, or vice versa; or boxes are invalid.
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


NO_BOXES = "boxes cannot be used with backbone='precomputed', which has no images. Leave one out."


def check_no_boxes(boxes: Any) -> None:
    """Raise InvalidInputError if there are boxes, for a model of features."""
    if boxes is not None:
        raise InvalidInputError(NO_BOXES)


def extract_subjects(
    predictor: Predictor, items: list[Any], boxes: Any, *, on_error: str = "raise"
) -> tuple[tuple[AnyView, ...], Features]:
    """Return views of boxes, or of whole images, and their features.

    Raises
    ------
    InvalidInputError
        As for ``box_views``; or a box does not touch its image.
    """
    crops = box_views(predictor, boxes, len(items))
    views: tuple[AnyView, ...] = crops or predictor.views
    features: Features = predictor.extractor.extract(items, views=views, on_error=on_error)
    if crops is not None:
        rows = np.flatnonzero(features.ok)
        check_boxes(crops[0].frames[rows], features.sizes(rows), rows)
    return views, features


def own_copy(reader: Reader, image: Any) -> Any:
    """Return an image of an iterator that stays as it is when the next one comes.

    Cameras fill one array again and again, and ``PIL.ImageSequence`` gives one object for all frames.
    """
    if isinstance(image, np.ndarray):
        return image.copy()
    if not isinstance(image, PIL.Image.Image) or not _has_frames(image):
        return image
    # A copy by Pillow would no longer know its format, which says what wide values mean. Channels, if any are
    # chosen, are chosen later.
    return np.array(image) if reader.selection.channels else reader.load(image).pixels


def _has_frames(picture: PIL.Image.Image) -> bool:
    """Return True for an image that may show another frame later."""
    try:
        return bool(getattr(picture, "is_animated", False))
    except Exception:  # noqa: BLE001 - Pillow raises many kinds for damaged files, which are named when read
        return False


def in_batches(predict: Callable[[list[Any]], Any], X: Iterator[Any], boxes: Any) -> Any:
    """Return the predictions for the images of an iterator, reading it in batches.

    The result is an array, or a tuple of arrays.
    """
    if boxes is not None:
        raise InvalidInputError("boxes need a list of images, not an iterator. Pass list(X).")
    found = []
    while batch := list(islice(X, _BATCH)):
        found.append(predict(batch))
    if not found:
        raise InvalidInputError("X has no images: the iterator is at its end. Make a new one.")
    if isinstance(found[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))
    return np.concatenate(found)

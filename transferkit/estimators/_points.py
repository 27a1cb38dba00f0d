"""Predict keypoints with a fitted model, with or without its estimator."""

from __future__ import annotations

from functools import partial
from typing import Any

from transferkit import images
from transferkit.errors import InvalidInputError
from transferkit.estimators._looks import look
from transferkit.estimators._novelty import novelty_of
from transferkit.estimators._subjects import extract_subjects, in_batches, own_copy
from transferkit.estimators._unknown import novelty_problems, without_unknown
from transferkit.estimators.predictor import Predictor
from transferkit.foundation.arguments import check, flag
from transferkit.foundation.scratch import memory_limit

_NO_ERROR = (
    "return_error needs errors of held-out images, which this model does not know: it was saved before there "
    "was return_error, learned from too few images, or has backbone='precomputed'. Fit it again, on 10 "
    "images or more; a network holds a tenth of them out, and needs 80, or validation_data."
)


def predict_points(
    predictor: Predictor,
    X: Any,
    boxes: Any = None,
    *,
    return_error: bool = False,
    max_novelty: float | None = None,
    limit: float | None = None,
) -> Any:
    """Return the keypoints of each image, and with ``return_error`` their expected errors.

    Parameters
    ----------
    predictor : Predictor
        A predictor on images.
    X, boxes, return_error, max_novelty
        As for ``KeypointRegressor.predict``.
    limit : float, optional
        Bytes of memory for features.
    """
    check_return_error(predictor, return_error)
    check([] if max_novelty is None else novelty_problems(max_novelty))
    if hasattr(X, "__next__") and not hasattr(X, "read"):  # an open file is one image
        return in_batches(
            partial(
                predict_points, predictor, return_error=return_error, max_novelty=max_novelty, limit=limit
            ),
            map(partial(own_copy, predictor.extractor.reader()), X),
            boxes,
        )
    items = images.readable_again(images.as_image_list(X))
    views, features = extract_subjects(predictor, items, boxes)
    with memory_limit(limit):
        if not return_error:
            found: tuple[Any, ...] = (predictor.task.decode(predictor.find(items, features, views)),)
        else:
            expected = predictor.expected_error
            looks = look(predictor, items, features, views=views, again=expected.moved)
            found = predictor.task.decode(looks.points), expected.predict(looks)
        if max_novelty is not None:
            found = without_unknown(found, novelty_of(predictor, features), max_novelty)
    return found if return_error else found[0]


def check_return_error(predictor: Predictor, return_error: bool) -> None:
    """Raise if expected errors are requested but unknown."""
    check(flag("return_error", return_error))
    if return_error and predictor.expected_error is None:
        raise InvalidInputError(_NO_ERROR)

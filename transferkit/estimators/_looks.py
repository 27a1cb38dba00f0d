"""The keypoints found by each look at the images, in each view.

For new images, the model predicts them. For training images, the predictions of models without their group
are reassembled from the held-out predictions of each fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import Predictor, in_pixels
from transferkit.estimators.refinement import held_out_again, look_again
from transferkit.views import AnyView, Crops

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Looks(NamedTuple):
    """Points found by a model.

    Attributes
    ----------
    points : ndarray, shape (n, k, 2)
        The prediction, in pixels of the images.
    others : list of ndarray, shape (n, k, 2)
        Other results: those of earlier looks and single views, or those in moved squares.
    moved : bool
        Whether the others are from moved squares.
    unit : ndarray, shape (n,)
        Size in pixels to which errors are proportional: that of the shape if it is cropped, else that of the
        region seen.
    """

    points: Floats
    others: list[Floats]
    moved: bool
    unit: NDArray[np.float64]


def look(
    predictor: Predictor,
    items: Sequence[Any],
    features: Any,
    rows: Rows | None = None,
    views: Sequence[AnyView] | None = None,
    *,
    again: bool,
) -> Looks:
    """Return the keypoints that a model finds in images.

    Parameters
    ----------
    predictor : Predictor
    items : sequence of images
        Images of the rows.
    features, rows, views
        As for ``Predictor.outputs``.
    again : bool
        Whether to repeat the last closer look on slightly moved squares.
    """
    views = predictor.views if views is None else views
    seen, place = predictor.place(features, rows, views)
    looks = [predictor.first_look(items, features, rows, views)]
    for refinement in predictor.refinements:
        looks.append(in_pixels(*refinement.look(items, np.mean(looks[-1], axis=0))))
    again = again and bool(predictor.refinements)
    moved = look_again(predictor.refinements[-1], items, np.mean(looks[-1], axis=0)) if again else []
    return _looks(looks, moved, seen[0], place[0])


def held_out_looks(
    predictor: Predictor, features: Any, points: Floats, data: Any, random_state: int
) -> Looks | None:
    """Return held-out keypoints of training images, by models without their group; None if there are none.

    Parameters
    ----------
    predictor : Predictor
    features : Features
        Features of all images, readable or not.
    points : ndarray, shape (n, k, 2)
        True points of the training images, in pixels.
    data : TrainingSet
    random_state : int
        Seed of the closer look.
    """
    head: Any = predictor.head
    heads = [head, *(refinement.head for refinement in predictor.refinements)]
    if any(getattr(each, "held_out", None) is None for each in heads):
        return None
    seen, place = predictor.place(features, data.rows, data.views)
    looks = [in_pixels(seen, np.split(head.held_out, len(seen)), place)]
    moved: list[Floats] = []
    for refinement in predictor.refinements:
        shapes = np.mean(looks[-1], axis=0)
        crops = refinement.views(shapes)
        n = len(data.rows) * len(crops)  # the following rows are moved squares
        looks.append(in_pixels(crops, np.split(refinement.head.held_out[:n], len(crops))))
        moved = held_out_again(refinement, shapes, points, data.weight, random_state)
    return _looks(looks, moved, seen[0], place[0])


def _looks(looks: list[list[Floats]], moved: list[Floats], view: AnyView, sizes: Rows) -> Looks:
    """Return the prediction and what it is compared with: moved squares, or else earlier results."""
    points = np.mean(looks[-1], axis=0)
    others = moved or [
        *(looks[-1] if len(looks[-1]) > 1 else []),
        *(np.mean(before, axis=0) for before in looks[-2:-1]),
    ]
    if len(looks) > 1:
        unit = np.ptp(points, axis=1).max(axis=1)
    else:
        unit = view.frames[:, 2] if isinstance(view, Crops) else sizes.max(axis=1)
    return Looks(points, others, bool(moved), np.maximum(unit, 1e-9).astype(np.float64))

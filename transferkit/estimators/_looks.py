"""What each look at the images finds, view by view: the steps between an image and its keypoints.

Of images to predict, a model looks; of those it learned from, the predictions of models without their group
are put together again from what each fit has held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import Predictor, in_pixels
from transferkit.keypoints import mirror_order
from transferkit.views import AnyView, Crops

Floats = NDArray[np.float64]


class Looks(NamedTuple):
    """Points found by each look.

    Attributes
    ----------
    points : list of list of ndarray, shape (n, k, 2)
        Of each look, and in it of each view, in pixels of the images; the mean over the views of the last
        look is the prediction.
    scores : ndarray, shape (n, k), or None
        How well the first look has recognised each point at its place, of heads that tell.
    """

    points: list[list[Floats]]
    scores: Floats | None

    @property
    def last(self) -> Floats:
        """The prediction."""
        found: Floats = np.mean(self.points[-1], axis=0)
        return found


def look(
    predictor: Predictor,
    items: Sequence[Any],
    features: Any,
    rows: NDArray[np.int64] | None = None,
    views: Sequence[AnyView] | None = None,
) -> Looks:
    """Return what a model finds in images; parameters as for ``Predictor.outputs``, and the images of rows."""
    views = predictor.views if views is None else views
    outputs, scores = [], []
    scored = getattr(predictor.head, "predict_with_scores", None)
    for view in views:
        maps = features.maps(rows, view, half=predictor.half)
        if scored is None:
            outputs.append(predictor.head.predict(maps))
            continue
        output, score = scored(maps)
        outputs.append(output)
        scores.append(_swapped(view, score))
    seen, place = predictor.place(features, rows, views)
    points = [in_pixels(seen, outputs, place)]
    for refinement in predictor.refinements:
        crops, outputs = refinement.look(items, np.mean(points[-1], axis=0))
        points.append(in_pixels(crops, outputs))
    return Looks(points, np.mean(scores, axis=0) if scores else None)


def held_out_looks(predictor: Predictor, features: Any, data: Any) -> Looks | None:
    """Return what models without each training image's group find in it; None where a fit held none out.

    ``data`` is the ``TrainingSet``.
    """
    head = predictor.head
    heads = [head, *(refinement.head for refinement in predictor.refinements)]
    if any(getattr(each, "held_out", None) is None for each in heads):
        return None
    views, place = predictor.place(features, data.rows, data.views)
    points = [in_pixels(views, np.split(head.held_out, len(views)), place)]  # type: ignore[attr-defined]
    for refinement in predictor.refinements:
        crops = refinement.views(np.mean(points[-1], axis=0))
        n = len(data.rows) * len(crops)  # what follows are squares moved at random
        points.append(in_pixels(crops, np.split(refinement.head.held_out[:n], len(crops))))
    scores = getattr(head, "held_out_scores", None)
    if scores is not None:
        parts = np.split(scores, len(views))
        scores = np.mean([_swapped(view, part) for view, part in zip(views, parts, strict=True)], axis=0)
    return Looks(points, scores)


def _swapped(view: AnyView, scores: Floats) -> Floats:
    """Return scores (n, k) with left and right as in the image."""
    mirrored = view.mirror if isinstance(view, Crops) else view.squares[0].mirror
    order = mirror_order(scores.shape[1], view.pairs) if mirrored else None
    return scores if order is None else scores[:, order]

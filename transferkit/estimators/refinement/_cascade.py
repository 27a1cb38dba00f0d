"""A closer look by ridge regressions, which learns on squares around held-out predictions.

Predictions of the training rows by their own model would be better than any that new images get; those by the
model without the image's group are exact in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import average_views
from transferkit.estimators.refinement._refinement import MARGIN, Floats, Refinement, views_around
from transferkit.extraction import FeatureExtractor, Features
from transferkit.heads import TrainingData
from transferkit.heads.cascade import CascadeHead
from transferkit.keypoints import Pairs, frames_around, mean_shape
from transferkit.tasks import Points

MIN_IMAGES = 50  # fewer say too little about the errors to mend


def fit_cascade_round(
    extractor: FeatureExtractor,
    X: Sequence[Any],
    shapes: Floats,
    points: Floats,
    groups: NDArray[np.int64],
    weight: NDArray[np.float64],
    *,
    mirror: bool,
    pairs: Pairs | None,
    random_state: int,
    progress: bool,
) -> tuple[Refinement, Floats, Features]:
    """Return a fitted round, its own held-out shapes, and its features.

    Parameters
    ----------
    extractor : FeatureExtractor
        With the layers and grids of the closer look.
    X : sequence of images
    shapes : ndarray, shape (n, k, 2)
        Held-out predictions so far, in pixels.
    points : ndarray, shape (n, k, 2)
        True points; NaN is a missing one.
    groups : ndarray of int, shape (n,)
    weight : ndarray, shape (n,)
    mirror : bool
    pairs : tuple of (int, int) or None
        Points that swap in a mirror image.
    random_state, progress
        As for the estimator.
    """
    mean = mean_shape(points, pairs)
    views = views_around(frames_around(shapes, mean, MARGIN), mirror, pairs)
    features = extractor.extract(X, views=views, on_error="raise")
    targets = [view.to_square(points).reshape(len(points), -1) for view in views]
    kind = CascadeHead()
    head = kind.fit(
        TrainingData(
            features.maps(view=views),
            np.concatenate(targets),
            Points(points.shape[1]),
            np.tile(weight, len(views)),
            np.tile(groups, len(views)),
            None,
            random_state,
            progress,
        )
    )
    assert head.held_out is not None
    held_out = average_views(views, np.split(head.held_out, len(views)), ())
    return Refinement(extractor, mean, kind, head, mirror, pairs), held_out, features

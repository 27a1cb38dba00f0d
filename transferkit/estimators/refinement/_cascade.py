"""A closer look by ridge regressions, trained on squares around held-out predictions.

A model's own predictions on training rows would be better than those on new images; the predictions of the
model without the image's group are exact in closed form. If there are few images, each is cropped several
times around its true shape, moved, scaled and rotated at random, since held-out predictions of a few images
show too few errors to learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import average_views
from transferkit.estimators.refinement._network import Sample, moved_frames, true_frames
from transferkit.estimators.refinement._refinement import MARGIN, Floats, Refinement, views_around
from transferkit.extraction import Extraction, Features
from transferkit.heads import TrainingData
from transferkit.heads.cascade import CascadeHead
from transferkit.keypoints import Pairs, frames_around, mean_shape
from transferkit.tasks import Points
from transferkit.views import Crops

MIN_IMAGES = 10  # with fewer, there are too few errors to learn from
FEW_IMAGES = 300
_SQUARES = 300  # fewest squares to learn from, but not more than this number of copies of each image:
_MOST_COPIES = 8


def fit_cascade_round(
    extractor: Extraction,
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
    extractor : Extraction
        Extractor with the layers and grids of the closer look.
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
    found = views_around(frames_around(shapes, mean, MARGIN), mirror, pairs)
    learned = Sample(list(X), points, shapes, weight, groups)
    views = found + moved_views(learned, mean, mirror, pairs, random_state)
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
    held_out = average_views(found, np.split(head.held_out, len(views))[: len(found)], ())
    return Refinement(extractor, mean, kind, head, mirror, pairs), held_out, features


def n_copies(n_images: int) -> int:
    """Return the number of additional squares of each image; 0 if there are many images."""
    return 0 if n_images >= FEW_IMAGES else min(_MOST_COPIES, -(-_SQUARES // n_images) - 1)


def moved_views(
    sample: Sample, mean: Floats, mirror: bool, pairs: Pairs | None, random_state: int
) -> tuple[Crops, ...]:
    """Return views of randomly moved squares around true shapes."""
    generator = np.random.default_rng(random_state)
    frames = true_frames(sample, mean)
    moved = [moved_frames(frames, generator) for _ in range(n_copies(len(frames)))]
    return tuple(view for each in moved for view in views_around(each, mirror, pairs))

"""Look again at slightly moved squares, to see how much the result depends on the square.

A visible point is found at the same place in each of them; a hidden one moves with the square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import in_pixels
from transferkit.estimators.refinement._cascade import moved_views
from transferkit.estimators.refinement._network import Sample, frames_moved_by
from transferkit.estimators.refinement._refinement import MARGIN, Floats, Refinement, views_around
from transferkit.keypoints import frames_around

# Position x and y, scale and angle, each moved up and down by the standard deviation of training squares. All
# images use the same movements, so that the error of an image does not depend on others.
_MOVES = np.array(
    [[1.0, 1.0, 1.0, -1.0], [-1.0, 1.0, -1.0, 1.0], [1.0, -1.0, -1.0, 1.0], [-1.0, -1.0, 1.0, -1.0]]
)


def look_again(refinement: Refinement, X: Sequence[Any], shapes: Floats) -> list[Floats]:
    """Return the points (n, k, 2) in pixels found in moved squares, for each square and view."""
    frames = frames_around(shapes, refinement.mean, MARGIN)
    views = [
        view
        for moves in _MOVES
        for view in views_around(frames_moved_by(frames, moves), refinement.mirror, refinement.pairs)
    ]
    features = refinement.extractor.extract(X, views=tuple(views), on_error="raise")
    half = refinement.kind.half
    outputs = [refinement.head.predict(features.maps(view=view, half=half)) for view in views]
    return in_pixels(views, outputs)


def held_out_again(
    refinement: Refinement,
    shapes: Floats,
    points: Floats,
    weight: NDArray[np.float64],
    random_state: int,
) -> list[Floats]:
    """Return the held-out points of training images in the moved squares of their training.

    Empty unless the round was fitted on moved squares and has kept its held-out predictions. ``shapes`` are
    those of the look before; the other parameters are as for the fit.
    """
    held_out = getattr(refinement.head, "held_out", None)
    n_views = 2 if refinement.mirror else 1
    if held_out is None or len(held_out) <= n_views * len(points):
        return []
    sample = Sample([None] * len(points), points, shapes, weight, np.arange(len(points)))
    views = moved_views(sample, refinement.mean, refinement.mirror, refinement.pairs, random_state)
    return in_pixels(views, np.split(held_out, n_views + len(views))[n_views:])

"""Look again at squares that lie a little differently, to see how much the answer depends on that.

A point that is seen is found at the same place in each; one that is hidden goes where the square does.
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

# Place x and y, scale and angle, each moved up and down by the deviation of the squares of training. They are
# the same for each image, so that its error depends on no other.
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
    """Return what models without each training image find in the moved squares that they learned from.

    Empty unless the round was fitted to moved squares and has kept what it found. ``shapes`` are those of the
    look before; the others are as for the fit.
    """
    held_out = getattr(refinement.head, "held_out", None)
    n_views = 2 if refinement.mirror else 1
    if held_out is None or len(held_out) <= n_views * len(points):
        return []
    sample = Sample([None] * len(points), points, shapes, weight, np.arange(len(points)))
    views = moved_views(sample, refinement.mean, refinement.mirror, refinement.pairs, random_state)
    return in_pixels(views, np.split(held_out, n_views + len(views))[n_views:])

"""Which probe images tell a wrong file from rounding.

The square of a closer look is rounded to quarters of a pixel and of a degree. Where it lies halfway
between two, the last bit of a feature decides, and moves keypoints by a fraction of a pixel. Such an
image proves nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.keypoints import frames_around, frames_of_boxes
from transferkit.views import crops_of

_CLOSE = 0.005  # of a pixel or a degree; features differ by a tenth of that between runtimes


def certain(
    model: Any, probes: list[NDArray[np.uint8]], boxes: NDArray[np.float32] | None
) -> NDArray[np.bool_]:
    """Return for each image whether no square of it lies halfway between two; all if none is certain."""
    predictor, sure = model.predictor_, np.ones(len(probes), bool)
    if not predictor.refinements:
        return sure
    views = None if boxes is None else crops_of(predictor.views, frames_of_boxes(boxes, len(probes)))
    features = predictor.extractor.extract(probes, views=views or predictor.views, on_error="raise")
    points = predictor.outputs(features, views=views)
    for refinement in predictor.refinements:
        quarters = 4 * frames_around(points, refinement.mean, refinement.margin)
        sure &= (np.abs(quarters - np.floor(quarters) - 0.5) > 4 * _CLOSE).all(axis=1)
        points = refinement.predict(probes, points)
    return sure if sure.any() else ~sure

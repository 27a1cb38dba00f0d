"""Which probe images tell a wrong file from rounding.

The square of a closer look is rounded to quarters of a pixel and of a degree. Where it lies halfway
between two, the last bit of a feature decides, and moves keypoints by a fraction of a pixel. So it does where
an image is just so much in doubt that it is looked at again. Such an image proves nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.keypoints import frames_around, frames_of_boxes
from transferkit.views import crops_of

_CLOSE = 0.005  # of a pixel, a degree or a doubt; features differ by a tenth of that between runtimes


def certain(
    model: Any, probes: list[NDArray[np.uint8]], boxes: NDArray[np.float32] | None
) -> NDArray[np.bool_]:
    """Return for each image whether nothing about it is decided by rounding; all if none is certain."""
    predictor, sure = model.predictor_, np.ones(len(probes), bool)
    if not predictor.refinements and predictor.wide_look is None:
        return sure
    views = None if boxes is None else crops_of(predictor.views, frames_of_boxes(boxes, len(probes)))
    features = predictor.extractor.extract(probes, views=views or predictor.views, on_error="raise")
    found = predictor.first_look(probes, features, views=views)
    if (wide := predictor.wide_look) is not None:
        before = replace(predictor, wide_look=None).first_look(probes, features, views=views)
        doubt, later = wide.disagreement(before), wide.disagreement(found)
        better = (later < (1 - _CLOSE) * doubt) & _apart(wide.frames(np.mean(before, axis=0)))
        sure &= np.asarray(np.abs(doubt - wide.limit) > _CLOSE * wide.limit)
        sure &= np.asarray((doubt <= wide.limit) | better)
    points = np.mean(found, axis=0)
    for refinement in predictor.refinements:
        sure &= _apart(frames_around(points, refinement.mean, refinement.margin))
        points = refinement.predict(probes, points)
    return sure if sure.any() else ~sure


def _apart(frames: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each frame (n, 4) whether it lies far from halfway between two that are rounded."""
    quarters = 4 * frames
    apart = np.abs(quarters - np.floor(quarters) - 0.5) > 4 * _CLOSE
    return np.asarray(apart.all(axis=1))

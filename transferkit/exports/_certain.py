"""Select probe images on which rounding cannot be mistaken for a wrong file.

The square of a closer look is rounded to quarters of a pixel and of a degree. If it is halfway between two of
these, the last bit of a feature decides, and moves keypoints by a fraction of a pixel. The same holds if the
doubt about an image is just at the limit for another look. Such images prove nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.keypoints import frames_around, frames_of_boxes
from transferkit.views import crops_of

_CLOSE = 0.005  # pixels, degrees or units of doubt; differences between runtimes are a tenth of that


def certain(
    model: Any, probes: list[NDArray[np.uint8]], boxes: NDArray[np.float32] | None
) -> NDArray[np.bool_]:
    """Return True for images whose result rounding cannot change; True for all if there is no such image."""
    predictor, sure = model.predictor_, np.ones(len(probes), bool)
    if not predictor.refinements and predictor.wide_look is None:
        return sure
    views = None if boxes is None else crops_of(predictor.views, frames_of_boxes(boxes, len(probes)))
    features = predictor.extractor.extract(probes, views=views or predictor.views, on_error="raise")
    found = replace(predictor, wide_look=None).first_look(probes, features, views=views)
    if (wide := predictor.wide_look) is not None:
        sure &= _certain_of(wide, predictor, probes, found)
        found = wide.look(predictor, probes, found)
    points = np.mean(found, axis=0)
    for refinement in predictor.refinements:
        sure &= _apart(frames_around(points, refinement.mean, refinement.margin))
        points = refinement.predict(probes, points)
    return sure if sure.any() else ~sure


def _certain_of(
    wide: Any, predictor: Any, probes: list[NDArray[np.uint8]], found: list[NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Return True for images whose looks at wide squares rounding cannot change."""
    least = wide.disagreement(found)
    sure = np.asarray(np.abs(least - wide.limit) > _CLOSE * wide.limit)
    for _ in range(wide.most):
        doubtful = least > wide.limit
        sure &= ~doubtful | _apart(wide.frames(np.mean(found, axis=0)))
        found = wide.look_once(predictor, probes, found)
        doubt = wide.disagreement(found)
        close = (np.abs(doubt - least) < _CLOSE * least) | (np.abs(doubt - wide.limit) < _CLOSE * wide.limit)
        sure &= ~(doubtful & close)
        least = np.where(doubtful, np.minimum(doubt, least), least)
    return sure


def _apart(frames: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return for each frame (n, 4) whether it is far from halfway between two rounded ones."""
    quarters = 4 * frames
    apart = np.abs(quarters - np.floor(quarters) - 0.5) > 4 * _CLOSE
    return np.asarray(apart.all(axis=1))

"""``augment="auto"``: check whether mirror images make it impossible to learn the targets.

The mean of an image and its mirror image does not depend on left and right. So a class that depends on the
side cannot be learned from it, and nothing in the result would show why. Therefore a sample of the training
images is also used without mirroring, and held-out errors are compared row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._splitting import classes_apart, copies_together
from transferkit.foundation.maps import pool_to_grid
from transferkit.heads import TrainingData, held_out_gain, sample_rows
from transferkit.views import ORIGINAL

# Images of the sample: enough to detect the problem, few enough to take only seconds of the backbone.
_SAMPLE = 256
_FEWEST = 10  # rows; with fewer, a standard error is meaningless
_STANDARD_ERRORS = 2.0
_GRID = 7  # cells per side to which maps are averaged, if a network takes whole maps


def mirroring_hides(
    extractor: Any,
    items: Sequence[Any],
    features: Any,
    data: TrainingData,
    rows: NDArray[np.int64],
    report: Any,
) -> bool:
    """Return True if a linear model has clearly less error without mirror images than with them.

    Parameters
    ----------
    extractor : FeatureExtractor
    items : sequence of images
    features : Features
        Features of all images in the views with mirror images, as their mean or separately.
    data : TrainingData
        Data of the training rows, without maps.
    rows : ndarray of int, shape (n,)
        Positions of these rows among the images.
    report : ExtractionReport
        Report to which the additional work is added.
    """
    sample = sample_rows(data, _SAMPLE)
    chosen = rows[sample]
    n_groups = len(np.unique(data.groups[sample]))
    if min(len(sample), len({features.digests[row] for row in chosen})) < _FEWEST or n_groups < 2:
        return False
    part = data.take(sample)
    groups = copies_together(features, chosen, part.groups)
    groups, _ = classes_apart(features.digests, chosen, groups, part.task, part.targets)
    part = replace(part, groups=groups)
    each = [_pooled(features.maps(chosen, view)) for view in features.views]
    if ORIGINAL in features.views:
        plain = each[features.views.index(ORIGINAL)]
    else:
        again = extractor.extract([items[row] for row in chosen], views=(ORIGINAL,))
        report.add_work(again.report)
        plain = _pooled(again.maps())
    mirrored = each[0] if len(each) == 1 else [sum(views) / len(each) for views in zip(*each, strict=True)]
    gain, error = held_out_gain(replace(part, maps=mirrored), replace(part, maps=plain))
    return gain > _STANDARD_ERRORS * error


def _pooled(maps: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return [pool_to_grid(array, _GRID) for array in maps]

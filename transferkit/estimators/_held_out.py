"""Outputs for training rows by models that have not seen them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._splitting import copies_together
from transferkit.estimators.predictor import average_views
from transferkit.heads import FittedHead
from transferkit.tasks import label_folds

N_FOLDS = 5


def held_out_outputs(
    train: Callable[[Any], FittedHead],
    fitted: FittedHead,
    features: Any,
    data: Any,
    *,
    half: bool,
    seed: int,
) -> NDArray[np.float64]:
    """Return logits (n, n_labels) for the rows of a ``TrainingSet``, averaged over the views.

    A linear head has them already, exactly. Any other is trained anew, by ``train``, for each of five folds,
    which keep the shares of the labels.
    """
    views = data.views
    logits = getattr(fitted, "held_out_logits", None)
    if logits is not None:
        return average_views(views, np.split(logits, len(views)))
    groups = copies_together(features, data.rows, data.groups)
    n_folds = min(N_FOLDS, len(np.unique(groups)))
    folds = label_folds(data.targets[0], groups, n_folds, seed)
    outputs = np.empty(data.targets[0].shape)
    for fold in range(n_folds):
        rest, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        part = replace(
            data,
            rows=data.rows[rest],
            targets=[targets[rest] for targets in data.targets],
            groups=groups[rest],
            weight=data.weight[rest],
        )
        head = train(part)
        seen = [head.predict(features.maps(data.rows[held], view, half=half)) for view in views]
        outputs[held] = average_views(views, seen)
    return outputs

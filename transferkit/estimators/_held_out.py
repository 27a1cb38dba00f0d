"""Outputs for training rows by models that have not learned from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.decisions import HeldOut
from transferkit.estimators._splitting import (
    classes_apart,
    copies_together,
    shared_groups,
    warn_of_classes_apart,
)
from transferkit.estimators.predictor import average_views
from transferkit.heads import FittedHead, outputs_of
from transferkit.tasks import label_folds

N_FOLDS = 5


def remember_held_out(
    predictor: Any, features: Any, data: Any, weight: NDArray[np.float64], held: NDArray[np.int64]
) -> Any:
    """Return the predictor with held-out logits of training images.

    Parameters
    ----------
    predictor : Predictor
    features : Features
    data : TrainingSet
    weight : ndarray of float64, shape (n,)
        The user's weights of these rows.
    held : ndarray of int
        Rows that the head has not learned from.
    """
    logits = getattr(predictor.head, "held_out_logits", None)
    rows = held if logits is None else np.arange(len(data.rows))
    if not len(rows):
        return predictor
    if logits is None:
        logits = predictor.outputs(features, data.rows[rows])
    else:
        logits = average_views(data.views, np.split(logits, len(data.views)))
    # Twenty copies of an image must count as a single image in guarantees.
    groups = shared_groups(features.digests, data.rows, data.groups)
    held_out = HeldOut.of(logits, data.targets[0][rows], weight[rows], groups[rows])
    return replace(predictor, held_out=held_out)


def held_out_outputs(
    train: Callable[[Any], FittedHead],
    fitted: FittedHead,
    features: Any,
    data: Any,
    *,
    half: bool,
    seed: int,
    task: Any,
) -> NDArray[np.float64]:
    """Return held-out logits (n, n_outputs) for the rows of a ``TrainingSet``, averaged over the views.

    A linear head already has exact ones. Any other head is retrained, by ``train``, for each of five folds,
    which are stratified by class or label.
    """
    views = data.views
    logits = getattr(fitted, "held_out_logits", None)
    if logits is not None:
        return average_views(views, np.split(logits, len(views)))
    groups = copies_together(features, data.rows, data.groups)
    groups, apart = classes_apart(features.digests, data.rows, groups, task, data.targets[0])
    warn_of_classes_apart(apart)
    n_folds = min(N_FOLDS, len(np.unique(groups)))
    indicator = data.targets[0].reshape(len(data.rows), -1)
    folds = label_folds(indicator, groups, n_folds, seed)
    outputs = np.empty((len(data.rows), fitted.n_outputs))
    for fold in range(n_folds):
        rest, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        part = replace(
            data,
            rows=data.rows[rest],
            targets=[targets[rest] for targets in data.targets],
            groups=copies_together(features, data.rows[rest], groups[rest]),  # only one group may be left
            weight=data.weight[rest],
        )
        head = train(part)
        seen = [
            outputs_of(head, features.maps(data.rows[held], view, half=half), fitted.n_outputs)
            for view in views
        ]
        outputs[held] = average_views(views, seen)
    return outputs

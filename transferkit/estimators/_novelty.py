"""Novelty: images as vectors, to be compared with the training images of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.decisions import MOST_ROWS, Novelty
from transferkit.errors import InvalidInputError
from transferkit.estimators._splitting import shared_groups

_ROWS = 128  # rows read at a time, which limits the memory for maps


def fit_novelty(features: Any, data: Any, seed: int) -> Novelty | None:
    """Return the novelty model of the images of a ``TrainingSet``; of very many, of a random sample."""
    groups = shared_groups(features.digests, data.rows, data.groups)
    chosen = np.arange(len(data.rows))
    if len(chosen) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(chosen))[:MOST_ROWS])
    return Novelty.fit(vectors_of(features, data.rows[chosen], data.views[0]), groups[chosen])


def novelty_of(predictor: Any, features: Any) -> NDArray[np.float64]:
    """Return the novelty of readable images; raise if the model does not know its training images."""
    if predictor.novelty is None:
        raise InvalidInputError(
            "novelty needs eight training images or more, of two groups that are not the same picture, and "
            "was not saved by earlier versions. Train again, with more images."
        )
    view = None if predictor.extractor is None else features.views[0]
    vectors = vectors_of(features, np.flatnonzero(features.ok), view)
    score: NDArray[np.float64] = predictor.novelty.score(vectors)
    return score


def vectors_of(features: Any, rows: NDArray[np.int64], view: Any) -> NDArray[np.float32]:
    """Return one vector for each image (n, d): the last layer, averaged over its cells."""
    blocks = []
    for block in np.array_split(np.arange(len(rows)), max(1, -(-len(rows) // _ROWS))):
        last = features.maps(rows[block], view)[-1]
        blocks.append(last.reshape(len(last), -1, last.shape[-1]).mean(axis=1) if last.ndim == 4 else last)
    return np.concatenate(blocks)

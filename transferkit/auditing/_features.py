"""Features of all images, with the extractor and cache of the estimator that would learn from them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._data import Data
from transferkit.cache import FeatureCache
from transferkit.errors import InvalidInputError
from transferkit.estimators import Classifier
from transferkit.extraction import FeatureExtractor, Features
from transferkit.images import array_ranges

_FEW_CHANNELS = 64  # averaged over the cells of a map, fewer would describe nothing
_BLOCK = 512  # rows at a time


def make_estimator(
    data: Data, backbone: Any, weights: str | os.PathLike[str] | None, image_size: int | None, extractor: Any
) -> Classifier:
    """Return the classifier that would learn from these images; without classes, one on the last layer."""
    taps: dict[str, Any] = {} if data.kind == "classes" else {"layers": "last", "grid": 1}
    return Classifier(backbone, weights=weights, image_size=image_size, extractor=extractor, **taps)


def plan(data: Data, estimator: Classifier) -> tuple[FeatureExtractor, Any]:
    """Return the extractor and the views; raise for parameters that cannot be used."""
    y = data.labels[: data.n_train] if data.kind == "classes" else [0, 1]
    planned = estimator.plan_extraction(y)
    if planned is None:
        raise InvalidInputError(
            "backbone must be one that sees images, which an audit looks at. Got 'precomputed', which stands "
            "for features. Pass the name of a backbone."
        )
    extractor, views = planned
    if extractor.value_range is None:
        extractor.settle_ranges(array_ranges(data.items, extractor.channels))
    return extractor, views


def one_vector(features: Features) -> NDArray[np.float32]:
    """Return one vector of each readable image: the last layer, averaged over its cells and views."""
    place = features.layers.index("last") if "last" in features.layers else len(features.layers) - 1
    only = replace(
        features,
        layers=features.layers[place : place + 1],
        parts=features.parts[place : place + 1],
        shapes=features.shapes[place : place + 1],
    )
    rows = np.flatnonzero(features.ok)
    blocks = []
    for i in range(0, len(rows), _BLOCK):
        maps = np.mean([only.maps(rows[i : i + _BLOCK], view)[0] for view in only.views], axis=0)
        many = maps.ndim == 4 and maps.shape[-1] >= _FEW_CHANNELS
        blocks.append(maps.mean(axis=(1, 2)) if many else maps.reshape(len(maps), -1))
    return np.concatenate(blocks).astype(np.float32)


@contextlib.contextmanager
def some_cache(estimator: Classifier) -> Iterator[None]:
    """Lend a cache to an estimator that has none, since its features are read several times."""
    if estimator._run_settings()["cache"] is not False:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="transferkit-", ignore_cleanup_errors=True) as folder:
        estimator.set_params(extractor__cache=FeatureCache(folder))
        yield

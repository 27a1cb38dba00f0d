"""Split off held-out images before the fit of an estimator, for fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from transferkit.backbones import noted_trained_on
from transferkit.errors import InvalidInputError
from transferkit.estimators._copies import content_keys
from transferkit.estimators._given import Given, check_given
from transferkit.estimators._splitting import as_seed, shared_groups, split_rows
from transferkit.extraction import is_precomputed
from transferkit.foundation.arguments import LARGEST_SEED
from transferkit.views import crops_of

Rows = NDArray[np.int64]
_DRAWS = 20  # most splits to try until the held-out images contain all classes


@dataclass(frozen=True, eq=False)
class HeldOutImages:
    """The checked arguments of ``fit``, and its held-out images.

    Attributes
    ----------
    given : Given
        Images, targets and weights, checked as by ``fit``.
    digests : tuple of str or None
        Content digests of the images.
    readable : ndarray of bool, shape (n,)
        Images that can be read and have a weight above 0.
    sizes : ndarray of int, shape (n, 2)
        Width and height; 0 for images that cannot be read.
    train, held : ndarray of int
        Positions of the training images and of the held-out images.
    """

    given: Given
    digests: tuple[Any, ...]
    readable: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    train: Rows
    held: Rows


def hold_out_images(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    sample_weight: Any = None,
    boxes: Any = None,
    fraction: float,
) -> HeldOutImages:
    """Return images and targets, split as for a network head, without dividing groups.

    Features of the frozen backbone are extracted on the way; a later fit finds them in the cache.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used, or there are too few images to hold some out.
    """
    twin = clone(estimator)
    if is_precomputed(twin.backbone):
        raise InvalidInputError("backbone='precomputed' has no network to train. Pass images.")
    given = check_given(twin, X, y, groups, sample_weight, boxes=boxes)
    items, targets, weight, frames = given.items, given.targets, given.weight, given.frames
    extractor: Any = given.extractor
    views = twin._views(given.head, targets)
    looks: Any = views if frames is None else crops_of(views, frames)
    features = extractor.extract(items, views=looks, on_error=extractor.on_error or "skip")
    readable = features.ok & (weight > 0)
    rows = np.flatnonzero(readable)
    known = noted_trained_on(extractor.settings().weights.path)
    if n_known := int(np.isin(content_keys(features.digests, rows), known).sum()):
        raise InvalidInputError(
            f"weights must not know the images: they were fine-tuned on {n_known} of these {len(rows)}, so "
            "that none could be held out. Start from the weights before, with all images, or leave these out."
        )
    task: Any = given.meaning.make_task(given.y, targets, features, rows)
    encoded = targets[rows].reshape(len(rows), -1) if task.regression else task.encode(targets[rows])
    together = shared_groups(features.digests, rows, given.groups[rows])
    seed = as_seed(twin.random_state)
    for draw in range(_DRAWS):
        train, held = split_rows(task, encoded, together, fraction, (seed + draw) % LARGEST_SEED)
        if len(held) and _shows_all(task, encoded[held]):
            break
    else:
        n_groups = len(np.unique(together))
        raise InvalidInputError(
            f"X must have images to hold out, of all classes or labels: {round(1 / fraction)} different "
            f"images or groups, and as many of each. Got {len(rows)} images in {n_groups} groups. Pass more "
            "images, or a larger validation_fraction."
        )
    sizes = np.zeros((len(items), 2), np.int64)
    sizes[features.ok] = features.sizes(np.flatnonzero(features.ok))
    return HeldOutImages(given, features.digests, readable, sizes, rows[train], rows[held])


def _shows_all(task: Any, held: NDArray[Any]) -> bool:
    """Return whether held-out targets contain every class, or images with and without each label."""
    if task.kind == "classes":
        return len(np.unique(held)) == len(task.labels)
    return task.kind != "labels" or bool(np.ptp(held, axis=0).all())

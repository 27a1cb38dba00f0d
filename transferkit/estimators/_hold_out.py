"""Which images are held out of a training that goes on beyond an estimator: the split before its fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from transferkit.errors import InvalidInputError, gather
from transferkit.estimators._splitting import as_seed, copies_together, split_rows
from transferkit.foundation.arguments import check
from transferkit.heads import Head
from transferkit.keypoints import frames_of_boxes
from transferkit.tasks import as_groups, as_weights, check_lengths
from transferkit.views import crops_of

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOutImages:
    """Images and targets, checked as ``fit`` does, and which of them are held out.

    Attributes
    ----------
    items : list of images
    y : array-like
    targets : ndarray
        Checked: labels, 0 and 1 (n, n_labels), numbers, or points (n, k, 2).
    head : Head
        What ``fit`` would train.
    digests : tuple of str or None
    readable : ndarray of bool, shape (n,)
        Which can be read, and have a weight above 0.
    weight : ndarray of float64, shape (n,)
    sizes : ndarray of int, shape (n, 2)
        Width and height; 0 where an image cannot be read.
    frames : ndarray, shape (n, 4), or None
        Squares around the boxes.
    train, held : ndarray of int
        Positions of readable images.
    """

    items: list[Any]
    y: Any
    targets: NDArray[Any]
    head: Head
    digests: tuple[Any, ...]
    readable: NDArray[np.bool_]
    weight: NDArray[np.float64]
    sizes: NDArray[np.int64]
    frames: NDArray[np.float64] | None
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
    """Return images and targets of a fit to come, split as a network head would: groups stay whole.

    Features of the frozen backbone are extracted, which the fit finds in the cache.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used, or there are too few images to hold some out.
    """
    twin, problems = clone(estimator), []  # type: ignore[var-annotated]
    X, y = twin._gather(X, y, problems)
    items, head, extractor = twin._plan(X, problems)
    if extractor is None:
        raise InvalidInputError("backbone='precomputed' has no network to train. Pass images.")
    targets = twin._read_targets(y, problems)
    check_lengths(len(items), targets, problems, unit=twin._unit)
    numbers = as_groups(groups, len(targets), problems)
    weight = as_weights(sample_weight, len(items), problems)
    problems += [] if problems else twin._target_problems(y, targets)
    frames = None if boxes is None else gather(problems, lambda: frames_of_boxes(boxes, len(items)))
    check(problems)
    views = twin._views(head, targets)
    looks: Any = views if frames is None else crops_of(views, frames)
    features = extractor.extract(items, views=looks, on_error=extractor.on_error or "skip")
    readable = features.ok & (weight > 0)
    rows = np.flatnonzero(readable)
    task = twin._make_task(y, targets, features, rows)
    encoded = targets[rows].reshape(len(rows), -1) if task.regression else task.encode(targets[rows])
    together = copies_together(features, rows, numbers[rows])
    train, held = split_rows(task, encoded, together, fraction, as_seed(twin.random_state))
    if not len(held):
        n_groups = len(np.unique(together))
        raise InvalidInputError(
            f"X must have images to hold out: {round(1 / fraction)} different images or groups, and as many "
            f"of each class. Got {len(rows)} images in {n_groups} groups. Pass more images, or a larger "
            "validation_fraction."
        )
    sizes = np.zeros((len(items), 2), np.int64)
    sizes[features.ok] = features.sizes(np.flatnonzero(features.ok))
    return HeldOutImages(
        items, y, targets, head, features.digests, readable, weight, sizes, frames, rows[train], rows[held]
    )

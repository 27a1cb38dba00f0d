"""Weights of images: how much the error of each counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_RATIO = 1e12


def as_weights(
    sample_weight: Any, n_images: int, problems: list[str], name: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return the weight of each image, at most 1; add any problems to the list."""
    equal = np.ones(n_images)
    if sample_weight is None:
        return equal
    expected = f"{name} must have one number for each image, 0 or more"
    if np.ma.is_masked(sample_weight):
        problems.append(f"{expected}, and none masked. Give an image that should not count the weight 0.")
        return equal
    try:
        given = np.asarray(sample_weight)
        if given.dtype.kind not in "biufO" or any(isinstance(value, str | bytes) for value in given.flat):
            raise TypeError(f"their type is {given.dtype}")
        weight = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        problems.append(f"{expected}: {error}. Pass an array of numbers, or leave it out.")
        return equal
    fine = np.isfinite(weight) & (weight >= 0)
    positive = weight[weight > 0]
    if weight.shape != (n_images,):
        # scikit-learn's tests look for the words "sample_weight.shape ==".
        whose = "X" if name == "sample_weight" else "its X"
        problems.append(
            f"{expected}. Got sample_weight.shape == {weight.shape} but {whose} has {n_images} images."
        )
    elif not fine.all():
        row = int(np.argmin(fine))
        problems.append(f"{expected}. Got {weight[row]} in row {row}. An image of weight 0 does not count.")
    elif not len(positive):
        problems.append(f"{expected}, and not 0 for all. Got {n_images} zeros. Leave it out for equal ones.")
    elif positive.max() > _LARGEST_RATIO * positive.min():
        problems.append(
            f"{expected}, those above 0 within a factor of {_LARGEST_RATIO:.0e}. Got {positive.min()} and "
            f"{positive.max()}. An image of weight 0 does not count."
        )
    else:
        return np.asarray(weight / positive.max())
    return equal


def class_weights(
    class_weight: Mapping[Any, float] | str, labels: NDArray[Any], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weight (n,) of each image, combined from its own weight and that of its class."""
    classes, which = np.unique(labels, return_inverse=True)
    if isinstance(class_weight, str):  # "balanced": a row of weight 2 counts as two
        shares = weight.sum() / (len(classes) * np.bincount(which, weight))
    else:
        shares = np.array([class_weight[label] for label in classes.tolist()])
    weights: NDArray[np.float64] = weight * shares[which]
    return weights


def label_weights(
    class_weight: Mapping[Any, float] | str,
    names: NDArray[Any],
    indicator: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the weights (2, n_labels) of images without and with each label.

    Over the images, the weights of each label have mean 1, so that all labels count the same.
    """
    present = weight @ indicator
    counts = np.stack([weight.sum() - present, present])
    if isinstance(class_weight, str):  # "balanced"
        table = 1 / np.maximum(counts, np.finfo(float).tiny)
    else:
        table = np.stack([np.ones(len(names)), [float(class_weight[label]) for label in names.tolist()]])
    shares: NDArray[np.float64] = table * (weight.sum() / (table * counts).sum(axis=0))
    return shares

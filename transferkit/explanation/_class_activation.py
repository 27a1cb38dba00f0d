"""Class activation: the contribution of each place of an image to the score of a class, for linear heads.

The score of a linear head is ``intercept + sum of weight * feature`` over layers, cells and channels. All
transformations of features in the fit (centring, levelling, reduction, calibration) are part of the weights
and the intercept. So the sum over the channels of a cell is exactly the contribution of that cell. For a
global average and a dense layer this is class activation mapping (Zhou et al. 2016, "Learning deep features
for discriminative localization", CVPR).

If a row is the mean of several views, each view is treated separately: the contribution of a cell of a
mirrored or rotated square is assigned to the place of the image that it shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit import images
from transferkit.errors import InvalidInputError
from transferkit.heads.linear import FittedLinear
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, Square, View

Floats = NDArray[np.float64]
_FINE = 16  # points along a side of a cell by which it is located in the image


@dataclass(frozen=True)
class ClassActivation:
    """Contributions to the score of a class for one image; they add up to the score.

    Attributes
    ----------
    label : object
        The class.
    score : float
        Its logit: ``intercept`` plus the sum of all maps. With two classes, the logit of the first one is
        minus that of the second.
    intercept : float
        Part of the score that does not depend on the image; with reference images, their mean score.
    layers : tuple of str
        Layers that the head uses.
    maps : tuple of ndarray of float64, each (h, w)
        Contribution of each cell of the grid of each layer, at its place in the image. Grids differ between
        layers.
    picture : ndarray of uint8, shape (height, width, 3)
        The upright image; with ``resize="pad"``, the square that the backbone saw.
    """

    label: Any
    score: float
    intercept: float
    layers: tuple[str, ...]
    maps: tuple[Floats, ...]
    picture: NDArray[np.uint8]

    def total(self) -> Floats:
        """Return the sum over all layers, (h, w), on the coarsest grid that refines the grids of all."""
        height, width = (math.lcm(*(array.shape[axis] for array in self.maps)) for axis in (0, 1))
        total = np.zeros((height, width))
        for array in self.maps:
            block = np.ones((height // array.shape[0], width // array.shape[1]))
            total += np.kron(array, block / block.size)
        return total


def explain(predictor: Any, image: Any, label: Any, reference: Any, head: Any) -> ClassActivation:
    """Explain the score of one image; see ``Classifier.class_activation``."""
    items = _check(predictor, image, head)
    task, extractor, fitted = predictor.task, predictor.extractor, predictor.head
    if label is None:
        label = task.likeliest(predictor.outputs(extractor.extract(items, views=predictor.views)))[0]
    if label not in (classes := task.labels.tolist()):
        raise InvalidInputError(f"label must be one of {classes}. Got {label!r}.")
    column, sign = task.column_of(label)
    weights = sign * fitted.weights[:, column].astype(np.float64)
    maps = [array[0] for array in _parts(predictor, items, weights)]
    intercept = float(sign * fitted.intercept[column])
    score = intercept + sum(float(array.sum()) for array in maps)
    if reference is not None:
        usual = [array.mean(axis=0) for array in _parts(predictor, reference, weights)]
        maps = [array - other for array, other in zip(maps, usual, strict=True)]
        intercept += sum(float(other.sum()) for other in usual)
    used = [i for i, array in enumerate(maps) if array.any()] or [len(maps) - 1]
    picture = extractor.reader().load(items[0]).pixels
    if extractor.resize == "pad":
        picture = images.resize_image(picture, max(picture.shape[:2]), resize="pad")
    return ClassActivation(
        task.labels[classes.index(label)],
        score,
        intercept,
        tuple(extractor.layers_[i] for i in used),
        tuple(maps[i] for i in used),
        picture,
    )


def _check(predictor: Any, image: Any, head: Any) -> Sequence[Any]:
    """Return the image in a list; raise if an exact explanation is not possible."""
    if not isinstance(predictor.head, FittedLinear):
        raise InvalidInputError(
            f"class_activation is exact for linear heads only: head='auto' or 'linear'. Got {head!r}."
        )
    if predictor.extractor is None:
        raise InvalidInputError("backbone='precomputed' has no images. Fit on images instead.")
    items = images.as_image_list(image)
    if len(items) != 1:
        raise InvalidInputError(f"class_activation takes one image. Got {len(items)}.")
    return items


def _parts(predictor: Any, items: Any, weights: Floats) -> list[Floats]:
    """Return the contribution of each cell to the scores of images, one array (n, h, w) per layer."""
    (view,) = predictor.views
    singles = _views_in(view)
    features = predictor.extractor.extract(items, views=(view, *singles))
    found, start = [], 0
    for i, array in enumerate(features.maps()):
        width = array[0].size
        of_layer, start = weights[start : start + width], start + width
        whole = _add_up(array, of_layer)
        shares = [_add_up(features.maps(view=one)[i], of_layer) / len(singles) for one in singles]
        # The mean that the head is given was rounded separately.
        rounding = (whole - sum(shares)) / len(singles)
        placed = [
            (share + rounding).reshape(len(array), -1) @ _places(one.squares[0], whole.shape[1:])
            for share, one in zip(shares, singles, strict=True)
        ]
        found.append(np.sum(placed, axis=0).reshape(whole.shape))
    return found


def _views_in(view: View) -> tuple[View, ...]:
    """Return the views that a view is the mean of."""
    return next((AUGMENTATIONS[name] for name, mean in MEANS.items() if mean == view), (ORIGINAL,))


def _add_up(array: NDArray[np.float32], weights: Floats) -> Floats:
    """Return the sum of weight times feature over the channels of each cell, (n, h, w)."""
    cells = array if array.ndim == 4 else array[:, None, None]  # a vector is one cell
    sums: Floats = np.einsum("nhwc,hwc->nhw", cells.astype(np.float64), weights.reshape(cells.shape[1:]))
    return sums


def _places(square: Square, shape: tuple[int, ...]) -> Floats:
    """Return the shares (h w, h w) of each cell of a square that lie in each cell of the whole image."""
    height, width = shape
    y, x = np.meshgrid(
        (np.arange(height * _FINE) + 0.5) / (height * _FINE),
        (np.arange(width * _FINE) + 0.5) / (width * _FINE),
        indexing="ij",
    )
    cells = np.array([width, height])

    def number(points: Floats) -> NDArray[np.int64]:
        column, row = np.clip((points * cells).astype(np.int64), 0, cells - 1).T
        return row * width + column

    points = np.stack([x.ravel(), y.ravel()], axis=1)
    shares = np.zeros((height * width, height * width))
    np.add.at(shares, (number(points), number(square.to_whole(points))), 1 / _FINE**2)
    return shares

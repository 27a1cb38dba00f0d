"""The arguments of ``fit``, checked before anything is extracted; all problems are raised together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError, gather
from transferkit.estimators._precomputed import PrecomputedFeatures
from transferkit.estimators._splitting import ValidationData, as_validation_data, naming_validation_data
from transferkit.estimators._subjects import NO_BOXES
from transferkit.estimators._targets import Targets
from transferkit.extraction import FeatureExtractor
from transferkit.foundation.arguments import check
from transferkit.heads import Head
from transferkit.keypoints import frames_of_boxes
from transferkit.tasks import as_groups, as_weights, check_lengths
from transferkit.views import View, crops_of


@dataclass(frozen=True, eq=False)
class Given:
    """Checked arguments of ``fit``.

    Attributes
    ----------
    items : list of images
        Empty if X holds features.
    y : array-like
    head : Head
        The head to train.
    extractor : FeatureExtractor or None
        None if X holds features, which are ``arrays``.
    arrays : PrecomputedFeatures or None
    meaning : Targets
        The meaning of ``y``.
    targets : ndarray
        Targets of all images: labels, 0 and 1 (n, n_labels), numbers, or points (n, k, 2).
    groups : ndarray of int, shape (n,)
    weight : ndarray of float64, shape (n,)
        The user's ``sample_weight``.
    validation : ValidationData or None
        The user's validation data.
    frames : ndarray, shape (n, 4), or None
        Squares around the boxes.
    has_groups : bool
        Whether ``groups`` were passed; without, each image is a group.
    """

    items: list[Any]
    y: Any
    head: Head
    extractor: FeatureExtractor | None
    arrays: PrecomputedFeatures | None
    meaning: Targets
    targets: NDArray[Any]
    groups: NDArray[np.int64]
    weight: NDArray[np.float64]
    validation: ValidationData | None
    frames: NDArray[np.float64] | None
    has_groups: bool

    def weights(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weights of rows, including those of their classes."""
        weight = self.weight[rows]
        return self.meaning.weights(self.targets[rows], weight / weight.mean())

    def validation_images(self, views: tuple[View, ...]) -> ValidationData | None:
        """Return the user's validation data as a list of images with labels, and the views of each."""
        validation = self.validation
        if validation is None or self.extractor is None:
            return validation
        with naming_validation_data():
            X, y = labelled_images(validation.X, validation.y)
            frames = None if self.frames is None else frames_of_boxes(validation.boxes, len(X))
        return validation._replace(X=X, y=y, views=views if frames is None else crops_of(views, frames))


def check_given(
    estimator: Any,
    X: Any,
    y: Any,
    groups: Any = None,
    sample_weight: Any = None,
    validation_data: Any = None,
    boxes: Any = None,
) -> Given:
    """Return the checked arguments of an estimator's ``fit``.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used.
    """
    problems: list[str] = []
    X, y = estimator._gather(X, y, problems)
    items, head, extractor = estimator._plan(X, problems)
    if y is None and extractor is not None and not items:
        raise InvalidInputError(*problems)  # the images would have provided the labels
    arrays = None
    if extractor is None:
        items = []
        arrays, y = estimator._read_arrays(X, y, fitting=True)
    meaning = estimator._targets()
    targets = meaning.read(y, problems)
    n = len(items) if arrays is None else len(arrays.ok)
    check_lengths(n, targets, problems, unit=meaning.unit)
    numbers = as_groups(groups, len(targets), problems)
    weight = as_weights(sample_weight, n or len(targets), problems)
    problems += [] if problems else meaning.problems(y, targets)
    validation = as_validation_data(validation_data, problems, boxed=boxes is not None)
    frames = None
    if boxes is not None and arrays is None:
        frames = gather(problems, lambda: frames_of_boxes(boxes, n))
    elif boxes is not None:
        problems.append(NO_BOXES)
    check(problems)
    return Given(
        items, y, head, extractor, arrays, meaning, targets, numbers, weight, validation, frames,
        groups is not None,
    )  # fmt: skip

"""``Predictor``: the state of a fitted model, from features to predictions, without scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.heads import FittedHead, outputs_of
from transferkit.tasks import Points, Task
from transferkit.views import AnyView, View

Floats = NDArray[np.float64]
_FEW = 4  # images whose views are predicted together


@dataclass(frozen=True)
class Predictor:
    """Everything that a fitted estimator needs to predict.

    Attributes
    ----------
    extractor : FeatureExtractor or None
        None if X holds features.
    views : tuple of View
        Views of each whole image.
    head : FittedHead
    task : Task
    half : bool
        Whether the head takes maps in half precision.
    wide_look : WideLook or None
        Condition for repeating the first look at keypoints; None if it is never repeated.
    refinements : tuple of Refinement
        Closer looks at keypoints, in order.
    expected_error : ExpectedError or None
        Model of the expected error of keypoints; None if it is unknown.
    held_out : HeldOut or None
        For classes and labels: logits of training images by models that had not seen them.
    novelty : Novelty or None
        Training images to compare new ones with.
    training : TrainingRecord or None
        Record of the training data.
    fine_tuning : FineTuning or None
        Record of the fine-tuning of the backbone, if any.
    """

    extractor: Any
    views: tuple[View, ...]
    head: FittedHead
    task: Task
    half: bool = False
    wide_look: Any = None
    refinements: tuple[Any, ...] = ()
    expected_error: Any = None
    held_out: Any = None
    novelty: Any = None
    training: Any = None
    fine_tuning: Any = None

    def outputs(
        self,
        features: Any,
        rows: NDArray[np.int64] | None = None,
        views: Sequence[AnyView] | None = None,
    ) -> Floats:
        """Return the mean output over the views: logits or values (n, k), or points (n, k, 2) in pixels.

        Parameters
        ----------
        features : Features or PrecomputedFeatures
        rows : ndarray of int, optional
            By default all images that can be read.
        views : sequence of View or Crops, optional
            Views that the features are of, if not those of whole images.
        """
        views = self.views if views is None else views
        outputs = self._of_each(features, rows, views)
        if self.extractor is None or not isinstance(self.task, Points):
            return average_views(views, outputs)
        looks, place = self.place(features, rows, views)
        return average_views(looks, outputs, place)

    def first_look(
        self,
        items: Sequence[Any],
        features: Any,
        rows: NDArray[np.int64] | None = None,
        views: Sequence[AnyView] | None = None,
    ) -> list[Floats]:
        """Return the points (n, k, 2) in pixels found in each view, before any closer look.

        ``items`` are the images of the rows; the others are as for ``outputs``.
        """
        views = self.views if views is None else views
        looks, place = self.place(features, rows, views)
        found = in_pixels(looks, self._of_each(features, rows, views), place)
        return found if self.wide_look is None else self.wide_look.look(self, items, found)

    def _of_each(
        self, features: Any, rows: NDArray[np.int64] | None, views: Sequence[AnyView]
    ) -> list[Floats]:
        return outputs_of_views(self.head, features, views, self.task.n_outputs, rows, half=self.half)

    def place(
        self, features: Any, rows: NDArray[np.int64] | None, views: Sequence[AnyView]
    ) -> tuple[list[AnyView], tuple[Any, ...]]:
        """Return the views of these rows, and the arguments that map points of their squares to pixels."""
        chosen = np.flatnonzero(features.ok) if rows is None else rows
        sizes = features.sizes(rows)
        return [view.of(chosen) for view in views], (sizes, self.extractor.image_size_, self.extractor.resize)

    def find(self, items: Sequence[Any], features: Any, views: Sequence[AnyView] | None = None) -> Floats:
        """Return the points (n, k, 2) in pixels after all looks; every image must be readable."""
        points: Floats = np.mean(self.first_look(items, features, None, views), axis=0)
        for refinement in self.refinements:
            points = refinement.predict(items, points)
        return points


def outputs_of_views(
    head: FittedHead,
    features: Any,
    views: Sequence[AnyView],
    n_outputs: int,
    rows: NDArray[np.int64] | None = None,
    *,
    half: bool,
) -> list[Floats]:
    """Return the outputs (n, n_outputs) of a head for each view.

    The views of a few images are predicted together, so that the weights of the head are read only once.
    """
    n = int(features.ok.sum()) if rows is None else len(rows)
    if len(views) > 1 and 0 < n <= _FEW:
        together = outputs_of(head, features.maps(rows, tuple(views), half=half), n_outputs)
        return np.split(together, len(views))
    return [outputs_of(head, features.maps(rows, view, half=half), n_outputs) for view in views]


def average_views(
    views: Sequence[AnyView], outputs: Sequence[Floats], place: tuple[Any, ...] | None = None
) -> Floats:
    """Return the mean of the outputs of a head for several views of the same images.

    Parameters
    ----------
    views : sequence of View or Crops
    outputs : sequence of ndarray, shape (n, k)
        One for each view.
    place : tuple, optional
        If passed, outputs are points as fractions of the square of each view, which are mapped to pixels of
        the images first. Contains sizes (n, 2), image size and resize policy for views of whole images; empty
        for crops.
    """
    if place is not None:
        outputs = in_pixels(views, outputs, place)
    mean: Floats = np.mean(outputs, axis=0)
    return mean


def in_pixels(
    views: Sequence[AnyView], outputs: Sequence[Floats], place: tuple[Any, ...] = ()
) -> list[Floats]:
    """Return points (n, k, 2) in pixels of the images for each view; see ``average_views``."""
    return [
        view.from_square(output.reshape(len(output), -1, 2), *place)
        for view, output in zip(views, outputs, strict=True)
    ]

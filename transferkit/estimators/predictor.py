"""A fitted model: from features to an answer. No scikit-learn, no files."""

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


@dataclass(frozen=True)
class Predictor:
    """All that a fitted estimator needs to answer.

    Attributes
    ----------
    extractor : FeatureExtractor or None
        None where X holds features.
    views : tuple of View
        Of each whole image.
    head : FittedHead
    task : Task
    half : bool
        Whether the head takes maps in half precision.
    wide_look : WideLook or None
        Whether the first look at keypoints looks again where it is in doubt.
    refinements : tuple of Refinement
        Closer looks at keypoints, one after the other.
    expected_error : ExpectedError or None
        How far keypoints may be from the truth; None where nothing is known.
    held_out : HeldOut or None
        Of classes and labels: what models that had not seen them say of training images.
    novelty : Novelty or None
        How unlike the training images an image is.
    training : TrainingRecord or None
        What the fit was given, for people to read.
    fine_tuning : FineTuning or None
        What was done to the backbone, where it was fine-tuned.
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
            What the features are of, where that is not the whole images.
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
        """Return the points (n, k, 2) in pixels that each view shows, before any closer look.

        ``items`` are the images of the rows; the others are as for ``outputs``.
        """
        views = self.views if views is None else views
        looks, place = self.place(features, rows, views)
        found = in_pixels(looks, self._of_each(features, rows, views), place)
        return found if self.wide_look is None else self.wide_look.look(self, items, found)

    def _of_each(
        self, features: Any, rows: NDArray[np.int64] | None, views: Sequence[AnyView]
    ) -> list[Floats]:
        n_outputs = self.task.n_outputs
        return [outputs_of(self.head, features.maps(rows, view, half=self.half), n_outputs) for view in views]

    def place(
        self, features: Any, rows: NDArray[np.int64] | None, views: Sequence[AnyView]
    ) -> tuple[list[AnyView], tuple[Any, ...]]:
        """Return the views of these rows, and what else maps points of their squares to pixels."""
        chosen = np.flatnonzero(features.ok) if rows is None else rows
        sizes = features.sizes(rows)
        return [view.of(chosen) for view in views], (sizes, self.extractor.image_size_, self.extractor.resize)

    def find(self, items: Sequence[Any], features: Any, views: Sequence[AnyView] | None = None) -> Floats:
        """Return the points (n, k, 2) in pixels after every look at images, all of which can be read."""
        points: Floats = np.mean(self.first_look(items, features, None, views), axis=0)
        for refinement in self.refinements:
            points = refinement.predict(items, points)
        return points


def average_views(
    views: Sequence[AnyView], outputs: Sequence[Floats], place: tuple[Any, ...] | None = None
) -> Floats:
    """Return the mean of what a head says of several views of the same images.

    Parameters
    ----------
    views : sequence of View or Crops
    outputs : sequence of ndarray, shape (n, k)
        One for each view.
    place : tuple, optional
        Outputs are points as fractions of each view's square, to be mapped to pixels of the images first:
        sizes (n, 2), image size and resize policy for views of whole images, empty for crops.
    """
    if place is not None:
        outputs = in_pixels(views, outputs, place)
    mean: Floats = np.mean(outputs, axis=0)
    return mean


def in_pixels(
    views: Sequence[AnyView], outputs: Sequence[Floats], place: tuple[Any, ...] = ()
) -> list[Floats]:
    """Return points (n, k, 2) in pixels of the images, as each view says; see ``average_views``."""
    return [
        view.from_square(output.reshape(len(output), -1, 2), *place)
        for view, output in zip(views, outputs, strict=True)
    ]

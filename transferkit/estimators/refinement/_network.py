"""A closer look by a network, trained on squares that are placed worse than those of new images.

A network's errors on its own training rows are too small to learn from. So every training image is cropped
around its true shape, moved, scaled and rotated at random.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.refinement._refinement import (
    MARGIN,
    MIN_POINTS,
    Floats,
    Refinement,
    shape_errors,
    views_around,
)
from transferkit.extraction import Extraction, Features
from transferkit.heads import Head, TrainingData
from transferkit.keypoints import Pairs, frames_around, label_offset, mean_shape
from transferkit.tasks import Points
from transferkit.views import Crops

_MANY = 2500  # training images; with more, mirror images of all squares would add little
# Standard deviations of the position of the square as a fraction of its side, of the logarithm of its side,
# and of its angle in degrees: three to six times the errors of the first look on faces. Deviations as small
# as these errors did worse (5.9 % against 5.3 % on held-out people), since badly placed squares were then
# unfamiliar.
_SPREAD = np.array([0.07, 0.07, 0.15, 12.0])
_LARGEST = 2.5  # largest movement, in standard deviations


class Sample(NamedTuple):
    """Images with true points and shapes found so far (n, k, 2), in pixels, and weights and groups (n,)."""

    items: list[Any]
    points: Floats
    shapes: Floats
    weight: NDArray[np.float64]
    groups: NDArray[np.int64]

    def offset(self) -> float:
        """Return the offset of labels to the right of the shapes, in pixels."""
        return label_offset(self.shapes, self.points, self.groups, self.weight)

    def error(self) -> float:
        """Return the mean error of the shapes found, as a fraction of the size of the true ones."""
        errors, rows = shape_errors(self.shapes, self.points)
        return float(np.average(errors, weights=self.weight[rows]))

    def moved(self, offset: float) -> Sample:
        """Return the sample with true points moved to the left by the offset."""
        return self._replace(points=self.points - (offset, 0.0))


def fit_network_round(
    extractor: Extraction,
    head: Head,
    train: Sample,
    *,
    mirror: bool,
    pairs: Pairs | None,
    random_state: int,
    progress: bool,
) -> tuple[Refinement, Features]:
    """Return a fitted round and its features.

    Parameters
    ----------
    extractor : Extraction
        Extractor with the layers and grids of the closer look.
    head : Head
        Head to train.
    train : Sample
        Training images; shapes are only used for images with too few points.
    mirror : bool
    pairs : tuple of (int, int) or None
        Points that swap in a mirror image.
    random_state, progress
        As for the estimator.

    Returns
    -------
    Refinement
    Features
        Features of the training squares.
    """
    mean = mean_shape(train.points, pairs)
    frames = true_frames(train, mean)
    views = training_views(frames, mirror, pairs, np.random.default_rng(random_state))
    features = extractor.extract(train.items, views=views, on_error="raise")
    data = TrainingData(
        features.stored_maps(None, views),
        np.concatenate([view.to_square(train.points).reshape(len(frames), -1) for view in views]),
        Points(train.points.shape[1]),
        np.tile(train.weight, len(views)),
        np.tile(np.arange(len(frames)), len(views)),
        None,
        random_state,
        progress,
    )
    return Refinement(extractor, mean, head, head.fit(data), mirror, pairs), features


def training_views(
    frames: Floats, mirror: bool, pairs: Pairs | None, generator: np.random.Generator
) -> tuple[Crops, ...]:
    """Return two differently moved squares of each image; if there are few images, with mirror images."""
    first, second = (moved_frames(frames, generator) for _ in range(2))
    if mirror and len(frames) > _MANY:
        return Crops(first, pairs=pairs), Crops(second, True, pairs)
    return views_around(first, mirror, pairs) + views_around(second, mirror, pairs)


def has_place(points: Floats) -> NDArray[np.bool_]:
    """Return which shapes (n, k, 2) have enough points to crop around: at least half of them, and three."""
    n_present = np.isfinite(points).all(axis=2).sum(axis=1)
    return np.asarray(n_present >= max(MIN_POINTS, points.shape[1] / 2))


def true_frames(part: Sample, mean: Floats) -> Floats:
    """Return the squares around true shapes, or around the shapes found if too few points are known."""
    known = has_place(part.points)[:, None, None]
    return frames_around(np.where(known, part.points, part.shapes), mean, MARGIN)


def moved_frames(frames: Floats, generator: np.random.Generator) -> Floats:
    """Return frames moved at random."""
    drawn = generator.standard_normal((len(frames), 4)).clip(-_LARGEST, _LARGEST)
    return frames_moved_by(frames, drawn)


def frames_moved_by(frames: Floats, deviations: Floats) -> Floats:
    """Return frames moved along their own axes by fractions of their side, scaled and rotated.

    ``deviations``, (n, 4) or (4,), are in units of the standard deviations of training.
    """
    drawn = np.broadcast_to(deviations, (len(frames), 4)) * _SPREAD
    angle = np.radians(frames[:, 3])
    cosine, sine, (x, y) = np.cos(angle), np.sin(angle), drawn[:, :2].T * frames[:, 2]
    centre = frames[:, :2] + np.stack([x * cosine - y * sine, x * sine + y * cosine], axis=1)
    return np.column_stack([centre, frames[:, 2] * np.exp(drawn[:, 2]), frames[:, 3] + drawn[:, 3]])

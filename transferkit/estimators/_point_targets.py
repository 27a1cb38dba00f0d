"""The meaning of ``y`` for a keypoint regressor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._targets import Targets
from transferkit.estimators._training_set import Rows
from transferkit.extraction import Features
from transferkit.foundation.arguments import check
from transferkit.heads import Head
from transferkit.keypoints import as_points
from transferkit.tasks import Points, Values, check_enough, check_inside, check_present, values_like
from transferkit.views import AnyView


@dataclass(frozen=True)
class PointTargets(Targets):
    """Keypoints in pixels of images; for precomputed features, arbitrary values.

    Parameters
    ----------
    precomputed : bool
        Whether X holds features.
    head_for : callable
        Returns the head for a number of images.
    """

    precomputed: bool
    head_for: Callable[[int], Head]

    unit = "set of keypoints"

    def read(self, y: Any, problems: list[str], name: str = "y") -> NDArray[Any]:
        """Return points (n, k, 2), with NaN for missing ones."""
        if y is None and not self.precomputed:
            raise InvalidInputError(
                f"{name} must have the keypoints of each image, in pixels. Got None. Pass an array of shape "
                "(n, 2 * k) or (n, k, 2)."
            )
        return y if self.precomputed else as_points(y, name=name)

    def make_task(self, y: Any, targets: NDArray[Any], features: AnyFeatures, rows: Rows) -> Points | Values:
        """Return the task, after checking that points are inside their images."""
        check_enough(len(rows))
        if not isinstance(features, Features):
            n_values = int(np.prod(targets.shape[1:]))
            only_points = Values.kind not in self.head_for(len(rows)).kinds
            return Points(n_values // 2) if only_points else Values(n_values, targets.ndim == 1)
        check_inside(targets[rows], features.sizes(rows), rows)
        check_present(targets[rows])
        return Points(targets.shape[1], np.ndim(y) == 2)

    def read_validation(self, y: Any, task: Any, name: str) -> NDArray[Any]:
        """Return the points of each image, as many as training images have."""
        if self.precomputed:
            return values_like(y, task, name)
        points = as_points(y, name=name)
        n, expected = points.shape[1], task.n_points
        check([f"{name} has {n} points but y has {expected}."] if n != expected else [])
        return points

    def check_validation(self, targets: NDArray[Any], features: AnyFeatures, rows: Rows, name: str) -> None:
        """Check that points are inside their images, and that there are any."""
        if isinstance(features, Features):
            check_inside(targets[rows], features.sizes(rows), rows, name)
            if not np.isfinite(targets[rows]).all(axis=2).any():
                raise InvalidInputError(
                    f"{name} must mark a point in one image at least. Got no image that can be read, has a "
                    "weight, and has a point whose x and y are not NaN. Mark some, or leave validation_data "
                    "out."
                )

    def encode(
        self,
        task: Any,
        targets: NDArray[Any],
        features: AnyFeatures,
        rows: Rows,
        view: AnyView,
        extractor: Any,
    ) -> NDArray[np.float64]:
        """Return coordinates (n, 2 k) as fractions of the square of a view."""
        if not isinstance(features, Features):  # values, or points as fractions of the maps, as they are
            return np.asarray(targets, dtype=np.float64).reshape(len(targets), -1)
        square = view.to_square(targets, features.sizes(rows), extractor.image_size_, extractor.resize)
        return square.reshape(len(square), -1)

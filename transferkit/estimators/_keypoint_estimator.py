"""From pictures to points and back: views, squares, and rounds of a closer look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from transferkit.backbones import get_backbone
from transferkit.errors import InvalidInputError
from transferkit.estimators._base import ImageEstimator, check_lengths
from transferkit.estimators._parameters import extractor_grid
from transferkit.estimators._precomputed import is_precomputed
from transferkit.estimators.refinement._map_refinement import (
    MIN_IMAGES_OF_NETWORK,
    WHOLE_GRID,
    map_layers,
)
from transferkit.estimators.refinement._refinement import (
    MIN_POINTS,
    is_rounds,
)
from transferkit.extraction import FeatureExtractor, Features
from transferkit.foundation.arguments import check, choice
from transferkit.foundation.scratch import memory_limit
from transferkit.heads import Head, KeypointMapHead, LinearHead, get_head
from transferkit.keypoints import as_points, mirror_order
from transferkit.views import MIRROR, ORIGINAL, View

_GRID = 7
_GRIDS = (7, 7, 4, 2)  # of the four layers that most rows recommend, fine ones first


class KeypointEstimator(ImageEstimator):
    """What a keypoint regressor does beside the steps that all estimators share."""

    def plan_extraction(self, y: Any) -> tuple[FeatureExtractor, tuple[View, ...]] | None:
        """As for all estimators; views depend on the number of points, and a closer look is not planned."""
        plan = super().plan_extraction(y)
        return plan and (plan[0], self._views_for(as_points(y, name="y").shape[1]))

    def _found(self, features: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return points (n, k, 2) in pixels, found in the whole pictures."""
        half = self.head_.half
        outputs = [self.fitted_head_.predict(features.maps(rows, view, half=half)) for view in self.views_]
        return self._to_pixels(outputs, features.sizes(rows))

    def _validation(
        self, X: Any, y: Any, half: bool
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
        """Return features and targets of the caller's own validation part."""
        name = "y of validation_data"
        points = as_points(y, name=name)
        features = self._extract(X, fitting=True)
        problems: list[str] = []
        check_lengths(len(features.ok), points, problems, name, "set of keypoints")
        if points.shape[1] != self.n_points_:
            problems.append(f"{name} has {points.shape[1]} points but y has {self.n_points_}.")
        check(problems)
        assert isinstance(features, Features)
        rows = np.flatnonzero(features.ok)
        with memory_limit(self.memory_limit):
            maps = features.maps(rows, half=half)
        return maps, self._to_square(points[rows], features.sizes(rows), ORIGINAL)

    def _close_layers(self) -> Sequence[str]:
        """Return the layers of a closer look: the user's, or those that the row recommends."""
        if self.layers is None or isinstance(self.layers, str):
            return get_backbone(self.backbone).layers if self.layers in (None, "auto") else (self.layers,)
        return self.layers

    def _make_close_extractor(self, *, layers: Any, grid: Any) -> FeatureExtractor:
        """Return the extractor of a closer look: as that of the whole picture, on other layers."""
        assert self.extractor_ is not None
        return clone(self.extractor_).set_params(layers=layers, grid=grid).fit()

    def _to_pixels(
        self, outputs: Sequence[NDArray[np.float64]], sizes: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return points (n, k, 2) in pixels: the mean of what the head says of each view of the picture."""
        assert self.extractor_ is not None
        size, resize = self.extractor_.image_size_, self.extractor_.resize
        seen = [
            view.from_square(output.reshape(len(sizes), -1, 2), sizes, size, resize)
            for view, output in zip(self.views_, outputs, strict=True)
        ]
        points: NDArray[np.float64] = np.mean(seen, axis=0)
        return points

    def _head(self, n_images: int | None = None) -> Head:
        """Return the head; by default a network, where there are images and layers enough for one."""
        if not (isinstance(self.head, str) and self.head == "auto"):
            return get_head(self.head)
        few = n_images is not None and n_images < MIN_IMAGES_OF_NETWORK
        if few or is_precomputed(self.backbone) or len(get_backbone(self.backbone).layers) < 2:
            return LinearHead()
        return KeypointMapHead()

    def _layers_and_grid(self, head: Head) -> tuple[Any, Any]:
        """Return what to tap and how finely to average it; a network wants one fine map."""
        if not isinstance(head, KeypointMapHead):
            return super()._layers_and_grid(head)
        chosen = self._map_layers(WHOLE_GRID)
        return chosen["layers"], chosen["grid"] if self.grid is None else extractor_grid(self.grid)

    def _map_layers(self, fine: int) -> dict[str, Any]:
        if self.layers is None or (isinstance(self.layers, str) and self.layers == "auto"):
            return map_layers(get_backbone(self.backbone).layers, fine)
        return map_layers(self.layers, fine, chosen=True)

    def set_params(self, **params: Any) -> KeypointEstimator:
        """Set parameters, and fields of the head; "auto" has none before it has chosen one."""
        head = params.get("head", self.head)
        if isinstance(head, str) and head == "auto" and any(name.startswith("head__") for name in params):
            raise InvalidInputError(
                "head='auto' chooses between 'keypoint_map' and 'linear' by the number of images, so it has "
                "no fields to set. Set head to one of them first."
            )
        return super().set_params(**params)

    def _check_rounds(self, n_points: int) -> None:
        """Refuse rounds that points of no shape cannot have."""
        if n_points < MIN_POINTS and self.refine not in ("auto", 0):
            raise InvalidInputError(
                f"refine={self.refine!r} needs {MIN_POINTS} points or more, which have a shape. "
                f"Got {n_points}. Pass refine=0."
            )

    def _views(self, head: Head | None) -> tuple[View, ...]:
        """Return the views before the number of points is known."""
        if not is_rounds(self.refine):
            raise InvalidInputError(f"refine must be 'auto' or a number of rounds. Got {self.refine!r}.")
        refines = head is None or head.averages_views or isinstance(head, KeypointMapHead)
        if self.refine not in ("auto", 0) and not refines:
            raise InvalidInputError(
                f"refine={self.refine!r} needs the head 'auto', 'keypoint_map' or 'linear'. "
                f"Got {self.head!r}. Pass refine=0 or another head."
            )
        check(choice("augment", self.augment, ("auto", "mirror"), or_none=True))
        return (ORIGINAL,)

    def _views_for(self, n_points: int) -> tuple[View, ...]:
        """Return the views for points of which left and right may be known."""
        self._check_rounds(n_points)
        known = mirror_order(n_points) is not None
        if self.augment == "mirror" and not known:
            raise InvalidInputError(
                f"augment='mirror' needs to know which points swap sides, known for 68 facial points. "
                f"Got {n_points} points. Pass augment=None."
            )
        return (ORIGINAL, MIRROR) if self.augment and known else (ORIGINAL,)

    def _default_grid(self, grid: Any, recommended: Sequence[str], layers: Any) -> Any:
        """Keep more of the position than classes need, most in the fine layers."""
        if grid is None or not isinstance(layers, str) or layers != "auto" or len(recommended) != len(_GRIDS):
            return None if grid is None else _GRID
        return _GRIDS

    def _to_square(
        self, points: NDArray[np.float64], sizes: NDArray[np.int64], view: View
    ) -> NDArray[np.float64]:
        """Return targets (n, 2 k) for one view, as fractions of the square."""
        assert self.extractor_ is not None
        square = view.to_square(points, sizes, self.extractor_.image_size_, self.extractor_.resize)
        return square.reshape(len(square), -1)

"""From pictures to points and back: views, squares, and rounds of a closer look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from transferkit.backbones import get_backbone
from transferkit.checks import check, choice
from transferkit.errors import InvalidInputError
from transferkit.estimators._base import ImageEstimator
from transferkit.estimators._parameters import as_seed
from transferkit.estimators._refinement import (
    MIN_IMAGES,
    MIN_POINTS,
    Refinement,
    close_layers,
    fit_refinement,
    is_rounds,
    shape_errors,
)
from transferkit.extractor import FeatureExtractor
from transferkit.heads import Head
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

    def _refine(
        self,
        items: Sequence[Any],
        sizes: NDArray[np.int64],
        points: NDArray[np.float64],
        groups: NDArray[np.int64],
    ) -> None:
        """Fit rounds of a closer look, as long as they lower the error of held-out training rows."""
        self.refinements_: list[Refinement] = []
        self.selection_ = []
        held_out = getattr(self.fitted_head_, "held_out", None)
        if held_out is None:  # a network, which has seen every row: there is nothing to learn rounds from
            return
        if points.shape[1] < MIN_POINTS:
            if self.refine not in ("auto", 0):
                raise InvalidInputError(
                    f"refine={self.refine!r} needs {MIN_POINTS} points or more, which have a shape. "
                    f"Got {points.shape[1]}. Pass refine=0."
                )
            return
        shapes = self._to_pixels(np.split(held_out, len(self.views_)), sizes)
        errors = shape_errors(shapes, points)
        self.selection_.append({"round": 0, "held_out_error": float(errors.mean()), "used": True})
        enough = len(items) >= MIN_IMAGES
        for number in range(1, 1 + (int(enough) if self.refine == "auto" else int(self.refine))):
            refinement, shapes, features = fit_refinement(
                self._make_close_extractor(**close_layers(self._close_layers())),
                items,
                shapes,
                points,
                groups,
                mirror=len(self.views_) > 1,
                random_state=as_seed(self.random_state),
                progress=self.progress,
            )
            assert self.report_ is not None
            self.report_.n_backbone_calls += features.report.n_backbone_calls
            self.report_.seconds += features.report.seconds
            error = float(shape_errors(shapes, points).mean())
            better = error < self.selection_[-1]["held_out_error"]
            self.selection_.append({"round": number, "held_out_error": error, "used": better})
            if not better:
                break
            self.refinements_.append(refinement)

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

    def _views(self, head: Head | None) -> tuple[View, ...]:
        """Return the views before the number of points is known."""
        if not is_rounds(self.refine):
            raise InvalidInputError(f"refine must be 'auto' or a number of rounds. Got {self.refine!r}.")
        if self.refine not in ("auto", 0) and head is not None and not head.averages_views:
            raise InvalidInputError(
                f"refine={self.refine!r} needs a head that predicts held-out rows, 'linear' or 'auto'. "
                f"Got {self.head!r}. Pass refine=0 or another head."
            )
        check(choice("augment", self.augment, ("auto", "mirror"), or_none=True))
        return (ORIGINAL,)

    def _views_for(self, n_points: int) -> tuple[View, ...]:
        """Return the views for points of which left and right may be known."""
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

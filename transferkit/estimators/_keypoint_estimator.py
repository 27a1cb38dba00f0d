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
from transferkit.estimators._map_refinement import (
    MIN_IMAGES_OF_NETWORK,
    WHOLE_GRID,
    Part,
    fit_map_refinement,
    map_layers,
)
from transferkit.estimators._parameters import as_seed, extractor_grid
from transferkit.estimators._precomputed import is_precomputed
from transferkit.estimators._refinement import (
    MIN_IMAGES,
    MIN_POINTS,
    Refinement,
    close_layers,
    fit_refinement,
    is_rounds,
    shape_errors,
)
from transferkit.extractor import FeatureExtractor, Features
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

    def _look_closer(
        self,
        items: Sequence[Any],
        features: Features,
        points: NDArray[np.float64],
        groups: NDArray[np.int64],
        held: NDArray[np.int64],
        validation: tuple[list[Any], Any] | None,
    ) -> None:
        """Fit rounds of a closer look at the readable images, of which training held some out."""
        rows = np.flatnonzero(features.ok)
        if not isinstance(self.head_, KeypointMapHead):
            self._refine(items, features.sizes(rows), points, groups)
            return
        train = np.setdiff1d(np.arange(len(rows)), held)
        shapes = points[train]
        few = np.isfinite(shapes).all(axis=2).sum(axis=1) < 2  # no place of their own to look at
        if few.any():
            shapes[few] = self._found(features, rows[train[few]])
        judged = None
        if validation is not None:
            others = self._extract(validation[0], fitting=True)
            assert isinstance(others, Features)
            seen = np.flatnonzero(others.ok)
            truth = as_points(validation[1], name="y of validation_data")[seen]
            judged = Part([validation[0][row] for row in seen], truth, self._found(others, seen))
        elif len(held):
            judged = Part([items[row] for row in held], points[held], self._found(features, rows[held]))
        self._refine_by_network(Part([items[row] for row in train], points[train], shapes), judged)

    def _found(self, features: Features, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return points (n, k, 2) in pixels, found in the whole pictures."""
        half = self.head_.half
        outputs = [self.fitted_head_.predict(features.maps(rows, view, half=half)) for view in self.views_]
        return self._to_pixels(outputs, features.sizes(rows))

    def _refine(
        self,
        items: Sequence[Any],
        sizes: NDArray[np.int64],
        points: NDArray[np.float64],
        groups: NDArray[np.int64],
    ) -> None:
        """Fit rounds of a closer look, as long as they lower the error of held-out training rows."""
        held_out = getattr(self.fitted_head_, "held_out", None)
        if not self._may_refine(points) or held_out is None:
            return
        shapes = self._to_pixels(np.split(held_out, len(self.views_)), sizes)
        self._note_round(shape_errors(shapes, points))
        for _ in range(self._n_rounds(len(items))):
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
            self._note_work(features)
            if not self._note_round(shape_errors(shapes, points)):
                break
            self.refinements_.append(refinement)

    def _refine_by_network(self, train: Part, held: Part | None) -> None:
        """Fit rounds of a closer look by networks, as long as they lower the error of images held out."""
        if not self._may_refine(train.points):
            return
        assert isinstance(self.head_, KeypointMapHead)
        if held is not None:
            self._note_round(shape_errors(held.shapes, held.points))
        for _ in range(self._n_rounds(len(train.items))):
            refinement, features = fit_map_refinement(
                self._make_close_extractor(**map_layers(self._close_layers())),
                self.head_,
                train,
                mirror=len(self.views_) > 1,
                random_state=as_seed(self.random_state),
                progress=self.progress,
            )
            self._note_work(features)
            if held is not None:
                held = held._replace(shapes=refinement.predict(held.items, held.shapes))
                if not self._note_round(shape_errors(held.shapes, held.points)):
                    break
            self.refinements_.append(refinement)

    def _may_refine(self, points: NDArray[np.float64]) -> bool:
        """Forget the rounds of an earlier fit, and say whether points have a shape to look at."""
        self.refinements_: list[Refinement] = []
        self.selection_ = []
        if points.shape[1] >= MIN_POINTS:
            return True
        if self.refine not in ("auto", 0):
            raise InvalidInputError(
                f"refine={self.refine!r} needs {MIN_POINTS} points or more, which have a shape. "
                f"Got {points.shape[1]}. Pass refine=0."
            )
        return False

    def _n_rounds(self, n_images: int) -> int:
        return int(n_images >= MIN_IMAGES) if self.refine == "auto" else int(self.refine)

    def _note_round(self, errors: NDArray[np.float64]) -> bool:
        """Keep the error of a round, and say whether it is less than that of the round before."""
        error, number = float(errors.mean()), len(self.selection_)
        better = number == 0 or error < self.selection_[-1]["held_out_error"]
        self.selection_.append({"round": number, "held_out_error": error, "used": better})
        return better

    def _note_work(self, features: Features) -> None:
        assert self.report_ is not None
        self.report_.n_backbone_calls += features.report.n_backbone_calls
        self.report_.seconds += features.report.seconds

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
        chosen = map_layers(self._close_layers(), fine=WHOLE_GRID)
        return chosen["layers"], chosen["grid"] if self.grid is None else extractor_grid(self.grid)

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

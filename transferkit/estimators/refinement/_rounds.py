"""Rounds of a closer look: fitted one after the other, as long as they lower the error of held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._keypoint_estimator import KeypointEstimator
from transferkit.estimators._parameters import as_seed
from transferkit.estimators.refinement._map_refinement import FINE_GRID, Part, fit_map_refinement, has_place
from transferkit.estimators.refinement._refinement import (
    MIN_IMAGES,
    MIN_POINTS,
    Refinement,
    close_layers,
    fit_refinement,
    shape_errors,
)
from transferkit.extraction import Features
from transferkit.heads import KeypointMapHead
from transferkit.keypoints import as_points


class RefiningEstimator(KeypointEstimator):
    """What a keypoint regressor does after it has looked at whole pictures."""

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
        self.refinements_: list[Refinement] = []
        self.selection_ = []
        if points.shape[1] < MIN_POINTS:
            return
        if not isinstance(self.head_, KeypointMapHead):
            self._refine(items, features.sizes(rows), points, groups)
            return
        train = np.setdiff1d(np.arange(len(rows)), held)
        judged = None
        if validation is not None:
            others = self._extract(validation[0], fitting=True)
            assert isinstance(others, Features)
            seen = np.flatnonzero(others.ok)
            truth = as_points(validation[1], name="y of validation_data")[seen]
            judged = Part([validation[0][row] for row in seen], truth, self._found(others, seen))
        elif len(held):
            judged = Part([items[row] for row in held], points[held], self._found(features, rows[held]))
        if judged is not None and not (np.isfinite(judged.points).all(axis=2).sum(axis=1) > 1).any():
            judged = None  # no shape that could be compared
        n_rounds = self._n_rounds(len(rows))
        if n_rounds == 0:
            self._note_shapes(judged)
            return
        lost = train[~has_place(points[train])]  # they are cut out where they were found
        shapes = points.copy()
        if len(lost):
            shapes[lost] = self._found(features, rows[lost])
        self._refine_by_network(
            Part([items[row] for row in train], points[train], shapes[train]), judged, n_rounds
        )

    def _refine(
        self,
        items: Sequence[Any],
        sizes: NDArray[np.int64],
        points: NDArray[np.float64],
        groups: NDArray[np.int64],
    ) -> None:
        """Fit rounds of a closer look, as long as they lower the error of held-out training rows."""
        held_out = getattr(self.fitted_head_, "held_out", None)
        if held_out is None:  # a network, which has seen every row: there is nothing to learn rounds from
            return
        shapes = self._to_pixels(np.split(held_out, len(self.views_)), sizes)
        self._note_round(shape_errors(shapes, points))
        for _ in range(self._n_rounds(len(items))):
            layers = close_layers(self._close_layers())
            refinement, shapes, features = fit_refinement(
                self._make_close_extractor(**layers),
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
            self.refinements_.append(self._renewed(refinement, layers))

    def _refine_by_network(self, train: Part, judged: Part | None, n_rounds: int) -> None:
        """Fit a closer look by a network, and take it as often as that lowers the error of others."""
        assert isinstance(self.head_, KeypointMapHead)
        layers = self._map_layers(FINE_GRID)
        refinement, features = fit_map_refinement(
            self._make_close_extractor(**layers),
            self.head_,
            train,
            mirror=len(self.views_) > 1,
            random_state=as_seed(self.random_state),
            progress=self.progress,
        )
        self._note_work(features)
        refinement = self._renewed(refinement, layers)
        self._note_shapes(judged)
        for _ in range(n_rounds):
            if judged is not None:
                judged = judged._replace(shapes=refinement.predict(judged.items, judged.shapes))
                if not self._note_round(shape_errors(judged.shapes, judged.points)):
                    break
            self.refinements_.append(refinement)

    def _note_shapes(self, judged: Part | None) -> None:
        """Keep the error of what was found in the whole pictures."""
        if judged is not None:
            self._note_round(shape_errors(judged.shapes, judged.points))

    def _renewed(self, refinement: Refinement, layers: dict[str, Any]) -> Refinement:
        """Return a round without what it learned from, which its extractor holds where there is no cache."""
        return replace(refinement, extractor=self._make_close_extractor(**layers))

    def _n_rounds(self, n_images: int) -> int:
        """Return how many rounds are wanted."""
        return int(n_images >= MIN_IMAGES) if self.refine == "auto" else int(self.refine)

    def _note_round(self, errors: NDArray[np.float64]) -> bool:
        """Keep the error of a round, and say whether it is less than that of the round before."""
        error, number = float(errors.mean()), len(self.selection_)
        better = number == 0 or error < self.selection_[-1]["held_out_error"]
        self.selection_.append({"round": number, "held_out_error": error, "used": better})
        return better

    def _note_work(self, features: Features) -> None:
        """Count the backbone's work for a closer look."""
        assert self.report_ is not None
        self.report_.n_backbone_calls += features.report.n_backbone_calls
        self.report_.seconds += features.report.seconds

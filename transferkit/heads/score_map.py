"""``ScoreMapHead``: keypoints from few images, by scoring every cell of a map for every point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number
from transferkit.foundation.maps import pool_to_grid
from transferkit.heads._base import Maps, TrainingData, check_arrays
from transferkit.heads._cell_ridge import CellRidge
from transferkit.heads._cells import REACH as REACH
from transferkit.heads._cells import centres as centres
from transferkit.heads._cells import places, scores
from transferkit.heads._ridge import patterns
from transferkit.heads._shape_bank import APART as APART
from transferkit.heads._shape_bank import MOST_ANCHORS as MOST_ANCHORS
from transferkit.heads._shape_bank import NEAR as NEAR
from transferkit.heads._shape_bank import PEAKS as PEAKS
from transferkit.heads._shape_bank import TRUST as TRUST
from transferkit.heads._shape_bank import places_by_shape, shape_bank
from transferkit.heads.linear import FittedLinear, LinearHead

_COARSEST = 7  # fewest cells per side of a layer that can locate something
_LARGEST_GRID = 14
_MOST_PATTERNS = 12  # most patterns of missing points, each of which needs its own decompositions


@dataclass(frozen=True)
class ScoreMapHead:
    """Find keypoints by ridge regression on cells, or on whole maps if that has less held-out error.

    A single linear model for all cells is trained to score 1 for cells near a point and 0 for all others. So
    the appearance of an ear is learned wherever it was, and found in places where it never was: on few images
    of an animal that may be anywhere, the error is a third of that of a regression on whole maps
    (:class:`LinearHead`). The latter is tried, too, and is better if points hardly move. TensorFlow is not
    needed.

    Parameters
    ----------
    penalty : float, default=0.3
        Weight of the squared norm of the coefficients of the scores, for channels of variance 1.
    spread : float, default=0.06
        Standard deviation of the Gaussian of target scores around a point, as a fraction of the side of the
        square.

    Notes
    -----
    Scores of cells as in DeepLabCut [1]_, but in closed form and on a frozen network.

    References
    ----------
    .. [1] A. Mathis et al., "DeepLabCut: markerless pose estimation of user-defined body parts with deep
       learning", Nature Neuroscience 21, 2018.

    Examples
    --------
    >>> from transferkit.heads import ScoreMapHead
    >>> ScoreMapHead()
    ScoreMapHead(penalty=0.3, spread=0.06)
    """

    penalty: float = 0.3
    spread: float = 0.06

    kinds: ClassVar[frozenset[str]] = frozenset({"points"})
    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = False
    refinement: ClassVar[str | None] = "cascade"

    def __post_init__(self) -> None:
        """Check the fields; all problems are reported together."""
        problems = [
            f"{name} must be a positive number. Got {getattr(self, name)!r}."
            for name in ("penalty", "spread")
            if not is_number(getattr(self, name), above=0)
        ]
        if problems:
            raise InvalidInputError(*problems)

    def fit(self, data: TrainingData) -> FittedScoreMap | FittedWholeMap:
        """Return the fitted head; targets (n, 2 k) are x0, y0, ... as fractions of the square."""
        if data.task.kind not in self.kinds:
            raise InvalidInputError(
                f"ScoreMapHead finds points. Got a task of kind {data.task.kind!r}. Choose 'linear'."
            )
        whole = FittedWholeMap(LinearHead().fit(replace(data, maps=_coarser(data.maps))))
        tried: list[FittedScoreMap | FittedWholeMap] = [whole]
        if self._can_score(data):
            tried.append(self._fit_scores(data))
        errors = [_error(fitted.held_out, data) for fitted in tried]
        best = tried[int(np.argmin(errors))]
        names = {FittedWholeMap: "whole map", FittedScoreMap: "cells"}
        best.history = [
            {"candidate": names[type(fitted)], "distance": error, "used": fitted is best}
            for fitted, error in zip(tried, errors, strict=True)
        ]
        return best

    def _can_score(self, data: TrainingData) -> bool:
        """Return whether there are fine maps, groups to hold out, and few patterns of missing points."""
        inside = -1 < float(np.nanmedian(data.targets)) < 2
        few = len(patterns(data.targets)) <= _MOST_PATTERNS
        return bool(_fine_maps(data.maps)) and len(np.unique(data.groups)) > 1 and few and inside

    def _fit_scores(self, data: TrainingData) -> FittedScoreMap:
        """Return the fitted model on cells."""
        chosen = _fine_maps(data.maps)
        maps = [data.maps[i] for i in chosen]
        grid = min(_LARGEST_GRID, max(array.shape[1] for array in maps))
        points = data.targets.reshape(len(data.targets), -1, 2)
        bank = shape_bank(points, data.random_state)
        ridge = CellRidge(maps, grid, data, self.spread, self.penalty)
        channels = [array.shape[-1] for array in maps]
        fitted = FittedScoreMap(*ridge.solve(), bank, chosen, channels, grid)
        held_out, scored = np.empty_like(data.targets), ridge.held_out_scores()
        for fold in np.unique(ridge.fold):
            here = ridge.fold == fold
            others = shape_bank(points[~here], data.random_state)
            held_out[here] = replace(fitted, bank=others).shapes(scored[here])
        fitted.held_out = held_out
        return fitted

    def rebuild(
        self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]
    ) -> FittedScoreMap | FittedWholeMap:
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""
        if "penalty" in facts:
            return FittedWholeMap(LinearHead().rebuild(tensors, facts))
        if set(facts) != {"positions", "channels", "grid"}:
            raise ValueError(f"facts of a score map {facts!r}")
        positions, channels, grid = facts["positions"], facts["channels"], facts["grid"]
        check_arrays(
            tensors, {"weights": ("float32", 2), "intercept": ("float64", 1), "bank": ("float32", 3)}
        )
        weights, intercept, bank = (tensors[name] for name in ("weights", "intercept", "bank"))
        if (
            not all(type(number) is int and 0 <= number < 10**5 for number in [*positions, *channels, grid])
            or len(positions) != len(channels)
            or not 0 < grid <= _LARGEST_GRID
            or weights.shape != (sum(channels), len(intercept))
            or bank.shape[1:] != (len(intercept), 2)
        ):
            raise ValueError(f"facts of a score map {facts!r} for weights {weights.shape}")
        return FittedScoreMap(weights, intercept, bank, positions, channels, grid)


@dataclass
class FittedScoreMap:
    """Weights (c, k) of the channels of some layers, the same for every cell, and a bank of shapes."""

    weights: NDArray[np.float32]
    intercept: NDArray[np.float64]
    bank: NDArray[np.float32]
    positions: list[int]
    channels: list[int]
    grid: int
    history: list[dict[str, Any]] = field(default_factory=list)
    held_out: NDArray[np.float64] | None = field(default=None, repr=False)

    n_inputs: ClassVar[None] = None  # unknown: layers that are too coarse are not used

    @property
    def n_outputs(self) -> int:
        """Number of coordinates."""
        return 2 * len(self.intercept)

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return points (n, 2 k) as fractions of the square."""
        chosen = [maps[i] for i in self.positions]
        return self.shapes(scores(chosen, self.weights, self.intercept, self.grid))

    def shapes(self, scored: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return points (n, 2 k), given the scores of cells."""
        if self.bank.shape[0] == 0 or self.bank.shape[1] == 1:  # no shape is known
            return places(scored, self.grid).reshape(len(scored), -1)
        return places_by_shape(scored, self.grid, self.bank).reshape(len(scored), -1)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"weights": self.weights, "intercept": self.intercept, "bank": self.bank}

    def facts(self) -> dict[str, Any]:
        """Return everything else to save."""
        return {
            "positions": list(self.positions),
            "channels": list(self.channels),
            "grid": self.grid,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Drop the held-out predictions when pickling."""
        return self.__dict__ | {"held_out": None}


@dataclass
class FittedWholeMap:
    """A linear head on maps averaged over half as many cells per side."""

    linear: FittedLinear
    history: list[dict[str, Any]] = field(default_factory=list)

    n_inputs: ClassVar[None] = None  # maps are averaged first

    @property
    def n_outputs(self) -> int:
        """Number of coordinates."""
        return self.linear.n_outputs

    @property
    def held_out(self) -> NDArray[np.float64] | None:
        """Predictions for the training rows, each by the model without its group."""
        return self.linear.held_out

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return points (n, 2 k) as fractions of the square."""
        return self.linear.predict(_coarser(maps))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return self.linear.tensors()

    def facts(self) -> dict[str, Any]:
        """Return everything else to save."""
        return self.linear.facts()


def _fine_maps(maps: Maps) -> list[int]:
    """Return the positions of layers that are maps with enough cells."""
    return [i for i, array in enumerate(maps) if array.ndim == 4 and min(array.shape[1:3]) >= _COARSEST]


def _coarser(maps: Maps) -> list[NDArray[np.float32]]:
    """Return maps averaged over half as many cells per side, which suffices for a whole-map regression."""
    return [
        pool_to_grid(array, (array.shape[1] + 1) // 2) if array.ndim == 4 and array.shape[1] > 2 else array
        for array in maps
    ]


def _error(held_out: NDArray[np.float64] | None, data: TrainingData) -> float:
    """Return the weighted mean distance of the points present, as a fraction of the square."""
    assert held_out is not None
    gaps = (held_out - data.targets).reshape(len(held_out), -1, 2)
    distances = np.linalg.norm(gaps, axis=-1)
    weight = np.where(np.isfinite(distances), data.sample_weight[:, None], 0.0)
    return float((np.nan_to_num(distances) * weight).sum() / max(weight.sum(), 1e-12))

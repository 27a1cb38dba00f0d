"""The head of a close look at keypoints: from whole maps to the shape, then from what lies at its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.maps import pool_to_grid, sample_maps
from transferkit.heads._base import Maps, TrainingData
from transferkit.heads.linear import FittedLinear, LinearHead

_GRID = 7  # of the maps that the whole shape is read from
_BLOCK = 64  # images whose maps are sampled at a time: bounds the copies


@dataclass(frozen=True)
class CascadeHead:
    """Ridge regressions, one after the other, on the squares around roughly known shapes.

    The first reads the shape from the coarse maps. Each further one reads the finest map *at the points
    found so far* and corrects them. Each learns from the held-out predictions of the one before, exact and
    by group, so that it learns to mend the errors that new images will have. A step that does not lower
    the held-out error ends the cascade. No TensorFlow.

    Parameters
    ----------
    steps : int, default=2
        Corrections at most.

    Notes
    -----
    This is the supervised descent method [1]_ on the features of a frozen network.

    References
    ----------
    .. [1] X. Xiong and F. De la Torre, "Supervised Descent Method and its Applications to Face
       Alignment", CVPR 2013.

    Examples
    --------
    >>> from transferkit.heads import CascadeHead
    >>> CascadeHead()
    CascadeHead(steps=2)
    """

    steps: int = 2

    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = False

    def fit(self, data: TrainingData) -> FittedCascade:
        """Return the fitted head; targets (n, 2 k) are x0, y0, ... as fractions of the square."""
        finest = finest_map(data.maps)
        parts = [LinearHead().fit(replace(data, maps=coarse_maps(data.maps)))]
        shapes = parts[0].held_out
        assert shapes is not None
        history = [{"step": 0, "penalty": parts[0].penalty, "absolute_error": _error(shapes, data)}]
        for step in range(1, self.steps + 1):
            sampled = _sample(data.maps[finest], shapes)
            fitted = LinearHead().fit(replace(data, maps=[sampled], targets=data.targets - shapes))
            assert fitted.held_out is not None
            corrected = shapes + fitted.held_out
            row = {"step": step, "penalty": fitted.penalty, "absolute_error": _error(corrected, data)}
            if row["absolute_error"] >= history[-1]["absolute_error"]:
                break
            parts.append(fitted)
            history.append(row)
            shapes = corrected
        return FittedCascade(parts, finest, history, shapes)

    def rebuild(self, tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> FittedCascade:
        """Return the fitted head that was saved; ValueError where arrays do not belong together."""
        penalties, finest = facts["penalties"], facts["finest"]
        if set(facts) != {"penalties", "finest"} or not isinstance(penalties, list) or not penalties:
            raise ValueError(f"facts of a cascade {facts!r}")
        if type(finest) is not int or not 0 <= finest < 100:
            raise ValueError(f"facts of a cascade {facts!r}")
        names = {f"{i}.{name}" for i in range(len(penalties)) for name in ("weights", "intercept")}
        if set(tensors) != names:
            raise ValueError(f"expected the arrays {sorted(names)}. Got {sorted(tensors)}.")
        parts = [
            LinearHead().rebuild(
                {name: tensors[f"{i}.{name}"] for name in ("weights", "intercept")}, {"penalty": penalty}
            )
            for i, penalty in enumerate(penalties)
        ]
        outputs = {len(part.intercept) for part in parts}
        widths = {len(part.weights) for part in parts[1:]}
        if len(outputs) > 1 or len(widths) > 1 or any(2 * width % outputs.copy().pop() for width in widths):
            raise ValueError(f"steps of {outputs} values from {widths} features")
        return FittedCascade(parts, finest)


@dataclass
class FittedCascade:
    """Linear heads to be applied one after the other; ``finest`` is the map that the later ones sample."""

    parts: list[FittedLinear]
    finest: int
    history: list[dict[str, Any]] = field(default_factory=list)
    held_out: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def n_outputs(self) -> int:
        """Number of coordinates, the same of all steps."""
        return len(self.parts[0].intercept)

    def predict(self, maps: Maps) -> NDArray[np.float64]:
        """Return points (n, 2 k) as fractions of the square."""
        shapes = self.parts[0].predict(coarse_maps(maps))
        for part in self.parts[1:]:
            shapes = shapes + part.predict([_sample(maps[self.finest], shapes)])
        return shapes

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        named = [(i, part.tensors()) for i, part in enumerate(self.parts)]
        return {f"{i}.{name}": array for i, tensors in named for name, array in tensors.items()}

    def facts(self) -> dict[str, Any]:
        """Return what else to save."""
        return {"penalties": [part.penalty for part in self.parts], "finest": self.finest}


def finest_map(maps: Maps) -> int:
    """Return the position of the first layer with the largest map."""
    return int(np.argmax([array.shape[1] if array.ndim == 4 else 0 for array in maps]))


def coarse_maps(maps: Maps) -> list[NDArray[np.float32]]:
    """Return what the whole shape is read from: all maps but the finest, where there are others."""
    finest = finest_map(maps)
    chosen = [array for i, array in enumerate(maps) if i != finest] or list(maps)
    return [pool_to_grid(array, _GRID) for array in chosen]


def _sample(maps: NDArray[np.float32], shapes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the features at each point, (n, 1, k, c): levelled by channel, all points alike."""
    points = shapes.reshape(len(shapes), -1, 2)
    if maps.ndim != 4:
        maps = maps.reshape(len(maps), 1, 1, -1)
    blocks = [
        sample_maps(maps[start : start + _BLOCK], points[start : start + _BLOCK])
        for start in range(0, len(maps), _BLOCK)
    ]
    return np.concatenate(blocks)[:, None]


def _error(shapes: NDArray[np.float64], data: TrainingData) -> float:
    """Return the mean distance of coordinates in fractions of the square, missing ones left out."""
    return float(np.nanmean(np.abs(shapes - data.targets)))

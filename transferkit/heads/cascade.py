"""The head of a refinement round: find the shape on coarse maps, then correct it on the finest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.maps import pool_to_grid, sample_maps
from transferkit.heads._base import Maps, TrainingData, uneven
from transferkit.heads.linear import FittedLinear, LinearHead

COARSE_GRID = 7  # cells per side of the coarse maps
_BLOCK = 64  # rows sampled at a time, which limits the size of copies


@dataclass(frozen=True)
class CascadeHead:
    """A series of ridge regressions on the squares around roughly known shapes.

    The first regression finds the shape on the coarse maps. Each of the others reads the finest map *at the
    points found so far* and corrects them. It learns from the exact held-out predictions of the step before,
    by group, so that it corrects errors as large as those on new images. The cascade ends when a step does
    not lower the held-out error. TensorFlow is not needed.

    Parameters
    ----------
    steps : int, default=2
        Largest number of corrections.

    Notes
    -----
    This is the supervised descent method on the features of a frozen network; for the reference, see
    :class:`KeypointMapHead`.

    Examples
    --------
    >>> from transferkit.heads.cascade import CascadeHead
    >>> CascadeHead()
    CascadeHead(steps=2)
    """

    steps: int = 2

    kinds: ClassVar[frozenset[str]] = frozenset({"points"})
    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True
    uses_validation: ClassVar[bool] = False
    averages_views: ClassVar[bool] = False
    half: ClassVar[bool] = False
    refinement: ClassVar[str | None] = None

    def fit(self, data: TrainingData) -> FittedCascade:
        """Return the fitted head; targets (n, 2 k) are x0, y0, ... as fractions of the square."""
        finest = finest_map(data.maps)
        parts = [LinearHead().fit(replace(data, maps=coarse_maps(data.maps)))]
        shapes = parts[0].held_out
        assert shapes is not None
        history: list[dict[str, Any]] = [
            {"step": 0, "penalty": parts[0].penalty, "absolute_error": _error(shapes, data)}
        ]
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
        """Rebuild a saved fitted head; raise ValueError if the arrays do not fit together."""
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
        outputs = {part.n_outputs for part in parts}
        widths = {part.n_inputs for part in parts[1:]}
        if len(outputs) > 1 or len(widths) > 1 or any(2 * width % outputs.copy().pop() for width in widths):
            raise ValueError(f"steps of {outputs} values from {widths} features")
        return FittedCascade(parts, finest)


@dataclass
class FittedCascade:
    """Linear heads, applied in order; all but the first sample the map at position ``finest``."""

    parts: list[FittedLinear]
    finest: int
    history: list[dict[str, Any]] = field(default_factory=list)
    held_out: NDArray[np.float64] | None = field(default=None, repr=False)

    n_inputs: ClassVar[None] = None  # coarse maps are averaged first

    @property
    def n_outputs(self) -> int:
        """Number of coordinates, the same for all steps."""
        return self.parts[0].n_outputs

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
        """Return everything else to save."""
        return {"penalties": [part.penalty for part in self.parts], "finest": self.finest}

    def __getstate__(self) -> dict[str, Any]:
        """Drop the held-out predictions when pickling."""
        return self.__dict__ | {"held_out": None}


def finest_map(maps: Maps) -> int:
    """Return the position of the first layer with the largest map."""
    return int(np.argmax([array.shape[1] if array.ndim == 4 else 0 for array in maps]))


def coarse_maps(maps: Maps) -> list[NDArray[np.float32]]:
    """Return all maps except the finest (or that one if it is the only one), averaged over a coarse grid."""
    finest = finest_map(maps)
    chosen = [array for i, array in enumerate(maps) if i != finest] or list(maps)
    # In half precision a mean would be rounded along each axis; training rounds it once.
    finer = [array.ndim == 4 and max(array.shape[1:3]) > COARSE_GRID for array in chosen]
    return [
        pool_to_grid(np.asarray(array, np.float32) if pooled else array, COARSE_GRID)
        for array, pooled in zip(chosen, finer, strict=True)
    ]


def _sample(maps: NDArray[np.float32], shapes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the features at each point, (n, 1, k, c), so that channels are scaled over all points."""
    points = shapes.reshape(len(shapes), -1, 2)
    if maps.ndim != 4:
        maps = maps.reshape(len(maps), 1, 1, -1)
    blocks = [
        sample_maps(maps[start : start + _BLOCK], points[start : start + _BLOCK])
        for start in range(0, len(maps), _BLOCK)
    ]
    return np.concatenate(blocks)[:, None]


def _error(shapes: NDArray[np.float64], data: TrainingData) -> float:
    """Return the weighted mean absolute error of the coordinates present, in fractions of the square."""
    gaps = np.abs(shapes - data.targets)
    weight = uneven(data.sample_weight)
    if weight is None:
        return float(np.nanmean(gaps))
    return float(np.nansum(weight[:, None] * gaps) / (weight @ np.isfinite(gaps).sum(axis=1)))

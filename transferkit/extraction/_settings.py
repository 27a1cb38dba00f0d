"""The parameters of an extractor, checked, and what is made from them: row, weights, space, engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit import backbones, images
from transferkit.backbones import Backbone, Weights
from transferkit.cache import FeatureCache
from transferkit.cache._memory import MemorySpace, SpillingSpace
from transferkit.engines import (
    Engine,
    EngineChoice,
    Verdicts,
    build_engine,
    check_engine,
    engine_function,
    frozen_model,
    shared_engine,
)
from transferkit.errors import InvalidInputError, gather
from transferkit.extraction._failed import KnownFailures
from transferkit.extraction._pipeline import Recipe
from transferkit.foundation.arguments import choice, flag, is_count, is_path
from transferkit.foundation.forks import enter_network
from transferkit.images import check_value_range
from transferkit.views import AnyView

LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A child must not inherit a lock that another thread held. This one is taken before those of the cache,
    # in the order in which it is everywhere: what is registered last runs first.
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)
ISOLATED_SECONDS = 30.0  # a 50-megapixel picture takes a second or two


class Settings:
    """Checked parameters of an extractor: its row, weights, space and, at need, its engine."""

    def __init__(self, extractor: Any, key: str) -> None:
        self.key = key
        self.row = backbones.get_backbone(extractor.backbone)
        self.image_size, self.layers = _check_parameters(extractor, self.row)
        self.grids = _layer_grids(extractor.grid, self.layers)
        self.resize = extractor.resize
        self.batch_size = extractor.batch_size
        self.value_range = check_value_range(extractor.value_range)
        self.precision = extractor.precision
        self._retry_failed = bool(extractor.retry_failed)
        self._isolate = isolation_seconds(extractor.isolate)
        self.weights: Weights = backbones.resolve_weights(self.row, extractor.weights)
        # What a user registered is known by what it does, and his constructor may build something else the
        # next time: this model is described, and this one runs.
        self._model = None if self.row.builtin else frozen_model(self.row, self.weights, self.image_size)
        self._backbone = backbones.describe_backbone(self.row, self.weights, self._model)
        self._cache = as_cache(extractor.cache)
        self.files = None if self._cache is None else self._cache.files
        verdicts = Verdicts(
            None if self._cache is None else self._cache.folder,
            {"backbone": self._backbone, "image_size": self.image_size},
        )
        name, fallback = check_engine(extractor.engine, self.precision)
        self._choice = EngineChoice(name, fallback, self.layers, verdicts, self._build)
        self._space: MemorySpace | SpillingSpace | None = None

    @property
    def description(self) -> dict[str, Any]:
        """What can change a feature, with the engine as far as it is known before anything is built."""
        return {
            "backbone": self._backbone,
            "image_size": self.image_size,
            "decoder": images.DECODER,
            "resize": self.resize,
            # The digest of a float array does not say which range it spans.
            "value_range": None if self.value_range is None else list(self.value_range),
            "engine": self._choice.likely(),
            "precision": self.precision,
        }

    @property
    def space(self) -> MemorySpace | SpillingSpace:
        """Where features are kept, under the name of the engine that makes them."""
        with LOCK:
            if self._space is None:
                self._choice.settle()
                self._space = (
                    MemorySpace()
                    if self._cache is None
                    else SpillingSpace(
                        self._cache.space(self.description), half=self._cache.dtype == "float16"
                    )
                )
            return self._space

    def engine(self) -> Engine:
        """Return the engine, built on first use: a warm run never needs it."""
        enter_network()
        with LOCK:
            return self._choice.engine()

    def _build(self, name: str) -> Engine:
        make = engine_function(name, self.precision)
        arguments = make, self.row, self.weights, self.image_size, self.layers, self.batch_size
        if self._model is None:
            return shared_engine(*arguments)
        return build_engine(*arguments, model=self._model)

    def recipe(self, views: tuple[AnyView, ...]) -> Recipe:
        """Return what the pipeline must know."""
        parts = tuple(
            f"{layer}@{'full' if grid is None else grid}"
            for layer, grid in zip(self.layers, self.grids, strict=True)
        )
        return Recipe(
            self.space,
            parts,
            self.grids,
            views,
            self.image_size,
            self.resize,
            self.batch_size,
            self.value_range,
            KnownFailures(self.space, retry=self._retry_failed),
            self._isolate,
        )


def _check_parameters(extractor: Any, row: Backbone) -> tuple[int, tuple[str, ...]]:
    """Return image size and layers; report every parameter that is wrong, all at once."""
    problems = setting_problems(extractor, extractor.grid)
    image_size = gather(problems, lambda: row.check_image_size(extractor.image_size))
    layers = gather(problems, lambda: _layer_names(extractor.layers, row))
    if problems or image_size is None or layers is None:
        raise InvalidInputError(*problems)
    return image_size, layers


def setting_problems(owner: Any, grid: Any) -> list[str]:
    """Return what is wrong with the parameters of an extractor, or of an estimator, whatever its backbone."""
    problems: list[str] = []
    gather(problems, lambda: check_engine(owner.engine, owner.precision))
    problems += choice("resize", owner.resize, ("stretch", "pad"))
    gather(problems, lambda: isolation_seconds(owner.isolate))
    problems += choice("on_error", owner.on_error, ("raise", "skip"))
    if not is_count(owner.batch_size):
        problems.append(f"batch_size must be a positive integer. Got {owner.batch_size!r}.")
    grids = grid if isinstance(grid, list | tuple) else [grid]
    if not all(cells is None or is_count(cells) for cells in grids):
        problems.append(
            f"grid must be a positive integer, one for each layer, or None for whole maps. Got {grid!r}."
        )
    gather(problems, lambda: as_cache(owner.cache))
    gather(problems, lambda: check_value_range(owner.value_range))
    problems += flag("retry_failed", owner.retry_failed)
    problems += flag("progress", owner.progress)
    return problems


def isolation_seconds(isolate: Any) -> float | None:
    """Return the time limit that the parameter ``isolate`` stands for; None is decoding in this process."""
    if isinstance(isolate, bool | np.bool_):
        return ISOLATED_SECONDS if isolate else None
    if isinstance(isolate, int | float | np.number) and 0 < isolate < float("inf"):
        return float(isolate)
    raise InvalidInputError(
        f"isolate must be True, False, or the seconds that one image may take. Got {isolate!r}."
    )


def _layer_grids(grid: Any, layers: tuple[str, ...]) -> tuple[int | None, ...]:
    """Return one grid for each layer."""
    if not isinstance(grid, list | tuple):
        return (None if grid is None else int(grid),) * len(layers)
    if len(grid) != len(layers):
        raise InvalidInputError(
            f"grid must have one number for each of the {len(layers)} layers {list(layers)}. Got {grid!r}."
        )
    return tuple(None if cells is None else int(cells) for cells in grid)


def _layer_names(layers: str | Sequence[str], row: Backbone) -> tuple[str, ...]:
    """Return layer names for what a user may write."""
    if isinstance(layers, str):
        return row.layers if layers == "auto" else (layers,)
    names = tuple(layers) if isinstance(layers, list | tuple) else ()  # a set has another order every day
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidInputError(
            f"layers must be 'last', 'auto', the name of a layer, or a list of different names. "
            f"Got {layers!r}."
        )
    return names


def as_cache(cache: Any) -> FeatureCache | None:
    """Return the cache that a parameter stands for; None is memory only."""
    if cache is False or cache is None:
        return None
    if cache is True:
        return FeatureCache()
    if isinstance(cache, FeatureCache):
        return cache
    if not is_path(cache):
        raise InvalidInputError(
            f"cache must be True, False, the path of a folder, or a FeatureCache. Got {cache!r}."
        )
    return FeatureCache(cache)

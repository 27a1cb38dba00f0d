"""The parameters of an extractor, checked, and what is made from them: row, weights, space, engine."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from transferkit import backbones, images
from transferkit.backbones import Backbone, Weights
from transferkit.cache import FeatureCache
from transferkit.engines import ENGINES, Engine, build_engine, check_engine, shared_engine
from transferkit.errors import InvalidInputError, gather
from transferkit.extractor._memory import MemorySpace, SpillingSpace
from transferkit.extractor._pipeline import Recipe
from transferkit.images import check_value_range
from transferkit.views import AnyView

LOCK = threading.RLock()


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
        self.engine_name = check_engine(extractor.engine)
        self.weights: Weights = backbones.resolve_weights(self.row, extractor.weights)
        self._engine: Engine | None = None
        model = None if self.row.builtin else self.engine().model
        self.description: dict[str, Any] = {
            "backbone": backbones.describe_backbone(self.row, self.weights, model),
            "image_size": self.image_size,
            "decoder": images.DECODER,
            "resize": self.resize,
            # The digest of a float array does not say which range it spans.
            "value_range": None if self.value_range is None else list(self.value_range),
            "engine": self.engine_name,
            "precision": "float32",
        }
        cache = _as_cache(extractor.cache)
        self.files = None if cache is None else cache.files
        self.space: MemorySpace | SpillingSpace = MemorySpace()
        if cache is not None:
            self.space = SpillingSpace(cache.space(self.description), half=cache.dtype == "float16")

    def engine(self) -> Engine:
        """Return the engine, built on first use: a warm run never needs it."""
        with LOCK:
            if self._engine is None:
                # A user's constructor may build something else the next time: only our rows are shared.
                make = shared_engine if self.row.builtin else build_engine
                self._engine = make(
                    ENGINES[self.engine_name],
                    self.row,
                    self.weights,
                    self.image_size,
                    self.layers,
                    self.batch_size,
                )
            return self._engine

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
        )


def _check_parameters(extractor: Any, row: Backbone) -> tuple[int, tuple[str, ...]]:
    """Return image size and layers; report every parameter that is wrong, all at once."""
    problems: list[str] = []
    image_size = gather(problems, lambda: row.check_image_size(extractor.image_size))
    layers = gather(problems, lambda: _layer_names(extractor.layers, row))
    if extractor.resize not in ("stretch", "pad"):
        problems.append(f"resize must be 'stretch' or 'pad'. Got {extractor.resize!r}.")
    if extractor.on_error not in ("raise", "skip"):
        problems.append(f"on_error must be 'raise' or 'skip'. Got {extractor.on_error!r}.")
    if not _is_count(extractor.batch_size):
        problems.append(f"batch_size must be a positive integer. Got {extractor.batch_size!r}.")
    grids = extractor.grid if isinstance(extractor.grid, list | tuple) else [extractor.grid]
    if not all(grid is None or _is_count(grid) for grid in grids):
        problems.append(
            "grid must be a positive integer, one for each layer, or None for whole maps. "
            f"Got {extractor.grid!r}."
        )
    if problems or image_size is None or layers is None:
        raise InvalidInputError(*problems)
    return image_size, layers


def _is_count(value: Any) -> bool:
    """Whether this is a positive integer."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value > 0)


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
    names = tuple(layers) if isinstance(layers, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidInputError(
            f"layers must be 'last', 'auto', the name of a layer, or a list of different names. "
            f"Got {layers!r}."
        )
    return names


def _as_cache(cache: Any) -> FeatureCache | None:
    """Return the cache that a parameter stands for; None is memory only."""
    if cache is False or cache is None:
        return None
    if cache is True:
        return FeatureCache()
    return cache if isinstance(cache, FeatureCache) else FeatureCache(cache)

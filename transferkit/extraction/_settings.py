"""Resolve checked parameters to what an extraction needs: backbone, weights, feature space and engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from transferkit import backbones
from transferkit.backbones import Backbone, KerasNetwork, Network, Weights, build_network
from transferkit.cache import MemorySpace, SpillingSpace
from transferkit.engines import (
    Engine,
    EngineChoice,
    EngineRequest,
    GraphStore,
    Verdicts,
    build_engine,
    choose_engine,
)
from transferkit.errors import InvalidInputError, gather
from transferkit.extraction._failed import KnownFailures
from transferkit.extraction._job import Job
from transferkit.extraction._parameters import (
    as_cache,
    default_grid,
    isolation_seconds,
    layer_grids,
    layer_names,
    parameter_problems,
)
from transferkit.foundation.forks import enter_network
from transferkit.identity import Guard, describe_backbone, describe_features
from transferkit.images import check_selection, check_value_range, read_source
from transferkit.views import AnyView, View

LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A forked child must not inherit a lock held by another thread. This lock is taken before those of the
    # cache, in the same order as everywhere: handlers registered last run first.
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)


class Settings:
    """Checked and resolved parameters; the engine is built when it is first needed.

    Parameters
    ----------
    backbone : Backbone
    parameters : mapping
        The parameters of an extractor, without the backbone, resolved against the configuration.
    """

    def __init__(self, backbone: Backbone, parameters: Mapping[str, Any]) -> None:
        self.backbone = backbone
        self.image_size, self.layers = _check(backbone, parameters)
        grid = parameters["grid"]
        grid = default_grid(parameters["layers"], backbone) if grid is None else grid
        self.grids = layer_grids(grid, self.layers)
        self.resize: str = parameters["resize"]
        self.batch_size: int = parameters["batch_size"]
        self.value_range = check_value_range(parameters["value_range"])
        self.selection = check_selection(parameters["frame"], parameters["channels"])
        self.precision: str = parameters["precision"]
        self.progress = bool(parameters["progress"])
        self.memory_limit: float | None = parameters["memory_limit"]
        self.retry_failed = bool(parameters["retry_failed"])
        self.isolate = isolation_seconds(parameters["isolate"])
        self.weights: Weights = backbones.resolve_weights(backbone, parameters["weights"])
        self._cache = as_cache(parameters["cache"])
        folder = None if self._cache is None else self._cache.folder
        # A user's backbone is identified by its features, and its constructor may build something else next
        # time. So the very network that is described here is run.
        self._network = (
            None
            if backbones.is_declared(backbone)
            else build_network(backbone, self.weights, self.image_size)
        )
        if isinstance(self._network, KerasNetwork):
            self._network.check_maps(self.layers)
        self.backbone_facts = describe_backbone(
            backbone, self.weights, self._network, image_size=self.image_size, folder=folder
        )
        self.guard = (
            Guard(backbone, self._network, self.backbone_facts, self.image_size)
            if "probe" in self.backbone_facts
            else None
        )
        self.files = None if self._cache is None else self._cache.files
        verdicts = Verdicts(folder, {"backbone": self.backbone_facts, "image_size": self.image_size})
        # A network that is identified by its features has to be built anyway.
        self._graphs = GraphStore(folder, verdicts.key) if self._network is None else None
        self._identity = verdicts.key
        name, fallback = choose_engine(backbone, parameters["engine"], self.precision)
        self._choice = EngineChoice(name, fallback, self.layers, verdicts, self._build)
        self._space: MemorySpace | SpillingSpace | None = None

    @property
    def recommended(self) -> dict[str, Any]:
        """Values that the backbone's recommendations supply for parameters that were not set."""
        return {"image_size": self.image_size, "layers": list(self.layers), "grid": list(self.grids)}

    @property
    def description(self) -> dict[str, Any]:
        """Recipe of the feature space; before the engine is built, with the engine as far as known."""
        return describe_features(
            self.backbone_facts,
            image_size=self.image_size,
            resize=self.resize,
            value_range=self.value_range,
            selection=self.selection,
            engine=self._choice.likely(),
            precision=self.precision,
        )

    @property
    def space(self) -> MemorySpace | SpillingSpace:
        """Feature space for features of this engine."""
        with LOCK:
            if self._space is None:
                self._choice.settle()
                self._space = (
                    MemorySpace()
                    if self._cache is None
                    else SpillingSpace(self._cache.space(self.description))
                )
            return self._space

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that are stored for each image."""
        return tuple(
            f"{layer}@{'full' if grid is None else grid}"
            for layer, grid in zip(self.layers, self.grids, strict=True)
        )

    def explain(self, image: Any, view: View) -> str:
        """Explain whether features of a view of an image are in the cache, and why; builds no engine."""
        if self._cache is None:
            return "Miss: cache=False keeps features in memory only."
        key = view.key(read_source(image, selection=self.selection).digest)
        return self._cache.explain(key.digest, self.description, self.parts, key.view)

    def engine(self) -> Engine:
        """Return the engine, which is built on first use; not needed if all features are cached."""
        enter_network()
        if self.guard:
            self.guard.check_preprocessing()
        with LOCK:
            return self._choice.engine()

    def network(self) -> Network:
        """Return the network for engines, newly built unless a user registered it."""
        enter_network()
        return self._network or build_network(self.backbone, self.weights, self.image_size)

    def _build(self, name: str) -> Engine:
        # In bfloat16, averages would be rounded.
        grids = self.grids if self.precision == "float32" else None
        request = EngineRequest(
            self.backbone,
            self.weights,
            self.image_size,
            self.layers,
            self.batch_size,
            self.precision,
            self._network,
            self._graphs,
            grids,
            self._identity,
        )
        engine = build_engine(name, request)
        if self.guard:
            self.guard.check_network()
        return engine

    def job(self, views: tuple[AnyView, ...]) -> Job:
        """Return the job for the pipeline to compute these views."""
        failures = KnownFailures(self.space, retry=self.retry_failed)
        return Job(self.space, self.parts, self.grids, views, self.image_size, self.resize, self.batch_size,
                   self.value_range, failures, self.isolate, selection=self.selection)  # fmt: skip


def _check(backbone: Backbone, parameters: Mapping[str, Any]) -> tuple[int, tuple[str, ...]]:
    """Return image size and layers; report every parameter that is wrong, all at once."""
    problems = parameter_problems(parameters)
    image_size = gather(problems, lambda: backbone.check_image_size(parameters["image_size"]))
    layers = gather(problems, lambda: layer_names(parameters["layers"], backbone))
    if problems or image_size is None or layers is None:
        raise InvalidInputError(*problems)
    return image_size, layers

"""Check and resolve the parameters of an extractor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from transferkit.backbones import Backbone
from transferkit.cache import FeatureCache
from transferkit.engines import check_engine
from transferkit.errors import InvalidInputError, gather
from transferkit.foundation.arguments import choice, flag, is_count, is_number, is_path
from transferkit.images import check_selection, check_value_range

ISOLATED_SECONDS = 30.0  # a 50-megapixel image takes a second or two
ON_ERROR = ("raise", "skip")


def is_precomputed(backbone: Any) -> bool:
    """Return True for "precomputed", which means that X holds features and no extractor is needed."""
    return isinstance(backbone, str) and backbone == "precomputed"


def resolve(parameters: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters, with the configuration's values for those that are None."""
    return {
        name: config[name] if value is None and name in config else value
        for name, value in parameters.items()
    }


def parameter_problems(parameters: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with resolved parameters, whatever the backbone."""
    problems: list[str] = []
    checks: list[Callable[[], Any]] = [
        lambda: check_engine(parameters["engine"], parameters["precision"]),
        lambda: isolation_seconds(parameters["isolate"]),
        lambda: as_cache(parameters["cache"]),
        lambda: check_value_range(parameters["value_range"]),
        lambda: check_selection(parameters["frame"], parameters["channels"]),
    ]
    for check in checks:
        gather(problems, check)
    problems += choice("resize", parameters["resize"], ("stretch", "pad"))
    problems += choice("on_error", parameters["on_error"], ON_ERROR, or_none=True)
    if not is_count(parameters["batch_size"]):
        problems.append(f"batch_size must be a positive integer. Got {parameters['batch_size']!r}.")
    limit = parameters["memory_limit"]
    if not (limit is None or is_number(limit, above=0)):
        problems.append(f"memory_limit must be a number of bytes, or None. Got {limit!r}.")
    problems += grid_problems(parameters["grid"])
    problems += flag("retry_failed", parameters["retry_failed"])
    problems += flag("progress", parameters["progress"])
    return problems


def grid_problems(grid: Any) -> list[str]:
    """Return what is wrong with a grid."""
    grids = grid if isinstance(grid, list | tuple) else [grid]
    if all(_is_full(cells) or is_count(cells) for cells in grids):
        return []
    return [f"grid must be a positive integer, one for each layer, or 'full' for whole maps. Got {grid!r}."]


def isolation_seconds(isolate: Any) -> float | None:
    """Return the time limit for ``isolate``; None means decoding in this process."""
    if isinstance(isolate, bool | np.bool_):
        return ISOLATED_SECONDS if isolate else None
    if isinstance(isolate, int | float | np.number) and 0 < isolate < float("inf"):
        return float(isolate)
    raise InvalidInputError(
        f"isolate must be True, False, or the seconds that one image may take. Got {isolate!r}."
    )


def as_cache(cache: Any) -> FeatureCache | None:
    """Return the cache for a parameter; None means memory only."""
    if cache is False:
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


def layer_names(layers: Any, backbone: Backbone) -> tuple[str, ...]:
    """Return the names of the requested layers."""
    if layers is None:
        # The summary of a transformer; see "One vector by default" in docs/design.md.
        return backbone.layers[-2:][:1]
    if isinstance(layers, str):
        return backbone.layers if layers == "auto" else (layers,)
    names = tuple(layers) if isinstance(layers, list | tuple) else ()  # the order of a set is not fixed
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidInputError(
            f"layers must be 'last', 'auto', the name of a layer, or a list of different names. "
            f"Got {layers!r}."
        )
    return names


def default_grid(layers: Any, backbone: Backbone) -> Any:
    """Return the default grid: the recommended one for recommended layers, else a single cell."""
    return ("full" if backbone.grid is None else backbone.grid) if layers == "auto" else 1


def layer_grids(grid: Any, layers: Sequence[str]) -> tuple[int | None, ...]:
    """Return a grid for each layer; None keeps the whole map."""
    if not isinstance(grid, list | tuple):
        return (_cells(grid),) * len(layers)
    if len(grid) != len(layers):
        raise InvalidInputError(
            f"grid must have one number for each of the {len(layers)} layers {list(layers)}. Got {grid!r}."
        )
    return tuple(map(_cells, grid))


def _is_full(cells: Any) -> bool:
    return cells is None or (isinstance(cells, str) and cells == "full")


def _cells(cells: Any) -> int | None:
    return None if _is_full(cells) else int(cells)

"""The interface of engines: a request goes in, a backbone that runs comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from transferkit.backbones import Backbone, Network, Weights
from transferkit.engines._prepared import GraphStore


@dataclass(frozen=True)
class EngineRequest:
    """What an engine is built from. Hashable, so that equal requests can share an engine.

    Parameters
    ----------
    backbone : Backbone
    weights : Weights
    image_size : int
        Side ``S`` in pixels.
    layers : tuple of str
    batch_size : int
    precision : {"float32", "bfloat16"}, default="float32"
    network : Network, optional
        A network that is built already; None builds one.
    graphs : GraphStore, optional
        Where converted graphs are kept for other processes.
    grids : tuple of int or None, optional
        Of each layer, over which the caller will average. An engine may return averages already, which
        `pool_to_grid` leaves as they are.
    identity : str, default=""
        What the backbone was described as: one function may preprocess in two ways, one after the other.
    """

    backbone: Backbone
    weights: Weights
    image_size: int
    layers: tuple[str, ...]
    batch_size: int
    precision: str = "float32"
    network: Network | None = None
    graphs: GraphStore | None = field(default=None, compare=False)  # the same engine, wherever features lie
    grids: tuple[int | None, ...] | None = None
    identity: str = ""


@dataclass(frozen=True)
class Engine:
    """A backbone that runs.

    Parameters
    ----------
    name : str
    run : callable
        Maps uint8 pixels (n, S, S, 3) of any n to a list of float32 arrays (n, h, w, c) or (n, c),
        one for each layer. The features of an image do not depend on the rest of its batch. Thread-safe.
        An optional second argument maps such a list to another. It is applied to a few images at a time
        while their maps are in the processor's caches, where averaging large maps is cheaper than
        copying them.
    n_parameters : int, optional
        Of the network, if known.
    """

    name: str
    run: Callable[..., list[np.ndarray]]
    n_parameters: int | None = None


Keep = Callable[[list[np.ndarray]], list[np.ndarray]]


def as_they_are(maps: list[np.ndarray]) -> list[np.ndarray]:
    """Return the maps unchanged."""
    return maps


def pad(pixels: np.ndarray, target: int) -> np.ndarray:
    """Repeat the last image up to ``target`` images; more are returned unchanged.

    An empty batch is padded with black images, since TensorFlow's convolutions fail on it.
    """
    n = len(pixels)
    if n >= target:
        return pixels
    last = pixels[-1:] if n else np.zeros_like(pixels, shape=(1, *pixels.shape[1:]))
    return np.concatenate([pixels, np.repeat(last, target - n, axis=0)])

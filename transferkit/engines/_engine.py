"""The interface of engines: they get a request, and return a backbone that is ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from transferkit.backbones import Backbone, Network, Weights
from transferkit.engines._prepared import GraphStore


@dataclass(frozen=True)
class EngineRequest:
    """The arguments for building an engine; hashable, so that equal requests can share an engine.

    Parameters
    ----------
    backbone : Backbone
        The backbone to run.
    weights : Weights
        Its weights.
    image_size : int
        Side ``S`` of the squares in pixels.
    layers : tuple of str
        Layers whose outputs are returned.
    batch_size : int
        Largest number of images to compute at once.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        Number format of the computation.
    network : Network, optional
        A network that is already built; by default, one is built.
    graphs : GraphStore, optional
        Where converted graphs are kept for other processes.
    grids : tuple of int or None, optional
        Grid over which the caller will average each layer. An engine may average over it already, because
        `pool_to_grid` does not change averages.
    identity : str, default=""
        Description of the backbone, because the preprocessing of a function may change over time.
    """

    backbone: Backbone
    weights: Weights
    image_size: int
    layers: tuple[str, ...]
    batch_size: int
    precision: str = "float32"
    network: Network | None = None
    graphs: GraphStore | None = field(default=None, compare=False)  # engines do not depend on it
    grids: tuple[int | None, ...] | None = None
    identity: str = ""


@dataclass(frozen=True)
class Engine:
    """A backbone that is ready to run.

    Parameters
    ----------
    name : str
        Name of the engine.
    run : callable
        Maps uint8 pixels (n, S, S, 3) for any n to a list of float32 arrays (n, h, w, c) or (n, c), one per
        layer. The features of an image do not depend on the rest of its batch. Thread-safe. An optional
        second argument is a function from such a list to another. It is applied to a few images at a time
        while their maps are in the processor's caches, where averaging large maps is cheaper than copying
        them.
    n_parameters : int, optional
        Number of weights of the network, if known.
    """

    name: str
    run: Callable[..., list[np.ndarray]]
    n_parameters: int | None = None


Keep = Callable[[list[np.ndarray]], list[np.ndarray]]


def as_they_are(maps: list[np.ndarray]) -> list[np.ndarray]:
    """Return the maps unchanged."""
    return maps


def pad(pixels: np.ndarray, target: int) -> np.ndarray:
    """Pad a batch to ``target`` images by repeating the last one; larger batches are returned unchanged.

    An empty batch is padded with black images, because TensorFlow's convolutions fail on it.
    """
    n = len(pixels)
    if n >= target:
        return pixels
    last = pixels[-1:] if n else np.zeros_like(pixels, shape=(1, *pixels.shape[1:]))
    return np.concatenate([pixels, np.repeat(last, target - n, axis=0)])

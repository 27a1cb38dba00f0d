"""One look at images: squares, the backbone, and its pooled maps, view by view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.errors import ExportError
from transferkit.exports._maps import in_half, mean, pooled
from transferkit.exports._network import EmbeddedNetwork
from transferkit.exports._tensor import Tensor
from transferkit.exports._traced_network import TracedNetwork

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Maps:
    """The maps of one view.

    Parameters
    ----------
    tensors : list of Tensor
        Map of each layer, (n, h, w, c) or (n, c).
    shapes : list of tuple of int
        Shape of the map of one image.
    """

    tensors: list[Tensor]
    shapes: list[Shape]


def look(
    network: EmbeddedNetwork | TracedNetwork, settings: Any, views: Sequence[Sequence[Tensor]]
) -> list[Maps]:
    """Return the maps of each view as an extractor stores them.

    Parameters
    ----------
    network : EmbeddedNetwork or TracedNetwork
    settings : Settings
        Settings of the extractor: layers, grids, and whether rows are stored in half precision.
    views : sequence of sequence of Tensor
        Squares (n, 3, S, S) of each view; the maps of several squares are averaged.
    """
    squares = [square for view in views for square in view]
    graph = squares[0].graph
    if network.fixed_batch is None:
        maps = network.maps(graph, graph.join(squares, 0), settings.layers)
        halves = [graph.split(layer, len(squares), 0) for layer in maps]
        found = [list(layers) for layers in zip(*halves, strict=True)]
    elif network.fixed_batch == 1:
        found = [network.maps(graph, square, settings.layers) for square in squares]
    else:
        raise ExportError(
            f"The backbone is an ONNX file that takes exactly {network.fixed_batch} images at once, and "
            "predictions are of any number. Export the network with a free or a single batch, and fit again."
        )
    shapes = [network.shapes[layer] for layer in settings.layers]
    looks = []
    for view in views:
        several, found = found[: len(view)], found[len(view) :]
        looks.append(_kept(several, shapes, settings))
    return looks


def _kept(several: list[list[Tensor]], shapes: list[Shape], settings: Any) -> Maps:
    """Return the mean maps of several squares, averaged over grids and rounded as by the cache."""
    tensors, smaller = [], []
    for i, (shape, grid) in enumerate(zip(shapes, settings.grids, strict=True)):
        means = [pooled(maps[i], shape, grid) for maps in several]
        tensor = mean([tensor for tensor, _ in means])
        tensors.append(in_half(tensor) if settings.space.half else tensor)
        smaller.append(means[0][1])
    return Maps(tensors, smaller)

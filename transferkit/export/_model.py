"""A fitted model as one ONNX model: from the pixels of images to its answers."""

from __future__ import annotations

from typing import Any

from transferkit.errors import ExportError
from transferkit.export._answers import answer
from transferkit.export._graph import Graph
from transferkit.export._heads import apply_head
from transferkit.export._looks import look
from transferkit.export._maps import mean
from transferkit.export._network import EmbeddedNetwork
from transferkit.export._resize import as_planes
from transferkit.export._squares import squares_of
from transferkit.tasks import Points

INPUT = "image"


def build(predictor: Any) -> Any:
    """Return an ONNX model with the input "image", uint8 RGB pixels (n, height, width, 3).

    Parameters
    ----------
    predictor : Predictor

    Raises
    ------
    ExportError
        A part of the predictor has no form as a graph; the message says which.
    """
    settings = predictor.extractor.settings()
    _check(predictor, settings)
    graph = Graph()
    network = EmbeddedNetwork(settings, settings.layers)
    planes = as_planes(graph.input(INPUT, "uint8", [network.fixed_batch or "n", "height", "width", 3]))
    squares = squares_of(planes, predictor.views, settings.image_size, settings.resize)
    views = look(network, settings, squares)
    outputs = mean([apply_head(predictor.head, maps) for maps in views])
    name, tensor, shape = answer(predictor.task, outputs)
    return graph.model({name: (tensor, [network.fixed_batch or "n", *shape])}, **network.details)


def _check(predictor: Any, settings: Any) -> None:
    """Refuse what other programs cannot repeat."""
    if settings.precision != "float32":
        raise ExportError(
            f"The features of this model are computed in {settings.precision}, which other runtimes round "
            "otherwise. Fit again with precision='float32'."
        )
    if settings.selection.channels is not None:
        raise ExportError(
            f"The model chooses channels {settings.selection.channels} of files, and an exported model is given "
            "RGB pixels. Fit on images that are RGB already."
        )

"""A fitted model as a single ONNX model, from the pixels of images to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.errors import ExportError
from transferkit.exports._answers import Answer, answer
from transferkit.exports._graph import Graph
from transferkit.exports._heads import apply_head
from transferkit.exports._looks import look
from transferkit.exports._maps import mean
from transferkit.exports._network import EmbeddedNetwork
from transferkit.exports._points import closer_look, first_look, look_in_boxes
from transferkit.exports._resize import as_planes, whole_square
from transferkit.exports._squares import squares_of
from transferkit.exports._tensor import Tensor
from transferkit.exports._traced_network import TracedNetwork
from transferkit.exports._wide_look import look_wide
from transferkit.tasks import Points

IMAGE, BOXES = "image", "boxes"  # names of inputs


def build(predictor: Any, branches: bool) -> Any:
    """Return an ONNX model with the input "image", uint8 RGB pixels (n, height, width, 3).

    A model that was fitted with boxes also has the input "boxes", float32 (n, 4).

    Parameters
    ----------
    predictor : Predictor
    branches : bool
        Whether the model may have an "If" node.

    Raises
    ------
    ExportError
        A part of the predictor cannot be expressed as a graph; the message names it.
    """
    settings = predictor.extractor.settings()
    closer = [refinement.extractor.settings() for refinement in predictor.refinements]
    check_exportable(predictor, settings)
    graph = Graph()
    network, close = _networks(settings, closer)
    n = network.fixed_batch or "n"
    planes = as_planes(graph.input(IMAGE, "uint8", [n, "height", "width", 3]))
    if getattr(predictor.task, "boxed", False):
        boxes = graph.input(BOXES, "float32", [n, 4])
        found = _points(look_in_boxes(planes, boxes, predictor, settings, network), predictor)
    else:
        whole = whole_square(planes, settings.image_size, settings.resize)
        found = from_squares(planes, whole, predictor, settings, network, branches=branches)
    for refinement in predictor.refinements:
        found = _points(closer_look(planes, found.tensor, refinement, close), predictor)
    if offset := getattr(predictor.task, "offset", 0.0):
        found = _points(found.tensor + np.array([offset, 0], np.float32), predictor)
    return graph.model({found.name: (found.tensor, [n, *found.shape])}, **network.details)


def _networks(settings: Any, closer: Sequence[Any]) -> tuple[EmbeddedNetwork, EmbeddedNetwork]:
    """Return the networks of the first and of closer looks: the same, unless a closer look was fine-tuned."""
    close = [layer for each in closer for layer in each.layers]
    if not closer or closer[0].weights.digest == settings.weights.digest:
        network = EmbeddedNetwork(settings, [*settings.layers, *close])
        return network, network
    return EmbeddedNetwork(settings, settings.layers), EmbeddedNetwork(closer[0], close, "closer_")


def from_squares(
    planes: Tensor,
    whole: Tensor,
    predictor: Any,
    settings: Any,
    network: EmbeddedNetwork | TracedNetwork,
    *,
    branches: bool = False,
) -> Answer:
    """Return the prediction of a first look at images (n, 3, h, w), resized to squares (n, 3, S, S)."""
    views = look(network, settings, squares_of(whole, predictor.views, settings.image_size))
    if isinstance(predictor.task, Points):
        points = first_look(planes, predictor, views, settings)
        if predictor.wide_look is not None:
            assert isinstance(network, EmbeddedNetwork)  # other networks take squares, not whole images
            points = look_wide(planes, points, predictor, settings, network, branches=branches)
        return _points(mean(points), predictor)
    return answer(predictor.task, mean([apply_head(predictor.head, maps) for maps in views]))


def _points(points: Tensor, predictor: Any) -> Answer:
    return Answer("keypoints", points, [predictor.task.n_points, 2])


def check_exportable(predictor: Any, settings: Any) -> None:
    """Raise for models that other programs cannot reproduce."""
    if settings.precision != "float32":
        raise ExportError(
            f"The features of this model are computed in {settings.precision}, which other runtimes round "
            "otherwise. Fit again with precision='float32'."
        )
    if settings.selection.channels is not None:
        raise ExportError(
            f"The model chooses channels {settings.selection.channels} of files, and an exported model is "
            "given RGB pixels. Fit on images that are RGB already."
        )

"""Activations of a single layer, for inspecting what a network sees."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit import images
from transferkit.backbones import Backbone, get_backbone, list_layers
from transferkit.engines import reference_engine
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.extraction._extractor import FeatureExtractor
from transferkit.extraction._pipeline import decode_ahead
from transferkit.views import ORIGINAL


def extract_activations(
    backbone: str | Backbone,
    X: Any,
    layer: str | int = "last",
    *,
    filters: Sequence[int] | None = None,
    weights: str | os.PathLike[str] | None = "imagenet",
    image_size: int | None = None,
    resize: str = "stretch",
    engine: str | None = None,
    batch_size: int = 8,
    value_range: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """Return the unaltered activations of one layer for some images.

    They are not cached: those of the first layer of VGG16 take 12.8 MB per image.

    Parameters
    ----------
    backbone : str or Backbone
        Name in the registry.
    X : image or sequence of images
        Paths, bytes, file objects, PIL images or arrays.
    layer : str or int, default="last"
        Name of the layer, or its position in :func:`transferkit.list_layers`; -1 is the last one.
    filters : sequence of int, optional
        Channels to return, by default all; fewer save memory.
    weights, image_size, resize, value_range
        As for :class:`FeatureExtractor`.
    engine : str, optional
        Library that runs the backbone; by default Keras, or ONNX Runtime for an ONNX file, since for a few
        images it is not worthwhile to prepare another one.
    batch_size : int, default=8
        Number of images per call of the backbone.

    Returns
    -------
    ndarray of float32, shape (n, h, w, c)
        Of shape (n, c) if the layer returns vectors.

    Raises
    ------
    InvalidInputError
        There is no such layer or filter, no image, or a parameter cannot be used.
    BadImageError
        An image cannot be read; ``.index`` says which.
    WeightsError
        The weights cannot be found.

    See Also
    --------
    FeatureExtractor : Compute and cache features of many images.
    transferkit.plots.plot_activations : Draw activations.

    Examples
    --------
    >>> from transferkit import extract_activations
    >>> extract_activations("vgg16", "face.jpg", "block1_conv1").shape  # doctest: +SKIP
    (1, 224, 224, 64)
    """
    sources = images.as_image_list(X)
    settings = FeatureExtractor(
        backbone,
        weights=weights,
        image_size=image_size,
        layers=_layer_name(layer, backbone, image_size),
        grid="full",
        resize=resize,
        engine=engine or reference_engine(get_backbone(backbone)),
        batch_size=batch_size,
        cache=False,
        value_range=value_range,
    ).settings()
    if settings.value_range is None:
        images.check_agreement(sources)
    job = settings.job((ORIGINAL,))
    parts = []
    for start in range(0, len(sources), batch_size):
        rows = range(start, min(start + batch_size, len(sources)))
        squares = []
        for _, decoded in decode_ahead(job, sources, rows):
            if isinstance(decoded, BadImageError):
                raise decoded
            squares.append(decoded.squares[0][1])
        parts.append(_choose(settings.engine().run(np.concatenate(squares))[0], filters))
    return np.concatenate(parts)


def _layer_name(layer: str | int, backbone: str | Backbone, image_size: int | None) -> str:
    """Return the name of a layer, given its name or position."""
    if isinstance(layer, str):
        return layer
    names = list_layers(backbone, image_size=image_size)
    if isinstance(layer, bool) or not isinstance(layer, int) or not -len(names) <= layer < len(names):
        raise InvalidInputError(
            f"layer must be a name or a position in 0..{len(names) - 1}. Got {layer!r}. "
            "Call transferkit.list_layers() for all of them."
        )
    return names[layer]


def _choose(maps: NDArray[np.float32], filters: Sequence[int] | None) -> NDArray[np.float32]:
    """Return the chosen channels."""
    if filters is None:
        return maps
    chosen = np.asarray(filters)
    if chosen.ndim != 1 or not len(chosen) or chosen.min() < 0 or chosen.max() >= maps.shape[-1]:
        raise InvalidInputError(
            f"filters must be a list of numbers in 0..{maps.shape[-1] - 1}. Got {filters!r}."
        )
    kept: NDArray[np.float32] = maps[..., chosen]
    return kept

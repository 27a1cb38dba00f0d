"""Check that a backbone computes correct features: its preprocessing, and its network on a few images."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.function_network import Function
from transferkit.backbones.keras_network import KerasNetwork
from transferkit.backbones.models import build_network
from transferkit.backbones.network import Network
from transferkit.backbones.onnx_file import OnnxNetwork, contrasts, metadata_failures
from transferkit.backbones.registry import get_backbone
from transferkit.backbones.weights import any_weights, resolve_weights
from transferkit.errors import BackboneCheckError, gather

logger = logging.getLogger("transferkit")
# Rounding error allowed between two evaluations of one image, relative to the spread of the features.
_TOLERANCE = 2e-5


def check_backbone(name: str | Backbone, *, weights: Any = None, image_size: int | None = None) -> Backbone:
    """Check that the features of a backbone are correct, and return the backbone.

    The checks are: ``preprocess_input`` keeps the shape and returns finite numbers; pixels are not scaled
    twice; the network runs in evaluation mode (the output for an image is the same alone and in a batch of
    eight); its output depends on the image; it works at ``min_size``; and its recommended layers exist. For
    an ONNX file, mean and std must also be those in its metadata, if there are any; and for comparison,
    statistics of features under the usual values are logged (level INFO), which reveal gross mistakes only.

    Parameters
    ----------
    name : str or Backbone
        Backbone to check.
    weights : {None, "imagenet"} or path, default=None
        Weights to check with. Random weights (None) are sufficient for these checks and need no download.
    image_size : int, optional
        Side of the input in pixels; by default ``min_size``, which is fastest, or the default size if the
        backbone is a function.

    Returns
    -------
    Backbone

    Raises
    ------
    BackboneCheckError
        At least one check failed; the message has a sentence for each.

    Examples
    --------
    >>> from transferkit import check_backbone
    >>> check_backbone("mobilenet").name  # doctest: +SKIP
    'mobilenet'
    """
    backbone = get_backbone(name)
    own = isinstance(backbone.constructor, Function)  # which may not support smaller images
    size = backbone.min_size if image_size is None and not own else backbone.check_image_size(image_size)
    found = any_weights(backbone) if weights is None else resolve_weights(backbone, weights)
    try:
        network = build_network(backbone, found, size)
    except (ValueError, TypeError, AttributeError) as error:
        reason = f"the constructor must accept input_shape=({size}, {size}, 3), include_top=False: {error}"
        raise BackboneCheckError(backbone.name, [reason]) from error
    failures = list(_failures(backbone, network, size))
    if isinstance(network, OnnxNetwork) and found.path is not None:
        failures += _normalisation_failures(backbone, network, found.path)
    if failures:
        raise BackboneCheckError(backbone.name, failures)
    return backbone


def _normalisation_failures(backbone: Backbone, network: OnnxNetwork, path: Path) -> list[str]:
    """Compare mean and std with the file's metadata; log features under the usual values."""
    ours = backbone.constructor.normalisation  # type: ignore[union-attr]
    found = contrasts(network, _images(network.image_size), ours)
    shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    logger.info(f"{backbone.name}: features of different images differ, relative to their mean, by {shown}.")
    return metadata_failures(path, ours)


def _failures(backbone: Backbone, network: Network, size: int) -> Iterator[str]:
    """Yield a sentence for each check that fails."""
    pixels = _images(size)
    batch = backbone.preprocess(pixels)
    if batch.ndim != 4 or batch.shape[:3] != pixels.shape[:3]:
        yield f"preprocess_input must keep (n, height, width) = {pixels.shape[:3]}. Got {batch.shape}."
        return
    problems: list[str] = []
    if isinstance(network, KerasNetwork):
        gather(problems, functools.partial(network.check_input, backbone.name, batch.shape))
    if problems:
        yield from problems
        return
    flat = np.concatenate([np.zeros_like(pixels[:1]), np.full_like(pixels[:1], 255)])
    if not (np.isfinite(batch).all() and np.isfinite(backbone.preprocess(flat)).all()):
        yield "preprocess_input returns NaN or infinity for pixels in 0..255, such as all black or all white."
        return
    alone = np.concatenate([backbone.preprocess(image[None]) for image in pixels])
    if np.abs(alone - batch).max() > 1e-4 * np.abs(batch).max():
        yield (
            "preprocess_input treats an image alone and in a batch differently: it must use constants, or "
            "statistics of each image by itself."
        )
        return
    yield from _scaling_failures(network, batch)

    unknown = [layer for layer in backbone.layers if layer not in network.layer_names()]
    if unknown:
        yield f"layers has names that the network does not have: {', '.join(unknown)}."
    if isinstance(network, KerasNetwork):
        moved: list[str] = []
        gather(moved, functools.partial(network.check_maps, (*backbone.layers, "last")))
        yield from moved
    tap = network.tap((*[layer for layer in backbone.layers if layer not in (*unknown, "last")], "last"))
    yield from _evaluation_failures(lambda images: [maps.astype(np.float64) for maps in tap(images)], batch)


def _images(size: int) -> NDArray[np.float32]:
    """Return different smooth images over the full range, and one of noise."""
    generator = np.random.default_rng(0)
    coarse = generator.uniform(0, 255, (8, 4, 4, 3)).repeat(-(-size // 4), 1).repeat(-(-size // 4), 2)
    pixels: NDArray[np.float32] = coarse[:, :size, :size].astype(np.float32)
    pixels[0] = generator.uniform(0, 255, pixels[0].shape)
    return pixels


def _scaling_failures(network: Network, batch: Any) -> Iterator[str]:
    """Compare the spread of the first convolution's input with that of usual training data."""
    seen, scaler = batch, "preprocess_input"
    if isinstance(network, KerasNetwork) and (layer := _last_scaling_layer(network.model)):
        (name,) = (name for name, operation in network.operations.items() if operation is layer)
        if name in network.tensors:
            (seen,) = network.tap((name,))(batch)
        scaler = f"its own {type(layer).__name__} layer and preprocess_input"
    spread = float(np.std(seen))
    # Uniform noise in 0..255 has a standard deviation of 74; in 0..1 of 0.29; scaled twice of 0.001.
    if spread < 0.02:
        yield f"pixels are scaled twice: after {scaler} their deviation is {spread:.2g} instead of 0.2 to 80."
    if spread > 200:
        yield f"pixels are not scaled: the network sees a deviation of {spread:.3g} instead of 0.2 to 80."


def _last_scaling_layer(model: Any) -> Any:
    """Return the last rescaling or normalisation before the first layer with weights, or None."""
    found = None
    for layer in model.layers:
        if (kind := type(layer).__name__) in {"Rescaling", "Normalization"}:
            found = layer
        elif layer.weights or kind == "Add":
            break
    return found


def _evaluation_failures(run: Callable[[Any], list[Any]], batch: Any) -> Iterator[str]:
    """Check determinism, independence of the batch, and that the output depends on the image."""
    together = run(batch)
    if not all(np.isfinite(maps).all() for maps in together):
        yield "features are not finite."
        return
    # Relative only: with random weights, features of a deep network may be as small as 1e-21.
    allowed = [_TOLERANCE * max(float(maps.std()), float(np.abs(maps).mean())) for maps in together]
    if np.any(_gaps(run(batch), together) > allowed):
        yield "the same images give other features the second time: is dropout active?"
        return
    alone = [np.concatenate(maps) for maps in zip(*(run(image[None]) for image in batch), strict=True)]
    gaps = _gaps(alone, together)
    if np.any(gaps > allowed):
        # Random weights may amplify rounding: a relative change of 1e-7 in its input moves the output of
        # EfficientNetV2-L by five deviations. So allow what rounding of the input does; a fault still shows
        # in earlier layers.
        signs = np.where(np.indices(batch.shape).sum(axis=0) % 2, 1, -1)
        rounded = run((batch * (1 + 1.2e-7 * signs)).astype(np.float32))
        allowed_here = np.maximum(allowed, 4 * _gaps(rounded, together))
        if np.any(gaps > allowed_here):
            yield (
                f"an image alone and in a batch of {len(batch)} has other features "
                f"(by {gaps[gaps > allowed_here].max():.2g}): is batch normalisation in training mode?"
            )
    if np.abs(together[-1][1:] - together[-1][:1]).max() <= allowed[-1]:
        yield "all images have the same features: the output does not depend on the image."


def _gaps(some: list[Any], others: list[Any]) -> Any:
    """Return the largest difference in each layer."""
    return np.array([np.abs(a - b).max() for a, b in zip(some, others, strict=True)])

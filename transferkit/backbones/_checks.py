"""The proof that a backbone gives right features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from transferkit.backbones._model import Taps, build_model
from transferkit.backbones._registry import Backbone, get_backbone
from transferkit.backbones._weights import resolve_weights
from transferkit.errors import BackboneCheckError

# Two evaluations of one image may differ by rounding; measured against the spread of the features.
_TOLERANCE = 2e-5


def check_backbone(name: str | Backbone, *, weights: Any = None, image_size: int | None = None) -> Backbone:
    """Prove that the features of a backbone are right, and return its row.

    Checks that ``preprocess_input`` keeps the shape and returns finite numbers, that pixels are
    not scaled twice, that the network runs in evaluation mode (a fixed output for a fixed
    input, the same for one image and for eight), that it sees the picture at all, that it works
    at ``min_size``, and that the layers of its row exist.

    Parameters
    ----------
    name : str or Backbone
    weights : {None, "imagenet"} or path, default=None
        Random weights prove the mechanics and need no download.
    image_size : int, optional
        Side in pixels; ``min_size`` by default, the fastest.

    Returns
    -------
    Backbone
        The row of this name.

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
    row = get_backbone(name)
    check_row(row, weights, image_size)
    return row


def check_row(row: Backbone, weights: Any = None, image_size: int | None = None) -> None:
    """Run all checks on a row that need not be registered."""
    size = row.min_size if image_size is None else row.check_image_size(image_size)
    found = resolve_weights(row, weights)
    try:
        model = build_model(row, found, size)
    except (ValueError, TypeError, AttributeError) as error:
        reason = f"the constructor must accept input_shape=({size}, {size}, 3), include_top=False: {error}"
        raise BackboneCheckError(row.name, [reason]) from error
    failures = list(_failures(row, model, size))
    if failures:
        raise BackboneCheckError(row.name, failures)


def _failures(row: Backbone, model: Any, size: int) -> Iterator[str]:
    """Yield a sentence for each check that fails."""
    generator = np.random.default_rng(0)
    # Smooth pictures with noise: all of them different, all of them over the full range.
    coarse = generator.uniform(0, 255, (8, 4, 4, 3)).repeat(-(-size // 4), 1).repeat(-(-size // 4), 2)
    pixels = coarse[:, :size, :size].astype(np.float32)
    pixels[0] = generator.uniform(0, 255, pixels[0].shape)

    first = row.preprocess(pixels)
    if first.ndim != 4 or first.shape[:3] != pixels.shape[:3]:
        yield f"preprocess_input must keep (n, height, width) = {pixels.shape[:3]}. Got {first.shape}."
        return
    flat = np.concatenate([np.zeros_like(pixels[:1]), np.full_like(pixels[:1], 255)])
    if not (np.isfinite(first).all() and np.isfinite(row.preprocess(flat)).all()):
        yield "preprocess_input returns NaN or infinity for pixels in 0..255, such as all black or all white."
        return
    alone = np.concatenate([row.preprocess(image[None]) for image in pixels])
    if np.abs(alone - first).max() > 1e-4 * np.abs(first).max():
        yield (
            "preprocess_input treats an image alone and in a batch differently: it must use constants, or "
            "statistics of each image by itself."
        )
        return
    yield from _scaling_failures(model, first)

    taps = Taps(model)
    unknown = [layer for layer in row.layers if layer not in taps.tensors]
    if unknown:
        yield f"the row names layers that the model does not have: {', '.join(unknown)}."
    tapped = taps.model_of((*[layer for layer in row.layers if layer not in (*unknown, "last")], "last"))

    def run(batch: Any) -> list[Any]:
        outputs = tapped(batch, training=False)
        # Keras returns the tensor itself for a list of one output.
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [np.asarray(maps, dtype=np.float64) for maps in outputs]

    yield from _evaluation_failures(run, first)


def _scaling_failures(model: Any, first: Any) -> Iterator[str]:
    """Compare the spread of what reaches the first convolution with what networks are trained on."""
    inside = []
    for layer in model.layers:
        if (kind := type(layer).__name__) in {"Rescaling", "Normalization"}:
            inside.append(layer)
        elif layer.weights or kind == "Add":
            break
    seen = np.asarray(Taps(model).model_of((_name_of(model, inside[-1]),))(first)) if inside else first
    spread = float(np.std(seen))
    # Uniform noise in 0..255 has a deviation of 74; in 0..1 of 0.29; divided twice of 0.001.
    if spread < 0.02:
        what = (
            f"its own {type(inside[-1]).__name__} layer and preprocess_input"
            if inside
            else "preprocess_input"
        )
        yield f"pixels are scaled twice: after {what} their deviation is {spread:.2g} instead of 0.2 to 80."
    if spread > 200:
        yield f"pixels are not scaled: the network sees a deviation of {spread:.3g} instead of 0.2 to 80."


def _name_of(model: Any, layer: Any) -> str:
    tensors = Taps(model).tensors
    return next(name for name, tensor in tensors.items() if tensor is layer.output)


def _evaluation_failures(run: Callable[[Any], list[Any]], batch: Any) -> Iterator[str]:
    """Check determinism, independence of the batch, and that the picture matters to the last layer."""
    together = run(batch)
    if not all(np.isfinite(maps).all() for maps in together):
        yield "features are not finite."
        return
    # Relative only: random weights may shrink the features of a deep network to 1e-21.
    allowed = [_TOLERANCE * max(float(maps.std()), float(np.abs(maps).mean())) for maps in together]
    if np.any(_gaps(run(batch), together) > allowed):
        yield "the same images give other features the second time: is dropout active?"
        return
    alone = [np.concatenate(maps) for maps in zip(*(run(image[None]) for image in batch), strict=True)]
    gaps = _gaps(alone, together)
    if np.any(gaps > allowed):
        # Random weights may amplify rounding: 1e-7 of its input moves the output of EfficientNetV2-L by five
        # deviations. What rounding of the input does is no fault; earlier layers still show faults.
        signs = np.where(np.indices(batch.shape).sum(axis=0) % 2, 1, -1)
        rounded = run((batch * (1 + 1.2e-7 * signs)).astype(np.float32))
        allowed_here = np.maximum(allowed, 4 * _gaps(rounded, together))
        if np.any(gaps > allowed_here):
            yield (
                f"an image alone and in a batch of {len(batch)} has other features "
                f"(by {gaps[gaps > allowed_here].max():.2g}): is batch normalisation in training mode?"
            )
    if np.abs(together[-1][1:] - together[-1][:1]).max() <= allowed[-1]:
        yield "all images have the same features: the network does not see the picture."


def _gaps(some: list[Any], others: list[Any]) -> Any:
    """Return the greatest difference in each layer."""
    return np.array([np.abs(a - b).max() for a, b in zip(some, others, strict=True)])

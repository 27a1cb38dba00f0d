"""Build the network of a backbone."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.digests import digests_of
from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.keras_network import KerasNetwork
from transferkit.backbones.live_models import copied, share_weights
from transferkit.backbones.network import Network
from transferkit.backbones.onnx_file import OnnxFile
from transferkit.backbones.registry import get_backbone, is_shipped
from transferkit.backbones.reproducible import reproducible
from transferkit.backbones.source import Source, Weights
from transferkit.backbones.weights import any_weights
from transferkit.errors import InvalidInputError, WeightsError
from transferkit.foundation.forks import enter_network


def build_network(backbone: Backbone, weights: Weights, image_size: int) -> Network:
    """Return the frozen network of a backbone without its top; see :func:`build_keras_network`."""
    if isinstance(backbone.constructor, Source):
        enter_network()
        return backbone.constructor.build(backbone.name, weights, image_size)
    return build_keras_network(backbone, weights, image_size)


def build_keras_network(backbone: Backbone, weights: Weights, image_size: int) -> KerasNetwork:
    """Return the frozen network from a constructor of Keras models, with a static input shape.

    If the constructor returns an existing model, it is copied: neither weights nor ``trainable`` of the
    original change, and training it later does not change the copy.

    Parameters
    ----------
    backbone : Backbone
    weights : Weights
        As :func:`resolve_weights` returns them.
    image_size : int
        Side of the square input in pixels.

    Raises
    ------
    WeightsError
        The file does not fit the network, or has changed since its digest was taken.
    InvalidInputError
        The constructor does not return a Keras model with known inputs and outputs, or returns one that
        exists already and cannot be copied.
    EngineError
        This process was forked from one that had run a network.
    """
    asked = "imagenet" if weights.kind == "constructor" else None
    model = _constructed(backbone, asked, image_size)
    if not is_shipped(backbone):
        # A user's network may be trained further while features are cached, so it is copied.
        other = _constructed(backbone, asked, image_size)
        if share_weights(model, other):
            model = copied(backbone, model, image_size)
    if weights.path is not None:
        try:
            with warnings.catch_warnings():
                # Keras warns of each container that it skips, and raises an error if weights are missing.
                warnings.filterwarnings("ignore", "Skipping nested container")
                model.load_weights(weights.path)
        except (ValueError, OSError, KeyError) as error:
            raise WeightsError(
                f"{weights.path} does not hold weights of {backbone.name!r} without its top. "
                f"Make one with model.save_weights('….weights.h5') of a model built with include_top=False. "
                f"Keras says: {error}",
                name=backbone.name,
                path=str(weights.path),
            ) from error
        # The digest identifies the features, so it must be that of the weights just read.
        weights.check_unchanged(backbone.name, digests_of(weights.path)[0])
        if weights.finish and backbone.finish:
            backbone.finish(model)
    model.trainable = False
    return KerasNetwork(model, image_size=image_size, count_from_input=is_shipped(backbone))


def _constructed(backbone: Backbone, asked: str | None, image_size: int) -> Any:
    """Return the model of the constructor, with unnamed layers numbered from the start."""
    enter_network()
    with keras_defaults():
        constructor, _, _ = backbone.triple
        _check_signature(backbone, constructor)
        with reproducible():
            model = constructor(include_top=False, weights=asked, input_shape=(image_size, image_size, 3))
    if not getattr(model, "inputs", None):
        raise InvalidInputError(
            f"The constructor of backbone {backbone.name!r} must return a keras.Model with known inputs "
            f"and outputs, functional or Sequential, so that it can be tapped. Got {type(model).__name__}."
        )
    return model


def _check_signature(backbone: Backbone, constructor: Any) -> None:
    """Raise InvalidInputError if a constructor does not accept the arguments of the call."""
    try:
        inspect.signature(constructor).bind(include_top=False, weights=None, input_shape=(1, 1, 3))
    except TypeError as error:
        raise InvalidInputError(
            f"The constructor of backbone {backbone.name!r} must be called as constructor(include_top=False, "
            f"weights=None, input_shape=(S, S, 3)). Python says: {error}."
        ) from error
    except ValueError:
        return  # written in C, so that only the call can tell


def list_layers(backbone: str | Backbone, *, image_size: int | None = None) -> list[str]:
    """Return the names of all layers that features can be taken from, from the input to ``"last"``.

    The network is built without weights, which imports Keras.

    Parameters
    ----------
    backbone : str or Backbone
        Name in the registry, or a backbone.
    image_size : int, optional
        Side of the input in pixels; by default that of the backbone.

    Returns
    -------
    list of str
        Names of the layers.

    Examples
    --------
    >>> from transferkit import list_layers
    >>> list_layers("vgg16")[-3:]  # doctest: +SKIP
    ['block5_conv3', 'block5_pool', 'last']
    """
    found = get_backbone(backbone)
    size = found.check_image_size(image_size)
    if isinstance(found.constructor, OnnxFile):
        return list(found.constructor.features(Path(found.constructor.path).expanduser(), size))
    return build_network(found, any_weights(found), size).layer_names()

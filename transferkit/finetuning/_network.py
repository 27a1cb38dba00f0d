"""Join a backbone and a head into one network, in which the last layers of the backbone are trained."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from transferkit.backbones import KerasNetwork, Source, copied, in_half_precision
from transferkit.errors import InvalidInputError, quoted
from transferkit.extraction import Extraction
from transferkit.heads import JointHead, Maps, pooled

_LOWEST = 0.1  # relative learning rate of the first trained layer; it increases to 1 at the last


@dataclass(frozen=True)
class JointNetwork:
    """A backbone and a head to train together.

    Attributes
    ----------
    network : KerasNetwork
        The backbone.
    model : keras.Model
        Maps preprocessed pixels to the outputs that the loss compares with targets.
    head : JointHead
        The head.
    rates : list of float
        Factor of the learning rate for each trainable variable.
    first_layer : str
        First layer of the backbone that is trained.
    n_trained : int
        Number of trained weights of the backbone.
    """

    network: KerasNetwork
    model: Any
    head: JointHead
    rates: list[float]
    first_layer: str
    n_trained: int


def join(
    extractor: Extraction, make_head: Callable[[Maps], JointHead], sample: Any, layers: str, precision: str
) -> JointNetwork:
    """Return the network of an extractor with a head on top of its layers.

    Parameters
    ----------
    extractor : Extraction
        Its backbone and layers are used.
    make_head : callable
        Returns the head, given features of the sample.
    sample : ndarray, shape (n, S, S, 3)
        Some preprocessed squares to train on.
    layers : str
        Layers to train, as for :func:`transferkit.fine_tune`.
    precision : {"float32", "float16"}
        Number format of the computation.

    Raises
    ------
    InvalidInputError
        The backbone is not a Keras model with a single weights file, or does not have such a layer.

    Notes
    -----
    Normalisation layers stay in evaluation mode: they keep the means and deviations of the large data set
    that the backbone was trained on, so that the output for an image never depends on its batch.
    """
    import keras

    settings = extractor.settings()
    name, backbone = settings.backbone.name, settings.backbone
    one_file = not isinstance(backbone.constructor, Source) and settings.weights.kind != "fixed"
    network: Any = settings.network() if one_file else None
    if not isinstance(network, KerasNetwork):
        raise InvalidInputError(
            f"backbone must be a Keras model whose weights are one file to be fine-tuned. Got {name!r}. "
            "Choose one of keras.applications, such as 'mobilenet', or register a constructor."
        )
    if settings.guard is not None:  # the model is shared, and its outputs must not change
        model = copied(backbone, network.model, settings.image_size)
        network = KerasNetwork(model, image_size=settings.image_size)
    if precision == "float16":
        network = in_half_precision(backbone, network, precision, shared=False)
    chosen = _chosen(network, layers, name)
    tapped = network.tapped_model(settings.layers)
    network.model.trainable = True
    used = {id(layer) for layer in tapped.layers}
    trained = [layer for layer in chosen if id(layer) in used and layer.weights]
    if not trained:
        raise InvalidInputError(
            f"layers={layers!r} leaves nothing to train: the head learns from {quoted(settings.layers)}, and "
            "no layer with weights lies between. Name an earlier layer."
        )
    for layer in network.model.layers:
        layer.trainable = any(layer is one for one in trained)
    pixels = keras.Input(tapped.inputs[0].shape[1:])
    maps = _evaluated(tapped)(pixels)
    maps = list(maps) if isinstance(maps, list | tuple) else [maps]
    maps = [
        pooled(keras.ops.cast(each, "float32"), grid) for each, grid in zip(maps, settings.grids, strict=True)
    ]
    seen = keras.tree.flatten(keras.Model(pixels, maps)(sample, training=False))
    head = make_head([np.asarray(keras.ops.convert_to_numpy(each)) for each in seen])
    model = keras.Model(pixels, head.call(maps))
    rate: dict[int, float] = {}
    for place, layer in enumerate(trained):
        depth = place / max(len(trained) - 1, 1)
        rate |= {id(variable): _LOWEST ** (1 - depth) for variable in layer.trainable_variables}
    rate |= {id(variable): head.rate if i == 0 else 1.0 for i, variable in enumerate(head.weights)}
    rates = [rate[id(variable)] for variable in model.trainable_variables]
    first = next(key for key, layer in network.operations.items() if layer is trained[0])
    n_trained = sum(prod(variable.shape) for layer in trained for variable in layer.trainable_variables)
    return JointNetwork(network, model, head, rates, first, n_trained)


def _evaluated(model: Any) -> Any:
    """Return a layer that runs a model in evaluation mode.

    ``training=False`` in a functional graph is not enough: Keras overrides it in ``fit``.
    """
    import keras

    class Evaluated(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(trainable=True)
            self.model = model

        def call(self, pixels: Any) -> Any:
            return self.model(pixels, training=False)

    return Evaluated()


def _chosen(network: KerasNetwork, layers: str, name: str) -> list[Any]:
    """Return the layers to train, in order from the input."""
    named = list(network.operations.items())
    if layers == "all":
        return [layer for _, layer in named]
    start = layers.removesuffix(":")
    fits = [i for i, (key, _) in enumerate(named) if key == start]
    fits += [i for i, (key, _) in enumerate(named) if key.startswith(f"{start}_")]
    if not fits:
        near = difflib.get_close_matches(start, [key for key, _ in named], n=3)
        guess = f" Did you mean {quoted([f'{each}:' for each in near], 'or')}?" if near else ""
        raise InvalidInputError(
            f"layers must name a layer of {name!r}, or the beginning of one, such as 'block_12:'. Got "
            f"{layers!r}.{guess} Call transferkit.list_layers({name!r}) for all."
        )
    return [layer for _, layer in named[fits[0] :]]

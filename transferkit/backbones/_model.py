"""From a row of data to a Keras model, and from layer names to its tensors."""

from __future__ import annotations

import difflib
import hashlib
import json
import random
import re
import warnings
from collections import Counter
from typing import Any

import numpy as np

from transferkit.backbones._registry import Backbone, get_backbone
from transferkit.backbones._weights import Weights, resolve_weights
from transferkit.errors import InvalidInputError, WeightsError, quoted
from transferkit.foundation.forks import enter_network


def build_model(backbone: Backbone, weights: Weights, image_size: int) -> Any:
    """Return the frozen ``keras.Model`` without its top, at a static input shape.

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
        The file does not fit the network.
    InvalidInputError
        The constructor returns something else than a model with known inputs and outputs.
    EngineError
        This process was forked from one that had run a network.
    """
    enter_network()
    constructor, _, _ = backbone.triple
    asked = "imagenet" if weights.kind == "constructor" else None
    # Keras seeds its initialisers from Python's generator: fix it, and give it back as it was.
    state = random.getstate()
    random.seed(0)
    try:
        model = constructor(include_top=False, weights=asked, input_shape=(image_size, image_size, 3))
    finally:
        random.setstate(state)
    if not getattr(model, "inputs", None):
        raise InvalidInputError(
            f"The constructor of backbone {backbone.name!r} must return a keras.Model with known inputs "
            f"and outputs, functional or Sequential, so that it can be tapped. Got {type(model).__name__}."
        )
    if weights.path is not None:
        try:
            with warnings.catch_warnings():
                # Keras warns of each container that it passes over, then raises what matters.
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
        if weights.kind == "imagenet" and backbone.finish:
            backbone.finish(model)
    model.trainable = False
    return model


class Taps:
    """The tensors of a model that can be tapped, by name.

    Keras numbers unnamed layers over the whole process (``activation_187``); here they count
    within the model (``activation``, ``activation_1``, ...), so that a name means one tensor
    on every run. ``"last"`` is the output of the model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.tensors: dict[str, Any] = {}
        counts: Counter[str] = Counter()
        # A Sequential lists its layers only.
        for operation in getattr(model, "operations", model.layers):
            name = operation.name
            stem = _snake(type(operation).__name__)
            if re.fullmatch(rf"{re.escape(stem)}(_\d+)?", name):
                name = stem if counts[stem] == 0 else f"{stem}_{counts[stem]}"
                counts[stem] += 1
            try:
                self.tensors[name] = operation.output
            except (AttributeError, ValueError):
                continue  # used more than once: its output has no single meaning
        self.tensors["last"] = _single(model.outputs)

    def names(self) -> list[str]:
        """Return all names, from the input to the output."""
        return list(self.tensors)

    def model_of(self, layers: tuple[str, ...]) -> Any:
        """Return a model with one output for each layer named.

        Raises
        ------
        InvalidInputError
            A layer that the model does not have; the message lists names that look alike.
        """
        import keras

        unknown = [name for name in layers if name not in self.tensors]
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.names(), n=3)
            guess = f" Did you mean {quoted(near, 'or')}?" if near else ""
            raise InvalidInputError(
                f"layers must name layers of the backbone. Got {quoted(unknown)}.{guess} "
                f"Call transferkit.list_layers() for all {len(self.tensors)}."
            )
        # A list around one input would make Keras warn at every call with an array.
        return keras.Model(_single(self.model.inputs), [self.tensors[name] for name in layers])


def _single(tensors: list[Any]) -> Any:
    """Return the tensor of a list of one, which ``model.input`` cannot do for a Sequential."""
    return tensors[0] if len(tensors) == 1 else tensors


def _snake(name: str) -> str:
    """Spell a class name as Keras spells it in automatic names."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _renumbered(document: Any) -> Any:
    """Return a serialised model with the names that Keras numbers by itself counted within it."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()

    def collect(item: Any) -> None:
        if isinstance(item, dict):
            kind, config = item.get("class_name"), item.get("config")
            name = config.get("name") if isinstance(config, dict) else None
            if isinstance(kind, str) and isinstance(name, str) and name not in names:
                stem = _snake(kind)
                if re.fullmatch(rf"{re.escape(stem)}(_\d+)?", name):
                    names[name] = f"{stem}_{counts[stem]}"
                    counts[stem] += 1
        for value in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            collect(value)

    def rename(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: rename(value) for key, value in item.items()}
        if isinstance(item, list):
            return [rename(value) for value in item]
        return names.get(item, item) if isinstance(item, str) else item

    collect(document)
    return rename(document)


def list_layers(backbone: str | Backbone, *, image_size: int | None = None) -> list[str]:
    """Return the names of the layers that can be tapped, from the input to ``"last"``.

    Builds the network without weights, which loads Keras.

    Parameters
    ----------
    backbone : str or Backbone
    image_size : int, optional
        Side in pixels; by default what the backbone was trained at.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from transferkit import list_layers
    >>> list_layers("vgg16")[-3:]  # doctest: +SKIP
    ['block5_conv3', 'block5_pool', 'last']
    """
    row = get_backbone(backbone)
    return Taps(build_model(row, resolve_weights(row, None), row.check_image_size(image_size))).names()


def describe_backbone(backbone: Backbone, weights: Weights, model: Any = None) -> dict[str, str]:
    """Return everything about a backbone that can change its features, for the cache key.

    The rows of this library are named by their version and the digest of their weights. What a
    user registered is known by what it does: its graph, its weights, and ``preprocess_input``
    on a ramp; that needs the model.
    """
    description = {"name": backbone.name, "version": backbone.version, "weights": weights.digest}
    if backbone.builtin:
        return description
    assert model is not None
    ramp = np.linspace(0, 255, 8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3)
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    graph = json.dumps(_renumbered(json.loads(model.to_json())), sort_keys=True)
    return description | {
        "weights": digest.hexdigest(),
        "graph": hashlib.sha256(graph.encode()).hexdigest(),
        "preprocess_input": hashlib.sha256(backbone.preprocess(ramp).tobytes()).hexdigest(),
    }

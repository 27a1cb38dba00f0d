"""A user's models and functions as backbones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.backbones.function_network import Function
from transferkit.backbones.keras_network import KerasNetwork
from transferkit.backbones.layer_choice import Feature, recommended
from transferkit.errors import InvalidInputError

DEFAULT_SIZE = 224
_SCALING = {"Rescaling", "Normalization"}


@dataclass(frozen=True)
class OwnModel:
    """A constructor that returns an existing model; a copy of it is run."""

    model: Any

    def __call__(self, **ignored: Any) -> Any:
        """Return the model."""
        return self.model

    def __deepcopy__(self, memo: Any) -> OwnModel:
        """Return itself, since the network is copied when it is used."""
        return self


@dataclass(frozen=True)
class KerasCall:
    """A Keras model without known inputs and outputs, as a function."""

    model: Any

    def __call__(self, batch: Any) -> Any:
        """Return the output of the model in evaluation mode."""
        import keras

        return keras.ops.convert_to_numpy(self.model(batch, training=False))

    def __deepcopy__(self, memo: Any) -> KerasCall:
        """Return itself."""
        return self


def is_keras_model(value: Any) -> bool:
    """Return True for a Keras model; imports nothing."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def function_fields(function: Callable[[Any], Any], image_size: int, name: str | None) -> dict[str, Any]:
    """Return the fields of a Backbone; see :meth:`Backbone.from_function`."""
    if not callable(function):
        raise InvalidInputError(f"function must be callable. Got {function!r}.")
    return {
        "name": name or getattr(function, "__name__", type(function).__name__),
        "constructor": Function(function),
        "preprocess_input": _pixels,
        "min_size": 1,
        "image_size": image_size,
    }


def model_fields(
    model: Any,
    preprocess_input: Callable[[Any], Any] | None,
    image_size: int | None,
    layers: Sequence[str] | None,
    name: str | None,
) -> dict[str, Any]:
    """Return the fields of a Backbone; see :meth:`Backbone.from_keras`."""
    if not is_keras_model(model):
        raise InvalidInputError(f"model must be a keras.Model. Got {type(model).__name__}.")
    name = name or str(model.name)
    if not getattr(model, "inputs", None):
        return _subclass_fields(model, preprocess_input, image_size, layers, name)
    sides = tuple(model.inputs[0].shape[1:])
    if len(model.inputs) != 1 or len(sides) != 3 or sides[2] not in (3, None) or sides[0] != sides[1]:
        shapes = ", ".join(str(tuple(each.shape)) for each in model.inputs)
        raise InvalidInputError(
            f"model must take square images of 3 channels, (n, S, S, 3), and nothing else. Got {shapes}."
        )
    if preprocess_input is None and not _scales_pixels(model):
        raise InvalidInputError(
            f"preprocess_input must be given for model {name!r}, which has no Rescaling or Normalization "
            "layer before its first weights: Backbone.from_keras(model, preprocess_input=...), such as "
            "keras.applications.resnet50.preprocess_input, or lambda x: x for a model of pixels in 0..255."
        )
    if layers is None and len(model.outputs) > 1:
        raise InvalidInputError(
            f"layers must be given for model {name!r}, which has {len(model.outputs)} outputs: names of "
            "layers to learn from, fine ones first."
        )
    side = sides[0] or image_size or DEFAULT_SIZE
    chosen = _usual_layers(model, side) if layers is None else tuple(layers)
    return {
        "name": name,
        "constructor": OwnModel(model),
        "preprocess_input": preprocess_input or _pixels,
        "min_size": sides[0] or min(32, side),
        "image_size": side,
        "layers": chosen,
        "fixed_size": sides[0] is not None,
    }


def _subclass_fields(
    model: Any, preprocess_input: Any, image_size: int | None, layers: Any, name: str
) -> dict[str, Any]:
    """Return the fields for a model without a graph: a function, which has one layer."""
    if layers is not None:
        raise InvalidInputError(
            f"layers must be None for model {name!r}, whose layers Keras does not connect to inputs and "
            "outputs: only functional and Sequential models can be tapped."
        )
    if preprocess_input is None:
        raise InvalidInputError(
            f"preprocess_input must be given for model {name!r}: Backbone.from_keras(model, "
            "preprocess_input=...), or lambda x: x for a model of pixels in 0..255."
        )
    fields = function_fields(KerasCall(model), image_size or DEFAULT_SIZE, name)
    return {**fields, "preprocess_input": preprocess_input}


def _usual_layers(model: Any, side: int) -> tuple[str, ...]:
    """Return the ends of the last stages, the output of the model last."""
    import keras

    network = KerasNetwork(model, image_size=side)
    features, made_by = {}, {}
    for layer in model.layers:
        tensor = network.tensors.get(layer.name)
        shape = None if tensor is None else tuple(tensor.shape[1:])
        if isinstance(layer, keras.layers.InputLayer) or type(layer).__name__.startswith(
            ("Random", *_SCALING)
        ):
            continue  # still the image
        if shape and len(shape) == 3 and None not in shape and shape[0] == shape[1]:
            features[layer.name] = Feature(layer.name, "map", shape)
            made_by[layer.name] = "Pad" if type(layer).__name__ == "ZeroPadding2D" else type(layer).__name__
    maps = [each for each in features.values() if each.shape[0] > 1]
    if not maps or "last" not in network.tensors:
        return ("last",)
    found = recommended({**features, "last": maps[-1]}, made_by)
    is_map = len(model.outputs[0].shape) == 4
    return tuple(maps[-1].tensor if name == "last" and not is_map else name for name in found)


def _scales_pixels(model: Any) -> bool:
    """Return True if a layer scales pixels before the first layer with weights."""
    for layer in model.layers:
        if type(layer).__name__ in _SCALING or (hasattr(layer, "layers") and _scales_pixels(layer)):
            return True
        if layer.weights:
            return False
    return False


def _pixels(pixels: Any) -> Any:
    """Return pixels as they are, in 0..255."""
    return pixels

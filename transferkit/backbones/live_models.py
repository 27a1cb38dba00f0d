"""Copy models that users hold and may train further, so that features are computed on a fixed copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.own_models import OwnModel
from transferkit.errors import InvalidInputError


def share_weights(model: Any, other: Any) -> bool:
    """Return True if two results of a constructor share weights, so that it returns an existing model."""
    ours = {id(variable) for variable in model.variables}
    return model is other or any(id(variable) in ours for variable in other.variables)


def copied(backbone: Backbone, model: Any, image_size: int) -> Any:
    """Return a copy of a model with its present weights.

    Raises
    ------
    InvalidInputError
        The model cannot be copied, or its copy gives other outputs for a random image.
    """
    import keras

    shape = 1, image_size, image_size, model.inputs[0].shape[-1]
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    try:
        with keras_defaults():
            if any(type(layer) is keras.layers.Lambda for layer in model._flatten_layers()):
                copy = keras.models.clone_model(model, clone_function=_fresh_copy, recursive=True)
            else:
                copy = keras.models.clone_model(model)
            copy.set_weights(model.get_weights())
            for layer in copy._flatten_layers():
                if hasattr(layer, "finalize_state"):  # Normalization computes with copies of its weights
                    layer.finalize_state()
            outputs = [
                [
                    np.asarray(keras.ops.convert_to_numpy(tensor))
                    for tensor in keras.tree.flatten(each(image, training=False))
                ]
                for each in (model, copy)
            ]
        wrong = [
            not np.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max(), equal_nan=True)
            for theirs, ours in zip(*outputs, strict=True)
        ]
        reason = "its copy gives other outputs" if any(wrong) else ""
    except Exception as error:  # noqa: BLE001 - layers of a person may raise anything
        reason = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')[:200]}"
    if reason:
        if isinstance(backbone.constructor, OwnModel):
            raise InvalidInputError(
                "backbone must be a model that can be copied, since it may be trained on. Of "
                f"{backbone.name!r}: {reason}. Give its layers get_config(), or pass a function: "
                "Backbone.from_function(lambda pixels: model.predict(pixels, verbose=0))."
            )
        raise InvalidInputError(
            f"The constructor of backbone {backbone.name!r} returns a model that exists already, and which "
            f"cannot be copied: {reason}. Build the model within the constructor, or give its layers "
            "get_config()."
        )
    return copy


def _fresh_copy(layer: Any) -> Any:
    """Return a layer with the same parameters and fresh weights."""
    import keras

    if type(layer) is keras.layers.Lambda:  # Keras does not load Python code from a configuration
        return keras.layers.Lambda(
            layer.function,
            output_shape=layer._output_shape,
            mask=layer.mask,
            arguments=layer.arguments,
            name=layer.name,
            dtype=layer.dtype_policy,
        )
    return layer.__class__.from_config(layer.get_config())

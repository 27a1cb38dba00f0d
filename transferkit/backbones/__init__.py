"""Which backbones there are, and how each becomes a model; Keras is imported only to build one."""

from transferkit.backbones import keras_applications as keras_applications
from transferkit.backbones import pixels as pixels
from transferkit.backbones._checks import check_backbone
from transferkit.backbones._model import Taps, build_model, describe_backbone, list_layers
from transferkit.backbones._registry import (
    Backbone,
    _add,
    get_backbone,
    list_backbones,
    register_backbone,
)
from transferkit.backbones._weights import Weights, resolve_weights
from transferkit.backbones.scattering import DEFAULT_SIZE, MIN_SIZE, VERSION

_add(
    Backbone(
        "scattering",
        "transferkit.backbones.scattering:Scattering",
        "transferkit.backbones.scattering:preprocess_input",
        MIN_SIZE,
        image_size=DEFAULT_SIZE,
        grid=None,  # its one map is small enough to keep, and worth it
        pretrained=False,
        version=VERSION,
        builtin=True,
    )
)
_add(
    Backbone(
        "pixels",
        "transferkit.backbones.pixels:Pixels",
        "transferkit.backbones.pixels:preprocess_input",
        MIN_SIZE,
        image_size=pixels.DEFAULT_SIZE,
        grid=None,  # averages of pixels would be another picture
        pretrained=False,
        builtin=True,
    )
)

__all__ = [
    "Backbone",
    "Taps",
    "Weights",
    "build_model",
    "check_backbone",
    "describe_backbone",
    "get_backbone",
    "list_backbones",
    "list_layers",
    "register_backbone",
    "resolve_weights",
]

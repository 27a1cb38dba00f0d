"""The wavelet scattering transform: a backbone with fixed filters, for offline work, tests and textures."""

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.scattering._transform import (
    DEFAULT_SIZE,
    MIN_SIZE,
    VERSION,
    Scattering,
    preprocess_input,
)

__all__ = ["BACKBONES", "DEFAULT_SIZE", "MIN_SIZE", "VERSION", "Scattering", "preprocess_input"]

BACKBONES = (
    Backbone(
        "scattering",
        "transferkit.backbones.scattering:Scattering",
        "transferkit.backbones.scattering:preprocess_input",
        MIN_SIZE,
        image_size=DEFAULT_SIZE,
        grid=None,  # its only map is small
        pretrained=False,
        version=VERSION,
    ),
)

"""The wavelet scattering transform: a backbone with fixed filters, for offline work, tests and textures."""

from transferkit.backbones.scattering._transform import (
    DEFAULT_SIZE,
    MIN_SIZE,
    VERSION,
    Scattering,
    preprocess_input,
)

__all__ = ["DEFAULT_SIZE", "MIN_SIZE", "VERSION", "Scattering", "preprocess_input"]

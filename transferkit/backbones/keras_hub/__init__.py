"""Image networks of KerasHub, mostly transformers: their data, and a source that builds them."""

from transferkit.backbones.keras_hub._preset import HubPreset
from transferkit.backbones.keras_hub._rows import BACKBONES

__all__ = ["BACKBONES", "HubPreset"]

"""Image networks of KerasHub, most of them transformers: as data, and as a source of networks."""

from transferkit.backbones.keras_hub._preset import HubPreset
from transferkit.backbones.keras_hub._rows import BACKBONES

__all__ = ["BACKBONES", "HubPreset"]

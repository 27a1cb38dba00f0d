"""Networks of KerasHub from the folder of a preset, or with random weights.

Only the class named by the backbone is built, from the plain parameters in the preset, so that files from
elsewhere cannot name classes to import. ``keras_hub``'s own ``from_preset`` builds whatever the file names.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from transferkit.backbones.keras_hub._families import Family, Pixels
from transferkit.backbones.keras_hub._folder import CONFIG, converter_config, read_json, weights_file
from transferkit.errors import WeightsError

# A text encoder of this size is built beside an image encoder, only to get the names of weights in the file.
# Its own weights are not loaded: those of SigLIP 2 are two thirds of the file.
_NO_TEXT = {"vocabulary_size": 2, "num_layers": 0}


def random_network(hub: Any, family: Family, config: dict[str, Any], image_size: int) -> Any:
    """Return a network with random weights; if there are two encoders, that of images."""
    kind = family.towers[0] if family.towers else family.backbone
    return _made(hub, kind, _sized(config, family, image_size))


def load_preset(hub: Any, family: Family, name: str, folder: Path, image_size: int) -> Any:
    """Return the network of a preset with its weights.

    Raises
    ------
    WeightsError
        The preset is of another network, or its weights are incomplete.
    """
    document = read_json(name, folder / CONFIG)
    if document.get("class_name") != family.backbone:
        raise WeightsError(
            f"{folder} must hold a preset of {family.backbone} for backbone {name!r}. Its {CONFIG} "
            f"names {document.get('class_name')!r}.",
            name=name,
            path=str(folder),
        )
    try:
        config, skipped = dict(document["config"]), []
        if family.towers:
            image, text = family.towers
            config["vision_encoder"] = _made(hub, image, config["vision_encoder"]["config"])
            config["text_encoder"] = _made(hub, text, {**config["text_encoder"]["config"], **_NO_TEXT})
            skipped = [config["text_encoder"]]
        network = _made(hub, family.backbone, _sized(config, family, image_size))
        with warnings.catch_warnings():
            # Keras warns of each container that it skips, and raises an error if weights are missing.
            warnings.filterwarnings("ignore", "Skipping nested container")
            network.load_weights(str(weights_file(folder)), objects_to_skip=skipped)
    except (ValueError, TypeError, OSError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{folder} cannot be loaded as a preset of {family.backbone}. Keras says: {error}",
            name=name,
            path=str(folder),
        ) from error
    return network


def _made(hub: Any, kind: str, config: dict[str, Any]) -> Any:
    """Return a network in float32, whatever precision it was saved with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Layer 'attn'")  # Swin's masks of shifted windows
        return getattr(hub.models, kind)(**{**config, "dtype": "float32"})


def _sized(config: dict[str, Any], family: Family, image_size: int) -> dict[str, Any]:
    """Return parameters for a size of the image, if the network is built for one."""
    return {**config, "image_shape": (image_size, image_size, 3)} if family.resizes else config


def load_pixels(hub: Any, name: str, folder: Path) -> Pixels | None:
    """Return scale and offset of the preset's image converter, or None if it has none."""
    if (config := converter_config(name, folder)) is None:
        return None
    try:
        # The converter is built rather than read, since earlier presets have a mean and a variance.
        converter = hub.layers.ImageConverter(**{**config, "dtype": "float32"})
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(
            f"{folder} has an image converter that cannot be built. KerasHub says: {error}",
            name=name,
            path=str(folder),
        ) from error
    return _channels(converter.scale, 1.0), _channels(converter.offset, 0.0)


def _channels(value: Any, default: float) -> tuple[float, ...]:
    """Return a number for each channel."""
    if value is None:
        value = default
    return tuple(map(float, value)) if isinstance(value, list | tuple) else (float(value),) * 3

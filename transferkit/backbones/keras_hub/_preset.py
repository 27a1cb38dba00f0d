"""A preset of KerasHub as a source of weights and of a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.keras_hub._families import FAMILIES
from transferkit.backbones.keras_hub._folder import find_preset, preset_digest
from transferkit.backbones.keras_hub._loading import load_pixels, load_preset, random_network
from transferkit.backbones.keras_network import KerasNetwork
from transferkit.backbones.random_weights import random_weights
from transferkit.backbones.reproducible import reproducible
from transferkit.backbones.source import Source, Weights
from transferkit.errors import InvalidInputError, MissingDependencyError, WeightsError


@dataclass(frozen=True)
class HubPreset(Source):
    """A pretrained image network of KerasHub.

    Its input is uint8 or float RGB in 0..255. The first layer, ``"pixels"``, scales them like the preset's
    own image converter, which is covered by the digest.

    Parameters
    ----------
    family : str
        Family of networks, a key of ``FAMILIES`` in ``_families.py``.
    handle : str
        Handle of the preset on Kaggle, such as ``"owner/model/keras/preset/version"``.
    step : int, default=1
        Number that must divide the side of an image: the size of a patch, or the stride of the last map.
    only_size : int, optional
        The only possible side in pixels, for networks with learned positions that are not interpolated.
    config : tuple of pairs, default=()
        Parameters of the class, for seeded random weights. Without them, ``weights=None`` is an error.
    licence : str, default=""
        Name of the licence that must be accepted before a download.
    """

    family: str
    handle: str
    step: int = 1
    only_size: int | None = None
    config: tuple[tuple[str, Any], ...] = ()
    licence: str = ""

    @property
    def preset(self) -> str:
        """Name of the preset in KerasHub."""
        return self.handle.split("/")[3]

    @property
    def takes_random_weights(self) -> bool:
        """Whether the architecture is known without the preset."""
        return bool(self.config)

    def __str__(self) -> str:
        return f"{self.preset} of KerasHub"

    def resolve(self, name: str, weights: Any) -> Weights:
        """Return the folder of the preset and the digest of its relevant files.

        ``"imagenet"`` means the preset's own weights. They are looked up as ``<backbone>/`` and ``<preset>/``
        in the folder ``TRANSFERKIT_WEIGHTS``, then in the cache of KerasHub, and then downloaded.

        Raises
        ------
        WeightsError
            The preset is not there and cannot be downloaded, or a folder is not a preset; or ``weights=None``
            was passed, and the architecture is known only from the preset.
        MissingDependencyError
            KerasHub is not installed, and something must be downloaded.
        """
        if weights is None:
            if not self.config:
                raise WeightsError(
                    f"weights=None makes seeded random weights, and the architecture of {name!r} stands in "
                    f"its preset {self.preset!r} alone. Leave weights out, or choose another backbone.",
                    name=name,
                )
            return random_weights()
        if weights == "imagenet":
            folder = find_preset(name, self.preset, self.handle, self.licence)
        else:
            folder = Path(weights).expanduser()
        return Weights("file", folder, preset_digest(name, folder))

    def build(self, name: str, weights: Weights, image_size: int) -> KerasNetwork:
        """Return the frozen network, whose layers are maps (n, h, w, c) and a vector.

        Raises
        ------
        WeightsError
            The files are not those of such a network, or have changed since their digest was taken.
        MissingDependencyError
            KerasHub is not installed.
        """
        self.check_image_size(name, image_size)
        family = FAMILIES[self.family]
        with keras_defaults():
            hub = _import_keras_hub(name)
            import keras

            with reproducible():
                if weights.path is None:
                    network = random_network(hub, family, dict(self.config), image_size)
                    scale, offset = family.pixels
                else:
                    network = load_preset(hub, family, name, weights.path, image_size)
                    scale, offset = load_pixels(hub, name, weights.path) or family.pixels
                    weights.check_unchanged(name, preset_digest(name, weights.path))
                image = keras.Input((image_size, image_size, 3), name="image")
                pixels = keras.layers.Rescaling(scale, offset, name="pixels")(image)
                taps = {"pixels": pixels, **family.taps(network, pixels)}
            model = keras.Model(image, [taps[key] for key in ("last", "summary") if key in taps])
        model.trainable = False
        found = KerasNetwork(model, image_size=image_size)
        found.tensors = taps  # maps and vectors; tokens and multiple outputs are not features
        return found

    def check_image_size(self, name: str, image_size: int) -> None:
        """Raise InvalidInputError unless ``step`` divides the side, and positions are known for it."""
        if self.only_size is not None and image_size != self.only_size:
            raise InvalidInputError(
                f"image_size must be {self.only_size} for backbone {name!r}, which has learned positions for "
                f"that size alone. Got {image_size}. Leave image_size out, or choose another backbone, such "
                "as 'dinov2_small'."
            )
        if image_size % self.step:
            below = image_size // self.step * self.step
            raise InvalidInputError(
                f"image_size must be a multiple of {self.step} for backbone {name!r}. Got {image_size}. "
                f"Pass image_size={f'{below} or ' if below else ''}{below + self.step}."
            )

    def facts(self) -> dict[str, str]:
        """Return the preset, which identifies the architecture of random weights."""
        config = {"config": json.dumps(self.config)} if self.config else {}
        return {"preset": self.preset, "family": self.family, **config}


def _import_keras_hub(name: str) -> Any:
    try:
        import keras_hub
    except ImportError as error:
        raise MissingDependencyError("keras-hub", "hub", f"backbone {name!r}") from error
    return keras_hub

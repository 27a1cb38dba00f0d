"""Probe images on which file and model are compared: faces and noise, in sizes that test the rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.datasets import make_faces
from transferkit.images import as_image_list, read_source

Pixels = NDArray[np.uint8]

# Width and height: smaller and larger than a backbone's square, tall, wide, odd, and larger one way only.
_SIZES = [(97, 131), (640, 480), (301, 227), (225, 223), (53, 37), (180, 500), (1023, 250), (224, 224)]


def generated_probes() -> list[Pixels]:
    """Return RGB pixels of synthetic faces and smooth noise, each in another size."""
    faces = make_faces(len(_SIZES), size=256, random_state=7).images
    probes = []
    for i, (width, height) in enumerate(_SIZES):
        picture = faces[i] if i % 2 else _scene(i)
        probes.append(_resized(picture, width, height))
    return probes


def given_probes(images: Any) -> list[Pixels]:
    """Return the pixels of one or more images in any form."""
    return [np.array(read_source(image).decode().pixels) for image in as_image_list(images)]


def _scene(seed: int) -> Pixels:
    """Return smooth noise with a few edges, to which features of all kinds respond."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256] / 256
    waves = np.zeros((256, 256, 3))
    for _ in range(6):
        angle, speed = generator.uniform(0, 2 * np.pi), generator.uniform(2, 40)
        wave = np.sin(speed * (x * np.cos(angle) + y * np.sin(angle)) + generator.uniform(0, 6))
        waves += (
            np.sign(wave)[..., None] * generator.uniform(0, 1, 3)
            if speed > 30
            else wave[..., None] * generator.uniform(0, 1, 3)
        )
    waves += generator.normal(0, 0.2, waves.shape)
    return np.clip(np.round(128 + 45 * waves), 0, 255).astype(np.uint8)


def _resized(picture: Pixels, width: int, height: int) -> Pixels:
    """Return a picture of another size, by the nearest pixels."""
    rows = np.arange(height) * len(picture) // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.ascontiguousarray(picture[rows][:, columns])

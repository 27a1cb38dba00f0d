"""Measure the time of the backbone per image on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from transferkit.extraction._extractor import FeatureExtractor
from transferkit.images import Image
from transferkit.views import AnyView

_REPEATS = 4  # the fastest is used, since other work on the machine only adds time


class Speed(NamedTuple):
    """Cost of a backbone.

    Attributes
    ----------
    ms_per_image : float
        Milliseconds for all views of an image, without reading and decoding it.
    n_parameters : int or None
        Number of parameters of the backbone, if the engine knows it.
    """

    ms_per_image: float
    n_parameters: int | None


def measure_speed(extractor: FeatureExtractor, views: Sequence[AnyView], n_images: int) -> Speed:
    """Measure the speed of the engine of an extractor on random pixels, after a warm-up call.

    Parameters
    ----------
    extractor : FeatureExtractor
    views : sequence of View
        Of each image.
    n_images : int
        Images to run, 1 or more.
    """
    settings = extractor.settings()
    engine = settings.engine()
    size = settings.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    squares = np.concatenate(
        [view.at(0).render(Image(pixels), size, settings.resize) for view in views] * n_images
    )
    seconds = []
    for _ in range(1 + _REPEATS):
        started = time.perf_counter()
        for start in range(0, len(squares), settings.batch_size):
            engine.run(squares[start : start + settings.batch_size])
        seconds.append(time.perf_counter() - started)
    return Speed(1000 * min(seconds[1:]) / n_images, engine.n_parameters)

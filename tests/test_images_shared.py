"""One Pillow image in several threads: it is loaded when it is first used, and Pillow guards nothing."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from transferkit import FeatureExtractor
from transferkit.images import read_source

PIXELS = np.random.default_rng(3).integers(0, 256, (80, 90, 3), dtype=np.uint8)
ENCODED = io.BytesIO()
PIL.Image.fromarray(PIXELS).save(ENCODED, "PNG")


@pytest.fixture
def slow(monkeypatch):
    """Loading takes as long as that of a large file: for a while, the pixels are there and empty."""
    prepare = PIL.ImageFile.ImageFile.load_prepare

    def load_prepare(picture):
        prepare(picture)
        time.sleep(0.02)

    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load_prepare", load_prepare)


def opened():
    return PIL.Image.open(io.BytesIO(ENCODED.getvalue()))


def test_threads_that_share_a_picture_load_it_once(slow):
    picture, together = opened(), threading.Barrier(4)

    def read(number):
        together.wait()
        time.sleep(0.01 * number)
        source = read_source(picture)
        return source.digest, source.decode().pixels

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(read, range(4)))
    expected = read_source(opened()).digest
    assert [digest for digest, _ in found] == [expected] * 4
    for _, pixels in found:
        np.testing.assert_array_equal(pixels, PIXELS)


def test_a_picture_that_is_in_a_list_several_times_is_read(slow, tmp_path):
    """As for several subjects in one image, each with its box."""
    extractor = FeatureExtractor("scattering", image_size=32, cache=tmp_path, progress=False).fit(
        [PIXELS] * 2
    )
    expected = extractor.transform([PIXELS])
    found = extractor.transform([opened()] * 2 + [picture := opened(), picture, picture])
    np.testing.assert_array_equal(found, np.repeat(expected, 5, axis=0))
    np.testing.assert_array_equal(extractor.transform(opened()), expected)  # nothing else was stored

"""One Pillow image in several threads: it is loaded when it is first used, and Pillow guards nothing."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.ImageSequence
import pytest

from transferkit import FeatureExtractor
from transferkit.errors import InvalidInputError
from transferkit.images import as_image_list, load_image, read_source

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


def test_the_frames_of_one_picture_are_not_taken_for_many_pictures():
    file = io.BytesIO()
    first, *others = (PIL.Image.fromarray(np.full((20, 20), level, np.uint8)) for level in (10, 90, 200))
    first.save(file, "TIFF", save_all=True, append_images=others)
    picture = PIL.Image.open(file)
    with pytest.raises(InvalidInputError, match=r"one Pillow image 3 times, .* its frame 2"):
        as_image_list(list(PIL.ImageSequence.Iterator(picture)))
    frames = as_image_list([frame.copy() for frame in PIL.ImageSequence.Iterator(picture)])
    assert [load_image(frame).pixels[0, 0, 0] for frame in frames] == [10, 90, 200]
    for frame in (0, 1):
        picture.seek(frame)
        assert len(as_image_list([picture] * 3)) == 3  # for each subject in it
    assert len(as_image_list([first] * 3)) == 3

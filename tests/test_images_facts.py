"""Facts of files: what their header says, for any form of an image, without decoding it."""

import io

import numpy as np
import pytest
from PIL import Image

from transferkit.errors import BadImageError
from transferkit.images import FileFacts, file_facts, read_source

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))


def encoded(format, mode="RGB", **options):
    stream = io.BytesIO()
    PICTURE.convert(mode).save(stream, format, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("PNG", "RGB"),
        ("PNG", "P"),
        ("PNG", "LA"),
        ("JPEG", "L"),
        ("BMP", "RGB"),
        ("WEBP", "RGB"),
        ("GIF", "P"),
    ],
)
def test_format_mode_and_bytes(format, mode):
    data = encoded(format, mode)
    facts = file_facts(read_source(data))
    assert (facts.format, facts.mode, facts.n_bytes) == (format, mode, len(data))
    assert (facts.quality is None) == (format != "JPEG")


@pytest.mark.parametrize("quality", [25, 35, 50, 75, 95])
def test_the_quality_of_a_jpeg_is_that_of_libjpeg(quality):
    assert file_facts(read_source(encoded("JPEG", quality=quality))).quality == pytest.approx(quality, abs=2)


def test_what_is_no_file():
    assert file_facts(read_source(np.asarray(PICTURE))) == FileFacts("array")
    assert file_facts(read_source(PICTURE.convert("L"))) == FileFacts("Pillow", "L")
    assert file_facts(read_source(Image.open(io.BytesIO(encoded("PNG"))))) == FileFacts("PNG", "RGB")


def test_no_decoder_is_opened_where_it_might_crash(monkeypatch):
    from transferkit.images import _facts

    def crash(*_):
        raise AssertionError("opened")

    data = encoded("WEBP")
    monkeypatch.setattr(_facts, "open_picture", crash)
    assert file_facts(read_source(data), isolate=True) == FileFacts("WEBP", "", len(data))


def test_no_image_is_an_error_and_a_broken_header_is_not():
    with pytest.raises(BadImageError):
        file_facts(read_source(b"just some text, and no image at all"))
    broken = encoded("PNG")[:20]
    assert file_facts(read_source(broken)) == FileFacts("PNG", "", 20)

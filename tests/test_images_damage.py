"""Damaged and hostile files: every failure is a BadImageError, and bombs allocate nothing."""

from __future__ import annotations

import collections
import io
import struct
import tracemalloc
import zlib

import numpy as np
import PIL.Image
import pytest
from PIL import ImageFile

from transferkit.errors import BadImageError
from transferkit.images import CATEGORIES, load_image, read_source


def encode(picture, format, **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def healthy_files():
    """(format, bytes) of small valid files that reach many branches of the decoders."""
    ramp = np.linspace(0, 255, 24 * 32 * 3).reshape(24, 32, 3)
    rgb = PIL.Image.fromarray(ramp.astype(np.uint8))
    turned = PIL.Image.Exif()
    turned[0x0112], turned[0x010E] = 6, "a picture"
    more = {"save_all": True, "append_images": [rgb.transpose(PIL.Image.Transpose.ROTATE_180)]}
    return [
        ("JPEG", encode(rgb, "JPEG", exif=turned)),
        ("JPEG", encode(rgb, "JPEG", progressive=True)),
        ("JPEG", encode(rgb.convert("CMYK"), "JPEG")),
        ("JPEG", encode(rgb, "MPO", **more)),
        ("PNG", encode(rgb, "PNG", exif=turned)),
        ("PNG", encode(rgb.quantize(), "PNG", transparency=3)),
        ("GIF", encode(rgb, "GIF", **more)),
        ("BMP", encode(rgb, "BMP")),
        ("BMP", encode(rgb.quantize(), "BMP")),
        ("WEBP", encode(rgb.convert("RGBA"), "WEBP", exif=turned)),
        ("WEBP", encode(rgb, "WEBP", lossless=True, **more)),
        ("PPM", encode(rgb, "PPM")),
        ("TIFF", encode(rgb, "TIFF", exif=turned)),
        ("TIFF", encode(rgb, "TIFF", compression="tiff_lzw")),
        ("TIFF", encode(rgb, "TIFF", compression="tiff_deflate")),
        ("TIFF", encode(rgb, "TIFF", compression="jpeg")),
        ("TIFF", encode(PIL.Image.fromarray(ramp[..., 0].astype(np.uint16) * 257), "TIFF")),
        ("TIFF", encode(PIL.Image.fromarray(ramp[..., 0].astype(np.float32)), "TIFF")),
    ]


def mutate(data, random):
    """Cut, drop, insert or overwrite bytes anywhere, or poison the header."""
    data = bytearray(data)
    kind, at = random.integers(5), int(random.integers(1, len(data)))
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        del data[at : at + int(random.integers(1, 20))]
    elif kind == 2:
        data[at:at] = random.bytes(int(random.integers(1, 20)))
    elif kind == 3:
        for _ in range(random.integers(1, 8)):
            data[random.integers(len(data))] = random.integers(256)
    else:
        for _ in range(random.integers(1, 4)):
            data[random.integers(min(len(data), 80))] = random.choice([0, 1, 127, 128, 255])
    return bytes(data)


def repair_checksums(data):
    """A mutated PNG with right checksums, so that the damage reaches the decoder."""
    data, position = bytearray(data), 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        struct.pack_into(">I", data, end - 4, zlib.crc32(data[position + 4 : end - 4]))
        position = end
    return bytes(data)


def fuzz(count, seed):
    """Load mutated files; return how often each outcome came."""
    random, files, outcomes = np.random.default_rng(seed), healthy_files(), collections.Counter()
    causes = collections.Counter()
    for number in range(count):
        format, data = files[number % len(files)]
        damaged = mutate(data, random)
        if format == "PNG" and random.integers(2):
            damaged = repair_checksums(damaged)
        try:
            image = load_image(damaged)
        except BadImageError as error:
            outcomes[error.category] += 1
            causes[type(error.__cause__)] += 1
        else:
            assert image.pixels.dtype == np.uint8
            assert image.pixels.shape[2] == 3
            outcomes["loaded"] += 1
    assert set(outcomes) <= {*CATEGORIES, "loaded"}
    assert not any(issubclass(cause, Warning) for cause in causes), (
        "a warning must not decide about a picture"
    )
    return outcomes


def test_500_damaged_files_give_pixels_or_bad_image_errors():
    outcomes = fuzz(504, seed=1)
    assert outcomes["truncated"] > 30
    assert outcomes["corrupt"] > 30
    assert outcomes["loaded"] > 30


@pytest.mark.full
def test_10000_damaged_files_give_pixels_or_bad_image_errors():
    assert sum(fuzz(10_000, seed=2).values()) == 10_000


@pytest.mark.parametrize("error", [
    SyntaxError, struct.error, OSError, ValueError, EOFError, TypeError, IndexError, KeyError, zlib.error,
    MemoryError, AttributeError, OverflowError, ZeroDivisionError, RuntimeError, UserWarning,
    PIL.Image.DecompressionBombError,
])  # fmt: skip
def test_whatever_a_decoder_raises_is_translated(error, monkeypatch):
    def load(self):
        raise error("decoder says no")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(BadImageError, match=r"decoder says no|memory") as caught:
        load_image(healthy_files()[0][1])
    assert caught.value.category in ("corrupt", "truncated", "too_large")
    assert isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize(
    ("format", "data"), healthy_files(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_cut_is_named_truncated(format, data):
    # Frames after the first may be missing, and so may the tables of contents that follow the pixels.
    with_more = load_image(data).notes and "of 2" in load_image(data).notes[-1]
    for length in range(64, len(data) // (3 if with_more else 1), 23):
        with pytest.raises(BadImageError) as caught:
            load_image(data[:length])
        assert caught.value.category in ("truncated", "corrupt")
        if format != "TIFF":
            assert caught.value.category == "truncated", (length, str(caught.value))


def test_every_flipped_byte_of_a_png_is_noticed():
    data = healthy_files()[4][1]
    for position in range(8, len(data), 5):
        damaged = bytearray(data)
        damaged[position] ^= 16
        with pytest.raises(BadImageError) as caught:
            load_image(bytes(damaged))
        assert caught.value.category in ("corrupt", "truncated", "too_large")


def test_a_wrong_checksum_is_named():
    data = bytearray(healthy_files()[4][1])
    data[data.index(b"IDAT") + 9] ^= 1
    with pytest.raises(BadImageError, match=r"chunk 'IDAT' at byte .* has a wrong checksum") as caught:
        load_image(bytes(data))
    assert caught.value.category == "corrupt"


def bombs():
    """(name, bytes) of headers that promise 900 megapixels."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    side = 30_000
    for depth, colour in ((8, 2), (16, 6), (1, 0)):
        header = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
        pixels = zlib.compress(bytes(1_000_000))
        yield (
            "PNG",
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""),
        )
    for format, data in healthy_files():
        data = bytearray(data)
        if format == "JPEG":
            at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
            struct.pack_into(">HH", data, at + 5, side, side)
        elif format == "BMP":
            struct.pack_into("<ii", data, 18, side, side)
        elif format == "GIF":
            struct.pack_into("<HH", data, 6, side, side)
        elif format == "PPM":
            data = bytearray(data.replace(b"32 24", b"30000 30000"))
        elif format == "TIFF":
            small, large = struct.pack("<HHII", 256, 4, 1, 32), struct.pack("<HHII", 256, 4, 1, side)
            short = struct.pack("<HHIHH", 256, 3, 1, 32, 0)
            small = small if small in data else short
            assert small in data
            data = bytearray(data.replace(small, large))
            for old in (struct.pack("<HHII", 257, 4, 1, 24), struct.pack("<HHIHH", 257, 3, 1, 24, 0)):
                data = bytearray(data.replace(old, struct.pack("<HHII", 257, 4, 1, side)))
        else:
            continue
        yield format, bytes(data)
    # WebP holds 16,383 a side; the extended form holds 2**24, and both frames of a GIF count.
    size = (16_383 - 1).to_bytes(3, "little")
    yield "WEBP", b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + size + size
    yield "WEBP", b"RIFF\x12\0\0\0WEBPVP8 \x06\0\0\0\x30\x01\0\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383)
    yield "WEBP", b"RIFF\x11\0\0\0WEBPVP8L\x05\0\0\0\x2f" + struct.pack("<I", 16382 | 16382 << 14) + b"\0"
    frame = b",\0\0\0\0" + struct.pack("<HHB", 60_000, 60_000, 0) + b"\x02\x02\x44\x01\0;"
    yield "GIF", b"GIF89a\x08\0\x08\0\0\0\0" + b"!\xf9\x04\x08\0\0\0\0" + frame


@pytest.mark.parametrize(
    ("format", "data"), list(bombs()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_bombs_are_refused_from_the_header(format, data, monkeypatch):
    def no_memory(*args):
        raise AssertionError("asked Pillow for pixels")

    # tracemalloc does not see what Pillow allocates in C, so that is forbidden outright.
    for name in ("new", "fill"):
        monkeypatch.setattr(PIL.Image.core, name, no_memory)
    if format == "WEBP":
        from PIL import WebPImagePlugin

        monkeypatch.setattr(WebPImagePlugin._webp, "WebPAnimDecoder", no_memory)
    tracemalloc.start()
    try:
        with pytest.raises(BadImageError, match="megapixels; at most 50") as caught:
            load_image(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.category == "too_large"
    assert peak < 2_000_000


@pytest.mark.parametrize("close", [lambda picture: picture.close(), lambda picture: picture.fp.close()])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_picture_that_was_closed_is_not_called_damaged(tmp_path, close, loaded):
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    picture = PIL.Image.open(tmp_path / "a.png")
    file = picture.fp
    if loaded:
        picture.load()
        close = PIL.Image.Image.close
    close(picture)
    with pytest.raises(BadImageError, match=r"a.png: is closed, so its.*Call load\(\)") as caught:
        read_source(picture).digest  # noqa: B018 - which needs the pixels
    assert caught.value.category == "unreadable"
    with pytest.raises(BadImageError, match="is closed"):
        load_image(picture)
    file.close()

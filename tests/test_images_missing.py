"""Files that end properly but lack pixels, dark files of 16 bits, and files that would take for ever."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from transferkit.errors import BadImageError
from transferkit.images import Target, load_image, read_source
from transferkit.images._decode import decode_bytes
from transferkit.images._image import LIMITS

RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(RGB[:6, :8]).resize((128, 96), Image.Resampling.BICUBIC))


def encode(pixels, format, **settings):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format, **settings)
    return stream.getvalue()


def png(header, rows):
    """Return a PNG file of these raw rows, each with its filter byte."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    content = zlib.compress(rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def rgb_png(share, interlaced=False, bits=8):
    width, height = 64, 48
    header = struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)
    rows = b"".join(
        b"\0" + (RGB[y].astype(">u2") * 257 if bits == 16 else RGB[y]).tobytes() for y in range(height)
    )
    return png(header, rows[: int(share * len(rows))])


def early_end(data, share):
    """Return a JPEG that ends properly within the data of its last scan."""
    start = data.rfind(b"\xff\xda") + 14
    return data[: start + int(share * (len(data) - start))].rstrip(b"\xff") + b"\xff\xd9"


def refused(data, category="truncated", match="stops before the last pixel"):
    with pytest.raises(BadImageError, match=match) as caught:
        load_image(data)
    assert caught.value.category == category


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.94])
def test_a_png_that_ends_after_some_of_its_rows(share, bits):
    np.testing.assert_array_equal(load_image(rgb_png(1, bits=bits)).pixels, RGB)
    refused(rgb_png(share, bits=bits), match="stops before the last pixel|file is truncated")


def test_a_png_that_lacks_half_a_row():
    black = np.zeros_like(RGB)
    rows = b"".join(b"\0" + row.tobytes() for row in black)
    header = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    assert not load_image(png(header, rows)).pixels.any()
    refused(png(header, rows[:-1]), match="stops before the last pixel|file is truncated")
    refused(png(header, rows[: len(rows) // 2]))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (17, 33)])
def test_black_png_files_are_whole(mode, size):
    size = max(size[0], 8), max(size[1], 8)
    stream = io.BytesIO()
    Image.new(mode, size, (0,) * len(mode) if mode in ("LA", "RGB", "RGBA") else 0).save(stream, "PNG")
    load_image(stream.getvalue())


def interlaced(size, missing=0):
    """Return a black interlaced PNG of grey, Pillow's own writer having no such option."""
    height, width = size
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    rows = b"".join(
        bytes(1 + len(range(left, width, right))) * len(range(top, height, down))
        for left, top, right, down in passes
        if len(range(left, width, right))
    )
    return png(struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1), rows[: len(rows) - missing])


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (16, 31)])
def test_interlaced_png_files(size):
    assert not load_image(interlaced(size)).pixels.any()
    with pytest.raises(BadImageError):
        load_image(interlaced(size, missing=3))


JPEGS = [{}, {"subsampling": 0}, {"optimize": True}, {"restart_marker_blocks": 4}, {"quality": 30}]


@pytest.mark.parametrize("settings", JPEGS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_with_an_early_end(settings, share, grey):
    data = encode(SMOOTH[..., 0] if grey else SMOOTH, "JPEG", **settings)
    load_image(data)
    refused(early_end(data, share))
    with pytest.raises(BadImageError, match="stops before the last pixel"):
        decode_bytes(early_end(data, share), "a", None, LIMITS, Target(16, 16))


def test_a_progressive_jpeg_whose_first_scan_ends_early():
    data = encode(SMOOTH, "JPEG", progressive=True)
    first = data.find(b"\xff\xda")
    second = data.find(b"\xff\xc4", first)
    refused(data[: first + (second - first) // 2].rstrip(b"\xff") + b"\xff\xd9")


@pytest.mark.parametrize("settings", [*JPEGS, {"progressive": True}])
@pytest.mark.parametrize("value", [127, 128, 129])
def test_grey_jpeg_files_are_whole(settings, value):
    for pixels in (np.full((40, 56, 3), value, np.uint8), np.full((40, 56), value, np.uint8)):
        load_image(encode(pixels, "JPEG", **settings))
    half = SMOOTH.copy()
    half[48:] = value
    load_image(encode(half, "JPEG", **settings))
    load_image(encode(half, "JPEG", **settings) + b"trailing")
    read_source(encode(half, "JPEG", **settings)).decode(None, Target(16, 16))


def test_allowed_truncation_is_allowed(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert load_image(rgb_png(0.5)).pixels[:20].any()
    load_image(early_end(encode(SMOOTH, "JPEG"), 0.5))


# Dark files of 16 bits


def test_16_bit_grey_that_is_8_bit_grey_is_refused():
    grey = RGB[..., 0].astype(np.uint16)
    data = encode(grey, "PNG")
    refused(data, "ambiguous_range", r"16 bits with values from 0 to 255.*value_range=\(0, 255\)")
    np.testing.assert_array_equal(load_image(data, value_range=(0, 255)).pixels[..., 0], grey)
    assert not load_image(data, value_range=(0, 65535)).pixels.any()
    assert not load_image(encode(np.zeros_like(grey), "PNG")).pixels.any()
    with pytest.raises(BadImageError, match="16 bits with values"):
        load_image(Image.open(io.BytesIO(data)))


def test_16_bit_colour_of_12_bits_has_a_note():
    header = struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, 0)
    dark = (RGB.astype(np.uint16) * 16).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in dark)
    (note,) = load_image(png(header, rows)).notes
    assert "below 4096 of 65535" in note
    assert "value_range" in note
    assert load_image(rgb_png(1, bits=16)).notes == ("16 bits scaled to 8",)


# Files that would take for ever


def test_pages_and_frames_are_counted_up_to_a_hundred():
    small = [Image.fromarray(RGB[:8, :8]) for _ in range(300)]
    for format, word in (("TIFF", "page"), ("GIF", "frame")):
        for n, count in ((1, None), (100, "100"), (101, "more than 100"), (300, "more than 100")):
            frames = [image.copy() for image in small[:n]]
            for i, frame in enumerate(frames):
                frame.putpixel((i % 8, i // 8 % 8), (i % 256, 255, 0))
            stream = io.BytesIO()
            frames[0].save(stream, format, save_all=True, append_images=frames[1:])
            notes = load_image(stream.getvalue()).notes
            assert notes == (() if count is None else (f"first {word} of {count}",))


def test_a_tiff_of_many_pages_is_read_at_once():
    page = io.BytesIO()
    Image.fromarray(RGB[..., 0]).save(page, "TIFF")
    data = bytearray(page.getvalue())
    (at,) = struct.unpack_from("<I", data, 4)
    (n,) = struct.unpack_from("<H", data, at)
    directory = bytes(data[at : at + 2 + 12 * n])
    for _ in range(100_000):
        struct.pack_into("<I", data, at + 2 + 12 * n, len(data))
        at = len(data)
        data += directory + bytes(4)
    assert load_image(bytes(data)).notes == ("first page of more than 100",)


def test_a_jpeg_of_thousands_of_scans_is_refused():
    data = encode(SMOOTH, "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    scan = data[last:-2]
    load_image(data)
    refused(data[:-2] + scan * 600 + b"\xff\xd9", "too_large", "progressive JPEG of 6")

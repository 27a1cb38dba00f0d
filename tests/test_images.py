"""Pictures as files, bytes and Pillow images: the same pixels in every form, right pixels in every mode."""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from transferkit.errors import BadImageError, InvalidInputError
from transferkit.images import CATEGORIES, Limits, is_side_file, load_image, read_source, readable_again
from transferkit.images._quiet import quiet

RGB = np.random.default_rng(7).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def encode(picture, format="PNG", **options):
    file = io.BytesIO()
    (PIL.Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(
        file, format, **options
    )
    return file.getvalue()


def png(width, height, depth, colour, rows, *chunks):
    """A PNG in forms that Pillow cannot write."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def exif(orientation):
    data = PIL.Image.Exif()
    data[0x0112] = orientation
    return data


def failure(source, category, text="", **options):
    """Check that loading fails in this way, and return the error."""
    with pytest.raises(BadImageError, match=re.escape(text) or None) as caught:
        load_image(source, **options)
    assert caught.value.category == category, str(caught.value)
    assert category in CATEGORIES
    return caught.value


# ---- every form of a picture gives the same pixels (promise 11) -------------------------------------------


def variants():
    """(name, encoded bytes) of many pictures in many modes."""
    random = np.random.default_rng(11)
    for number in range(20):
        height, width = random.integers(5, 60, 2)
        picture = PIL.Image.fromarray(random.integers(0, 256, (height, width, 4), dtype=np.uint8))
        rgb = picture.convert("RGB")
        turned = exif(int(random.integers(1, 9)))
        yield f"{number}-rgb.png", encode(rgb, exif=turned)
        yield f"{number}-rgba.png", encode(picture)
        yield f"{number}-la.png", encode(picture.convert("LA"))
        yield f"{number}-p.png", encode(rgb.quantize(16), transparency=int(random.integers(16)))
        yield f"{number}-pa.png", encode(rgb.quantize(4), transparency=bytes([0, 90, 180, 255]))
        yield f"{number}-1.png", encode(picture.convert("1"))
        wide = random.integers(0, 65536, (height, width)).astype(np.uint16)
        yield f"{number}-16.png", encode(wide)
        yield f"{number}-16.tif", encode(wide, "TIFF")
        yield f"{number}.jpg", encode(rgb, "JPEG", exif=turned)
        yield f"{number}-cmyk.jpg", encode(rgb.convert("CMYK"), "JPEG")
        yield f"{number}-grey.jpg", encode(rgb.convert("L"), "JPEG", progressive=True)
        yield f"{number}.gif", encode(rgb.quantize(), "GIF", save_all=True, append_images=[rgb.quantize(3)])
        yield f"{number}.bmp", encode(rgb, "BMP")
        yield f"{number}.tif", encode(rgb, "TIFF", exif=turned, compression="tiff_lzw")
        yield f"{number}.webp", encode(picture, "WEBP", exif=turned)
        yield f"{number}.ppm", encode(rgb, "PPM")


def test_six_forms_of_320_pictures_give_identical_pixels(tmp_path):
    for name, data in variants():
        path = tmp_path / name
        path.write_bytes(data)
        expected = load_image(str(path)).pixels
        with path.open("rb") as file, PIL.Image.open(io.BytesIO(data)) as picture:
            for form in (path, data, bytearray(data), memoryview(data), file, picture, expected):
                pixels = load_image(form).pixels
                assert pixels.dtype == np.uint8
                assert pixels.flags.c_contiguous
                np.testing.assert_array_equal(pixels, expected, err_msg=f"{name} as {type(form).__name__}")


def test_file_forms_share_one_digest_and_arrays_have_their_own(tmp_path):
    data = encode(RGB)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    for form in (str(path), path, data, bytearray(data), io.BytesIO(data)):
        assert read_source(form).digest == expected
    digests = [
        read_source(form).digest
        for form in (
            RGB,
            RGB.astype(np.int16),
            RGB.reshape(20, 12, 3),
            RGB ^ np.uint8(1),
            PIL.Image.fromarray(RGB),
            PIL.Image.open(io.BytesIO(encode(RGB, exif=exif(3)))),
        )
    ]
    assert len({expected, *digests}) == 7
    assert read_source(np.asfortranarray(RGB)).digest == digests[0]
    assert read_source(RGB.copy()).digest == digests[0]
    assert read_source(PIL.Image.open(io.BytesIO(data))).digest == digests[4]


def test_a_file_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encode(RGB))
    source = read_source(path)
    path.write_bytes(b"something else")
    assert source.path == path
    assert source.name == str(path)
    assert source.digest == hashlib.sha256(encode(RGB)).hexdigest()
    np.testing.assert_array_equal(source.decode().pixels, RGB)
    np.testing.assert_array_equal(source.decode().pixels, RGB)


def test_file_object_is_read_from_its_position():
    file = io.BytesIO(b"header" + encode(RGB))
    file.seek(6)
    np.testing.assert_array_equal(load_image(file).pixels, RGB)
    assert failure(file, "empty", "Call file.seek(0)")


# ---- golden pixels ------------------------------------------------------------------------------------


def solid(mode, colour):
    return PIL.Image.new(mode, (8, 6), colour)


@pytest.mark.parametrize(
    ("data", "expected", "notes"),
    [
        (encode(solid("CMYK", (10, 20, 30, 40)), "TIFF"), (207, 198, 190), ()),
        (encode(solid("L", 77)), (77, 77, 77), ()),
        (encode(solid("1", 1)), (255, 255, 255), ()),
        (encode(solid("1", 0)), (0, 0, 0), ()),
        (encode(solid("RGB", (9, 8, 7)).quantize(4)), (9, 8, 7), ()),
        (encode(solid("RGBA", (10, 20, 30, 255))), (10, 20, 30), ()),
        (encode(solid("RGBA", (10, 20, 30, 0))), (255, 255, 255), ("alpha composited on white",)),
        # 255 - 51/255 * (255 - colour), rounded
        (encode(solid("RGBA", (10, 20, 30, 51))), (206, 208, 210), ("alpha composited on white",)),
        (encode(solid("LA", (0, 51))), (204, 204, 204), ("alpha composited on white",)),
        (encode(solid("L", 5), transparency=5), (255, 255, 255), ("alpha composited on white",)),
        (encode(np.full((6, 8), 0x80FF, np.uint16)), (128, 128, 128), ("16 bits scaled to 8",)),
        (encode(np.full((6, 8), 0xFFFF, np.uint16), "TIFF"), (255, 255, 255), ("16 bits scaled to 8",)),
        (png(8, 6, 16, 2, [b"\x10\xff\x20\x00\xff\xff" * 8] * 6), (16, 32, 255), ("16 bits scaled to 8",)),
        (b"P5 8 6 65535\n" + b"\x40\x00" * 48, (64, 64, 64), ("16 bits scaled to 8",)),
    ],
    ids=lambda value: value[1:4].decode("latin-1").strip() if isinstance(value, bytes) else "",
)  # fmt: skip
def test_golden_pixels(data, expected, notes):
    image = load_image(data)
    assert image.pixels.shape == (6, 8, 3)
    np.testing.assert_array_equal(image.pixels, np.broadcast_to(np.uint8(expected), (6, 8, 3)))
    assert image.notes == notes


def test_cmyk_jpeg_of_adobe_is_not_negative():
    red = encode(solid("CMYK", (0, 255, 255, 0)), "JPEG", quality=100)
    assert b"Adobe" in red
    np.testing.assert_allclose(load_image(red).pixels, np.broadcast_to([255, 0, 0], (6, 8, 3)), atol=3)


def test_palette_with_opacity_per_colour():
    picture = PIL.Image.fromarray((np.indices((6, 8)).sum(0) % 2).astype(np.uint8), "L").convert("P")
    picture.putpalette([0, 0, 0, 200, 100, 50])
    pixels = load_image(encode(picture, transparency=bytes([51, 255]))).pixels
    assert pixels[0, 0].tolist() == [204, 204, 204]
    assert pixels[0, 1].tolist() == [200, 100, 50]


def test_transparent_colour_of_16_bit_files():
    grey = np.random.default_rng(0).integers(256, 65536, (6, 8)).astype(">u2")
    data = png(8, 6, 16, 0, [row.tobytes() for row in grey], (b"tRNS", grey[2, 3:4].tobytes()))
    pixels = load_image(data).pixels
    assert pixels[2, 3].tolist() == [255, 255, 255]
    assert pixels[2, 4, 0] == grey[2, 4] >> 8
    colour = grey.reshape(2, 8, 3).repeat(3, 0)
    data = png(8, 6, 16, 2, [row.tobytes() for row in colour], (b"tRNS", colour[5, 1].tobytes()))
    pixels = load_image(data).pixels
    assert pixels[5, 1].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(pixels[:3], colour[:3] >> 8)


def test_wide_tiff_where_zero_is_white():
    data = encode(np.full((6, 8), 0xF000, np.uint16), "TIFF", tiffinfo={262: 0})
    image = load_image(data)
    assert image.pixels[0, 0].tolist() == [15, 15, 15]
    assert "inverted: zero is white in this file" in image.notes


def test_dark_16_bit_file_takes_a_range():
    data = encode(np.full((6, 8), 2048, np.uint16))
    assert load_image(data).pixels[0, 0, 0] == 8
    assert "brightest value is 2048 of 65535" in load_image(data).notes[0]
    assert load_image(data, value_range=(0, 4096)).pixels[0, 0, 0] == 128


def test_float_tiff():
    ramp = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    pixels = load_image(encode(ramp, "TIFF")).pixels
    np.testing.assert_array_equal(pixels[..., 0], np.rint(ramp * 255))
    failure(encode(ramp * 2 - 1, "TIFF"), "ambiguous_range", "Pass value_range=(black, white)")
    assert load_image(encode(ramp * 2 - 1, "TIFF"), value_range=(-1, 1)).pixels[3, 0, 0] == pixels[3, 0, 0]
    ramp[1, 2] = np.nan
    failure(encode(ramp, "TIFF"), "non_finite", "1 of 48 values")


# Where the upper left pixel of the stored picture lies in the upright one: EXIF 2.32, 4.6.4 A.
CORNERS = {
    1: (0, 0),
    2: (0, -1),
    3: (-1, -1),
    4: (-1, 0),
    5: (0, 0),
    6: (0, -1),
    7: (-1, -1),
    8: (-1, 0),
}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_eight_orientations(orientation, format):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :8] = 255
    stored[:8, -8:] = 100  # the upper right corner tells a turn from a flip
    options = {"lossless": True} if format == "WEBP" else {"quality": 95} if format == "JPEG" else {}
    image = load_image(encode(stored, format, exif=exif(orientation), **options))
    assert image.pixels.shape == ((16, 32, 3) if orientation < 5 else (32, 16, 3))
    grey = image.pixels[..., 0].astype(int)
    row, column = CORNERS[orientation]
    assert grey[row, column] > 240
    other = (row, -1 - column) if orientation < 5 else (-1 - row, column)
    assert 80 < grey[other] < 120
    assert image.notes == (() if orientation == 1 else (f"EXIF orientation {orientation} applied",))


@pytest.mark.parametrize("broken", [b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0"])
def test_broken_exif_and_profile_are_never_fatal(broken):
    data = encode(RGB, "JPEG", exif=broken, icc_profile=b"no profile")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(load_image(data).pixels, load_image(encode(RGB, "JPEG")).pixels)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_unknown_orientation_is_ignored(value):
    np.testing.assert_array_equal(load_image(encode(RGB, exif=exif(value))).pixels, RGB)


# ---- accepted and noted -------------------------------------------------------------------------------


def test_wrong_suffix_trailing_bytes_and_more_frames_are_noted(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(RGB) + b"xyz")
    assert load_image(path).notes == ("3 trailing bytes ignored", "named .jpg but is PNG")
    np.testing.assert_array_equal(load_image(path).pixels, RGB)
    assert load_image(encode(RGB, "JPEG") + b"xyz").notes == ("3 trailing bytes ignored",)
    frames = [PIL.Image.fromarray(RGB // k).quantize() for k in (1, 2, 3)]
    many = {"save_all": True, "append_images": frames[1:]}
    assert load_image(encode(frames[0], "GIF", **many)).notes == ("first frame of 3",)
    assert load_image(encode(frames[0], "TIFF", **many)).notes == ("first page of 3",)
    single = load_image(encode(frames[0], "GIF")).pixels
    np.testing.assert_array_equal(load_image(encode(frames[0], "GIF", **many)).pixels, single)


def test_a_pillow_image_is_taken_at_its_current_frame():
    frames = [PIL.Image.fromarray(np.full((8, 8, 3), 60 * k, np.uint8)) for k in (1, 2, 3)]
    picture = PIL.Image.open(io.BytesIO(encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])))
    picture.seek(2)
    assert load_image(picture).pixels[0, 0, 0] == 180


# ---- refused, by category -----------------------------------------------------------------------------


def test_paths_that_are_no_files(tmp_path):
    failure(tmp_path / "none.png", "not_found", "does not exist")
    failure("none.png", "not_found", "Relative paths start at")
    failure("~/none.png", "not_found", "expanduser")
    failure("a\0b.png", "not_found")
    failure("x" * 5000, "not_found")
    failure(tmp_path, "not_a_file", "is a folder")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    failure(tmp_path / "link.png", "not_found", "is a link to")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    failure(tmp_path / "loop.png", "unreadable")
    failure("data:image/png;base64," + "A" * 9999, "not_found", "is a data: URL")
    failure(Path("https://example.org/cat.jpg"), "not_found", "Pass an address as str")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_never_opened(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.png")

    def no_open(*args, **options):
        raise AssertionError("opened")

    monkeypatch.setattr(os, "open", no_open)
    failure(tmp_path / "pipe.png", "not_a_file", "pipe")
    failure("/dev/zero", "not_a_file", "device")


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encode(RGB))

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")  # root may read everything, so chmod would not do

    monkeypatch.setattr(os, "open", refuse)
    failure(path, "unreadable", "not have permission")


def test_empty_and_too_many_bytes(tmp_path):
    path = tmp_path / "a.png"
    path.touch()
    failure(path, "empty", "zero bytes")
    failure(b"", "empty")
    path.write_bytes(encode(RGB))
    small = Limits(max_bytes=100)
    for source in (path, encode(RGB), io.BytesIO(encode(RGB))):
        failure(source, "too_large", "MB or more", limits=small)


@pytest.mark.parametrize(
    ("data", "category", "what"),
    [
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html><body>404</body></html>", "not_an_image", "an HTML page"),
        (b"<!-- x --><!-- y -->\n<HTML>", "not_an_image", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "not_an_image", "Git LFS pointer"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "not_an_image", "AppleDouble"),
        (b"\0\0\0\1Bud1\0\0", "not_an_image", ".DS_Store"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not_an_image", "Thumbs.db"),
        (b"PK\3\4....", "not_an_image", "ZIP archive"),
        (b"\x1f\x8b\x08", "not_an_image", "gzip"),
        (b"\x93NUMPY\1\0", "not_an_image", "numpy.load"),
        (b"\0\0\0\x20ftypisom", "not_an_image", "a video"),
        (b'{"error": "not found"}', "not_an_image", "JSON"),
        (b"/home/me/cat.jpg", "not_an_image", "must be a str, not bytes"),
        (b"\0" * 500, "not_an_image", "500 zero bytes"),
        (b"\xfe\xfa\xfb\xf0", "not_an_image", "begins with fe fa fb f0"),
        (b"\0\0\0\x18ftypheic\0\0", "corrupt", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0", "format_not_supported", "AVIF"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="">', "format_not_supported", "SVG"),
        (b"%PDF-1.7\n", "format_not_supported", "PDF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "format_not_supported", "EPS"),
        (b"8BPS\0\1", "format_not_supported", "PSD"),
        (b"\0" * 128 + b"DICM", "not_an_image", "DICOM"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "format_not_supported", "JPEG 2000"),
        (b"II*\0\x10\0\0\0CR\2\0", "format_not_supported", "camera raw"),
        (encode(solid("RGB", 0), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "format_not_supported", "raw"),
        (encode(PIL.Image.new("LAB", (8, 8)), "TIFF"), "format_not_supported", "LAB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_it_is_instead(data, category, what):
    failure(data, category, what)


def test_hostile_text_does_not_stall_the_recogniser():
    failure(b"<!---->" * 500 + b"x", "not_an_image")
    failure(b"\n" * 4000, "not_an_image")


def test_eps_never_reaches_ghostscript(monkeypatch):
    from PIL import EpsImagePlugin

    def no_ghostscript(*args, **options):
        raise AssertionError("started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", no_ghostscript)
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\n%%EOF\n"
    failure(data, "format_not_supported", "EPS")
    failure(PIL.Image.open(io.BytesIO(data)), "format_not_supported", "EPS")


@pytest.mark.parametrize("source", [None, float("nan"), 3, {"a": 1}, [[0, 1], [2, 3]], object()])
def test_other_objects(source):
    failure(source, "not_an_image", "Expected a path")


def test_text_file_endless_file_and_closed_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    with path.open() as file:
        failure(file, "unreadable", 'mode "rb"')
    failure(file, "unreadable")
    sizes = []

    class Endless(io.RawIOBase):
        def read(self, size=-1):
            sizes.append(size)
            return b"\0" * size

    failure(Endless(), "too_large", limits=Limits(max_bytes=1000))
    assert sizes == [1001]
    picture = PIL.Image.open(io.BytesIO(encode(RGB)))
    picture.close()
    failure(picture, "unreadable", "is closed")


def test_sizes():
    failure(encode(np.zeros((1, 1, 3), np.uint8)), "too_small", "1 x 1 pixels")
    failure(encode(np.zeros((4, 9, 3), np.uint8)), "too_small", "at least 5")
    failure(encode(np.zeros((60000, 1, 3), np.uint8)), "extreme_aspect", "1 x 60,000 pixels")
    failure(encode(np.zeros((5, 251, 3), np.uint8)), "extreme_aspect", "50 times")
    load_image(encode(np.zeros((5, 250, 3), np.uint8)))
    failure(encode(RGB), "too_large", "20 x 12 pixels", limits=Limits(max_pixels=239))
    load_image(encode(RGB), limits=Limits(max_pixels=240))


def test_value_range_must_be_a_range():
    for wrong in [(1, 0), (0, np.inf), 5, (0, 1, 2), "ab"]:
        with pytest.raises(InvalidInputError, match="two finite numbers"):
            load_image(RGB, value_range=wrong)
    np.testing.assert_array_equal(load_image(encode(RGB), value_range=(0, 1)).pixels, RGB)
    wide_colour = png(8, 6, 16, 2, [bytes(48)] * 6)
    failure(wide_colour, "ambiguous_range", "16-bit colour", value_range=(0, 1))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/._photo.jpg", True),
        (".DS_Store", True),
        (Path("x/Thumbs.db"), True),
        ("__MACOSX/a/photo.jpg", True),
        ("photo.jpg", False),
        (".hidden.jpg", True),
    ],
)
def test_side_files(path, expected):
    assert is_side_file(path) is expected


# ---- no traces in the process -------------------------------------------------------------------------


def test_globals_of_pillow_and_warnings_are_neither_obeyed_nor_changed(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    filters = list(warnings.filters)
    np.testing.assert_array_equal(load_image(encode(RGB)).pixels, RGB)
    assert PIL.Image.MAX_IMAGE_PIXELS == 10
    errors = []

    def work():
        try:
            for _ in range(20):
                load_image(encode(RGB, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"))
        except Exception as error:  # noqa: BLE001 - a thread has no other way to report
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert warnings.filters == filters


def test_two_threads_never_swap_the_warning_filters_at_once():
    first, entered = quiet(), threading.Event()

    def work():
        with quiet():
            entered.set()

    filters = list(warnings.filters)
    thread = threading.Thread(target=work)
    with first:
        thread.start()
        assert not entered.wait(0.1)
    thread.join()
    assert entered.is_set()
    assert warnings.filters == filters


def test_nothing_heavy_is_imported():
    import subprocess

    code = (
        "import sys, transferkit.images;"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'scipy', 'pandas') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_pixels_cannot_be_written_through_to_the_callers_array():
    with pytest.raises(ValueError, match="read-only"):
        load_image(RGB).pixels[0] = 0
    assert RGB.flags.writeable


def test_reading_a_file_again_has_the_limit_of_files(monkeypatch):
    """And a stream that gives a few bytes at a time is read to its end."""

    class Endless(io.RawIOBase):
        def tell(self):
            return 0

        def read(self, n=-1):
            assert 0 < n <= 101
            return bytes(min(n, 10))

    monkeypatch.setattr("transferkit.images._again.LIMITS", Limits(max_bytes=100))
    assert readable_again([Endless()]) == [bytes(101)]
    with pytest.raises(BadImageError, match="or more; at most 0 are allowed"):
        read_source(Endless(), limits=Limits(max_bytes=100))


def test_file_objects_become_bytes_and_everything_else_is_kept():
    data = encode(RGB)
    text, empty, closed = io.StringIO("text"), io.BytesIO(), io.BytesIO(data)
    closed.close()
    items = [io.BytesIO(data), "a.png", RGB, text, empty, closed]
    again = readable_again(items)
    assert again[0] == data
    assert all(found is item for found, item in zip(again[1:], items[1:], strict=True))
    assert text.tell() == 0

"""Arrays: which values are white, which axis is which, and one image or many."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from transferkit.errors import BadImageError, InvalidInputError
from transferkit.images import array_ranges, as_image_list, is_single_image, load_image, read_source

RGB = np.random.default_rng(3).integers(0, 256, (12, 20, 3), dtype=np.uint8)
RGB[0, 0], RGB[0, 1] = 0, 255  # so that every scaling has its ends
GREY = RGB[..., 1]


def refused(array, category, text, **options):
    with pytest.raises(BadImageError, match=text) as caught:
        load_image(array, **options)
    assert caught.value.category == category, str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        RGB,
        RGB.astype(np.int64),
        RGB.astype(">i4"),
        RGB.astype(np.float32),
        RGB.astype(np.float64) / 255,
        (RGB / 255).astype(np.float16),
        RGB.astype(np.uint16) * 257,
        RGB.transpose(2, 0, 1),
        RGB[None],
        np.asfortranarray(RGB),
        np.repeat(RGB, 2, axis=1)[:, ::2],
        np.dstack([RGB, np.full((12, 20), 255, np.uint8)]),
    ],
    ids=lambda array: f"{array.dtype}-{array.shape}",
)
def test_one_reading_rgb(array):
    np.testing.assert_array_equal(load_image(array).pixels, RGB)


@pytest.mark.parametrize("array", [GREY, GREY[..., None], GREY[None], GREY / 255, GREY.astype(int)])
def test_one_reading_grey(array):
    np.testing.assert_array_equal(load_image(array).pixels, np.repeat(GREY[..., None], 3, 2))


def test_rgba_floats_and_bools():
    half = np.dstack([RGB, np.full((12, 20), 51, np.uint8)])
    expected = np.rint(255 - 0.2 * (255.0 - RGB))
    for array in (half, half / 255, half.transpose(2, 0, 1)):
        image = load_image(array)
        assert np.abs(image.pixels - expected).max() <= 1
        assert "alpha composited on white" in image.notes
    mixed = RGB.astype(float)
    refused(np.dstack([mixed, np.ones((12, 20))]), "ambiguous_range", "fourth channel within 0..1")
    np.testing.assert_array_equal(load_image(GREY > 99).pixels[..., 2], np.where(GREY > 99, 255, 0))


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (RGB / 127.5 - 1, "values from -1 to 1"),
        (RGB / 255 * 1.01, "values from 0 to 1.01"),
        (RGB / 255 * 15.9, "values from 0 to 15.9"),
        (RGB * 1.01, "values from 0 to 257.55"),
        (RGB.astype(np.int16) - 1, "values from -1 to 254"),
        (RGB.astype(np.int32) + 1, "values from 1 to 256"),
        (RGB.astype(np.uint16), "16 bits with values from 0 to 255"),
        ((RGB > 9).astype(np.int64), "int64 values from 0 to 1"),
    ],
)
def test_several_readings_name_the_parameter(array, text):
    refused(array, "ambiguous_range", rf"{text}.*Pass value_range=\(")


def test_the_ends_of_each_reading():
    for high, white in ((1.0, 255), (17.0, 17), (255.0, 255)):
        ramp = np.linspace(0, high, 240).reshape(12, 20)
        assert load_image(ramp).pixels.max() == white
    refused(np.linspace(0, 16, 240).reshape(12, 20), "ambiguous_range", "which value is black")
    assert load_image(np.zeros((12, 20))).pixels.max() == 0
    assert load_image(np.zeros((12, 20), np.uint16)).pixels.max() == 0
    assert load_image(np.full((12, 20), 256, np.uint16)).pixels.max() == 1
    assert load_image(np.full((12, 20), 2)).pixels.max() == 2


def test_value_range_settles_it():
    standard = RGB / 127.5 - 1
    np.testing.assert_array_equal(load_image(standard, value_range=(-1, 1)).pixels, RGB)
    np.testing.assert_array_equal(load_image(RGB.astype(np.uint16), value_range=(0, 255)).pixels, RGB)
    np.testing.assert_array_equal(load_image(RGB, value_range=(0, 1)).pixels, RGB)  # 8 bits are 0..255
    mask = (GREY > 9).astype(np.int64)
    assert set(np.unique(load_image(mask, value_range=(0, 1)).pixels)) == {0, 255}
    ramp = np.linspace(0, 1 + 0.4 / 255, 240).reshape(12, 20)  # rounding error of less than half a level
    assert load_image(ramp, value_range=(0, 1)).pixels.max() == 255
    refused(ramp * 1.01, "ambiguous_range", "lie outside value_range", value_range=(0, 1))


def test_large_arrays_are_scaled_in_blocks():
    large = np.linspace(0, 1, 1200 * 1100).reshape(1200, 1100)
    np.testing.assert_array_equal(load_image(large).pixels[..., 0], np.rint(large * 255))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite(bad):
    array = RGB / 255
    array[3, 4, 1] = bad
    refused(array, "non_finite", "1 of 720 values are NaN or infinite")
    refused(array, "non_finite", "1 of 720", value_range=(0, 1))


@pytest.mark.parametrize(
    ("array", "category", "text"),
    [
        (np.zeros((3, 0, 2)), "empty", r"array of shape \(3, 0, 2\): has no values"),
        (np.zeros((12, 20, 2), np.uint8), "bad_array", "Choose 1, 3 or 4 channels"),
        (np.zeros((12, 20, 5), np.uint8), "bad_array", "Choose 1, 3 or 4 channels"),
        (np.zeros((2, 12, 20, 3), np.uint8), "bad_array", "several images as a list"),
        (np.zeros(12, np.uint8), "bad_array", "is not an array of one image"),
        (np.zeros(()), "bad_array", "is not an array of one image"),
        (np.zeros((12, 20), object), "bad_array", "has dtype object"),
        (np.zeros((12, 20), complex), "bad_array", "has dtype complex128"),
        (np.zeros((12, 20), "M8[s]"), "bad_array", "has dtype datetime64"),
        (np.ma.masked_less(GREY, 9), "bad_array", "masked values"),
        (np.zeros((3, 1000, 3), np.uint8), "extreme_aspect", "1,000 x 3"),
        (np.zeros((4, 50, 3), np.uint8), "too_small", "50 x 4"),
        (np.broadcast_to(np.uint8(0), (30000, 30000, 3)), "too_large", "900.0 megapixels"),
    ],
)
def test_no_reading(array, category, text):
    refused(array, category, text)


def test_tensors_are_arrays():
    class Tensor:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            if self.values is None:
                raise TypeError("can't convert cuda:0 device type tensor to numpy")
            return self.values

    np.testing.assert_array_equal(load_image(Tensor(RGB)).pixels, RGB)
    assert read_source(Tensor(RGB)).digest == read_source(RGB).digest
    refused(Tensor(None), "bad_array", "cuda:0")


# ---- one or many ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [
        "a.png",
        np.str_("a.png"),
        Path("a.png"),
        b"bytes",
        bytearray(b"bytes"),
        memoryview(b"bytes"),
        io.BytesIO(b"bytes"),
        PIL.Image.fromarray(RGB),
        RGB,
        GREY,
        GREY[..., None],
        np.zeros((12, 20, 4)),
        np.zeros((3, 20, 3)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_one_image(one):
    assert is_single_image(one)
    images = as_image_list(one)
    assert len(images) == 1
    assert images[0] is one


@pytest.mark.parametrize(
    "many",
    [
        ["a.png", "b.png"],
        ("a.png", "b.png"),
        np.array(["a.png", "b.png"]),
        np.array(["a.png", "b.png"], object),
        np.array([["a.png"], ["b.png"]], object),
        pd.Series(["a.png", "b.png"], index=[7, 3]),
        pd.Series(["a.png", "b.png"], dtype="category"),
        pd.Index(["a.png", "b.png"]),
        pd.DataFrame({"path": ["a.png", "b.png"]}),
    ],
    ids=lambda many: type(many).__name__,
)
def test_many_paths(many):
    assert not is_single_image(many)
    assert as_image_list(many) == ["a.png", "b.png"]
    assert all(isinstance(path, str) for path in as_image_list(many))


@pytest.mark.parametrize(
    "shape", [(2, 12, 20), (7, 12, 20), (1, 12, 20), (5, 12, 20, 3), (5, 3, 12, 20), (1, 9, 9, 1)]
)
def test_stacks(shape):
    stack = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert not is_single_image(stack)
    images = as_image_list(stack)
    assert len(images) == shape[0]
    for image, expected in zip(images, stack, strict=True):
        np.testing.assert_array_equal(image, expected)
        assert load_image(image).pixels.ndim == 3


def test_objects_in_an_object_array_stay_as_they_are():
    images = np.empty(2, object)
    images[0], images[1] = RGB, "a.png"
    assert as_image_list(images)[0] is RGB
    assert as_image_list([RGB.transpose(2, 0, 1)])[0].shape == (3, 12, 20)


@pytest.mark.parametrize("count", [3, 4])
def test_channels_first_or_several_grey_images(count):
    with pytest.raises(InvalidInputError, match=rf"{count} grey images, or one image with channels first"):
        as_image_list(np.zeros((count, 12, 20)))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ([], "no images"),
        ((), "no images"),
        (np.array([], object), "no images"),
        (np.zeros((0, 12, 20, 3)), "no images"),
        (np.zeros((0, 12, 20)), "no images"),
        (pd.Series([], dtype=object), "no images"),
        (pd.DataFrame({"path": []}), "no images"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "2 columns"),
        (np.array([["a", "b"]], object), "2 columns"),
        (iter(["a.png"]), r"Pass list\(X\)"),
        ((path for path in ["a.png"]), r"Pass list\(X\)"),
        ({"a": 1}, "Got dict"),
        ({"a.png"}, "Got set"),
        (None, "Got NoneType"),
        (5, "Got int"),
        (np.zeros(4), r"Got an array of shape \(4,\)"),
        (np.zeros((2, 2, 12, 20, 3)), "Got an array of shape"),
        (np.zeros((2, 12, 20), object), "dtype object"),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_neither_one_nor_many(wrong, text):
    with pytest.raises(InvalidInputError, match=text):
        as_image_list(wrong)


def test_two_channels_are_no_stack_of_narrow_images():
    with pytest.raises(InvalidInputError, match=r"1, 3 or 4 channels, not 2.*X\[\.\.\., :1\]"):
        as_image_list(np.zeros((40, 40, 2), np.uint8))
    with pytest.raises(BadImageError, match=r"such as array\[\.\.\., :1\]"):
        load_image(np.zeros((40, 40, 2), np.uint8))
    assert len(as_image_list(np.zeros((40, 40, 5), np.uint8))) == 40


def test_the_order_of_bytes_changes_nothing():
    """FITS files and memory maps of other machines are big-endian."""
    deep = np.linspace(0, 60000, 16 * 16).astype(np.uint16).reshape(16, 16)
    swapped = deep.astype(">u2")
    np.testing.assert_array_equal(load_image(swapped).pixels, load_image(deep).pixels)
    assert array_ranges([swapped]) == array_ranges([deep])
    for order in "<>":
        with pytest.raises(BadImageError, match="8 bits stored as 16"):
            load_image(np.full((16, 16), 200, f"{order}u2"))

"""The square: constant stays constant, and every point lands where ``letterbox`` says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transferkit.errors import InvalidInputError
from transferkit.images import crop_image, letterbox, resize_image

sides = st.integers(1, 90)
sizes = st.integers(1, 70)
modes = st.sampled_from(["stretch", "pad"])


@given(sides, sides, sizes, modes, st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_constant_picture_stays_constant_inside_its_box(width, height, size, resize, value):
    square = resize_image(np.full((height, width, 3), value, np.uint8), size, resize=resize)
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    scale_x, scale_y, left, top = letterbox(width, height, size, resize=resize)
    right, bottom = left + round(width * scale_x), top + round(height * scale_y)
    inside = np.zeros((size, size), bool)
    inside[int(top) : int(bottom), int(left) : int(right)] = True
    assert (square[inside] == value).all()
    assert (square[~inside] == 0).all()


@given(sides, sides, sizes, modes)
@settings(max_examples=300, deadline=None)
def test_geometry(width, height, size, resize):
    scale_x, scale_y, left, top = letterbox(width, height, size, resize=resize)
    inner = np.array([width * scale_x, height * scale_y])
    np.testing.assert_allclose(inner, np.rint(inner), atol=1e-9)
    assert max(inner) == pytest.approx(size)
    assert left == int(left)
    assert top == int(top)
    for offset, side in ((left, inner[0]), (top, inner[1])):
        assert offset >= 0
        assert -1e-9 <= size - side - 2 * offset < 1 + 1e-9  # centred; an odd pixel goes to the far side
    if resize == "pad":
        exact = size / max(width, height)
        # Half a pixel of rounding, or the one pixel that is always left of a very narrow picture.
        assert abs(inner - exact * np.array([width, height])).max() <= 0.5 + 1e-9 or round(min(inner)) == 1
    else:
        assert (left, top) == (0, 0)


@given(
    st.integers(40, 160),
    st.integers(40, 160),
    st.integers(24, 200),
    modes,
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
)
@settings(max_examples=150, deadline=None)
def test_a_bright_dot_lands_where_letterbox_says(width, height, size, resize, at_x, at_y):
    x, y = int(at_x * width), int(at_y * height)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - 4 : y + 5, x - 4 : x + 5] = 255  # the centre of gravity of a 9 x 9 dot is its middle pixel
    square = resize_image(pixels, size, resize=resize)[..., 0].astype(float)
    rows, columns = np.indices(square.shape)
    scale_x, scale_y, left, top = letterbox(width, height, size, resize=resize)
    # A pixel of the square with index i reaches from i to i + 1.
    u = ((columns + 0.5) * square).sum() / square.sum()
    v = ((rows + 0.5) * square).sum() / square.sum()
    assert u == pytest.approx((x + 0.5) * scale_x + left, abs=0.1)
    assert v == pytest.approx((y + 0.5) * scale_y + top, abs=0.1)


def test_downscaling_does_not_alias():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 254
    square = resize_image(stripes, 37)
    assert np.abs(square[:, 2:-2].astype(int) - 127).max() <= 8


def test_golden_pad():
    pixels = np.full((10, 20, 3), 200, np.uint8)
    square = resize_image(pixels, 8, resize="pad")
    assert letterbox(20, 10, 8, resize="pad") == (0.4, 0.4, 0.0, 2.0)
    assert (square[2:6] == 200).all()
    assert (square[:2] == 0).all()
    assert (square[6:] == 0).all()
    assert letterbox(20, 10, 8) == (0.4, 0.8, 0.0, 0.0)


def test_rows_are_resized_before_columns_whatever_pillow_would_do():
    # In one call, Pillow 13 starts with the columns of this image, which gives 125.
    tall = [
        [121, 131],
        [193, 243],
        [8, 36],
        [210, 242],
        [63, 79],
        [222, 108],
        [69, 211],
        [65, 104],
        [164, 140],
    ]
    pixels = np.stack([np.array(tall, np.uint8)] * 3, axis=-1)
    assert resize_image(pixels, 3)[2, 1, 0] == 126

    pixels = np.random.default_rng(0).integers(0, 256, (90, 21, 3), dtype=np.uint8)
    rows = Image.fromarray(pixels).resize((7, 90), Image.Resampling.BILINEAR)
    both = np.asarray(rows.resize((7, 30), Image.Resampling.BILINEAR))
    crop = crop_image(pixels, (10.5, 45, 90, 0), 30)
    np.testing.assert_array_equal(crop, crop_image(both, (3.5, 15, 30, 0), 30))


def test_same_size_is_an_identical_copy():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for resize in ("stretch", "pad"):
        square = resize_image(pixels, 16, resize=resize)
        np.testing.assert_array_equal(square, pixels)
        assert not np.shares_memory(square, pixels)


def test_wrong_arguments_are_named():
    pixels = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(InvalidInputError, match=r'"stretch" or "pad". Got \'crop\''):
        resize_image(pixels, 8, resize="crop")
    with pytest.raises(InvalidInputError, match="size=0"):
        resize_image(pixels, 0)
    for wrong in (pixels.astype(float), pixels[..., 0], pixels[..., :2], pixels[:0]):
        with pytest.raises(InvalidInputError, match="expects uint8 pixels of shape"):
            resize_image(wrong, 8)

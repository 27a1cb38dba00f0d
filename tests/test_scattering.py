"""The scattering transform has the properties that define it; see Bruna & Mallat (2013)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from transferkit.backbones.scattering import DEFAULT_SIZE, MIN_SIZE, Scattering, preprocess_input
from transferkit.backbones.scattering import _filters as filters
from transferkit.errors import InvalidInputError

SIZE = 64
COLOURS, ORDER1, ORDER2 = 3, 3 * 8, 3 * 8 * 8
CHANNELS = COLOURS + ORDER1 + ORDER2
STRIDE = 8


@pytest.fixture(scope="session")
def coefficients():
    """The transform without logarithm, from arrays in model units to arrays."""
    model = Scattering(input_shape=(SIZE, SIZE, 3), log=False)
    return lambda x: np.asarray(model(np.asarray(x, np.float32)), np.float64)


@pytest.fixture(scope="session")
def logarithms():
    return Scattering(input_shape=(SIZE, SIZE, 3))


@pytest.fixture
def pictures():
    """Eight smooth random pictures: spectra fall off as those of photographs do."""
    noise = np.fft.fft2(np.random.default_rng(0).normal(size=(8, SIZE, SIZE, 3)), axes=(1, 2))
    y, x = np.meshgrid(*[np.fft.fftfreq(SIZE, 1 / SIZE)] * 2, indexing="ij")
    smooth = np.fft.ifft2(noise / (1 + np.hypot(x, y))[..., None], axes=(1, 2)).real
    return (smooth / np.abs(smooth).max() / 2 + 0.5).astype(np.float32)


def distance(a, b):
    return np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(b)


@pytest.mark.parametrize("stride", [1, 2])
def test_wavelets_have_zero_mean(stride):
    bank = filters.wavelet_bank(stride)
    assert bank.shape[2] == 8
    assert np.abs(bank.sum(axis=(0, 1))).max() < 1e-14


def test_littlewood_paley_sum_is_at_most_one_and_leaves_no_hole():
    points = 96
    total = filters.littlewood_paley(points)
    grid = -np.pi + 2 * np.pi * np.arange(points) / points
    disc = np.hypot(*np.meshgrid(grid, grid)) < 3 * np.pi / 4
    assert total.max() <= 1 + 1e-9
    assert total[disc].min() > 0.5
    assert total[points // 2, points // 2] == pytest.approx(1)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_averages_keep_constants_up_to_the_edge_and_are_symmetric(level):
    matrix = filters.filter_matrix(filters.averaging_filter(level), 32 >> level, STRIDE >> level)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(matrix, matrix[::-1, ::-1])


def test_transform_contracts(coefficients, pictures):
    # A sample of the map stands for 8 x 8 pixels, hence the factor 8 on the norm.
    white = np.random.default_rng(1).normal(size=pictures.shape)
    for x, y in [(white, 0 * white), (white, pictures), (pictures, pictures[::-1])]:
        difference = STRIDE * np.linalg.norm(coefficients(x) - coefficients(y))
        assert 0.1 * np.linalg.norm(x - y) < difference <= np.linalg.norm(x - y)


def test_one_pixel_shift_changes_wavelet_coefficients_far_less_than_pixels(coefficients, pictures):
    detail = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    shifted = np.roll(detail, 1, axis=2)
    before, after = coefficients(detail)[..., COLOURS:], coefficients(shifted)[..., COLOURS:]
    inner = (slice(None), slice(1, -1), slice(1, -1))
    assert distance(after[inner], before[inner]) < 0.3 * distance(shifted, detail)


def test_shift_by_the_stride_shifts_the_map_by_one(coefficients, pictures):
    shifted = np.roll(pictures, (STRIDE, -STRIDE), axis=(1, 2))
    before, after = coefficients(pictures), coefficients(shifted)
    inner = slice(3, -3)
    moved = np.roll(before, (1, -1), axis=(1, 2))
    assert distance(after[:, inner, inner], moved[:, inner, inner]) < 2e-3


def test_mirrored_picture_gives_the_mirrored_map(coefficients, pictures):
    flip = (-np.arange(8)) % 8
    order1 = COLOURS + (8 * np.arange(3)[:, None] + flip).ravel()
    order2 = COLOURS + ORDER1 + (64 * np.arange(3)[:, None, None] + 8 * flip[:, None] + flip).ravel()
    channels = np.concatenate([np.arange(COLOURS), order1, order2])
    mirrored = coefficients(pictures[:, :, ::-1])[:, :, ::-1, channels]
    assert distance(mirrored, coefficients(pictures)) < 1e-5


@pytest.mark.parametrize(("scale", "orientation"), [(0, 1), (1, 6), (2, 0), (2, 3)])
def test_first_order_of_a_sinusoid_is_amplitude_times_response(coefficients, scale, orientation):
    length, angle = 3 * np.pi / 4 / 2**scale, orientation * np.pi / 8
    row, column = length * np.sin(angle), length * np.cos(angle)
    y, x = np.mgrid[:SIZE, :SIZE]
    wave = 0.5 + 0.4 * np.cos(row * y + column * x + 0.7)
    middle = coefficients(np.repeat(wave[None, ..., None], 3, axis=3))[0, 3:5, 3:5, COLOURS:][..., :ORDER1]

    def expected(row, column):
        # A cosine is two exponentials of half the amplitude; intensity is sqrt(3) times a grey value.
        gains = [filters.wavelet_response(j, np.array([row]), np.array([column])) for j in range(3)]
        return np.sqrt(3) * 0.4 / 2 * np.abs(np.ravel(gains))

    # The exponential that runs against the wavelet leaks through, and ripples the modulus by as much.
    ahead, behind = expected(row, column), expected(-row, -column)
    main, leak = np.maximum(ahead, behind), np.minimum(ahead, behind)
    assert np.all(np.abs(middle - main) <= leak + 1e-3 * main.max())
    best = 8 * scale + orientation
    assert main.argmax() == best
    np.testing.assert_allclose(middle[..., best], main[best], rtol=0.03)


def test_constant_picture_has_no_wavelet_coefficients(coefficients):
    values = coefficients(np.full((1, SIZE, SIZE, 3), 0.7))
    np.testing.assert_allclose(values[..., 0], 0.7 * np.sqrt(3), rtol=1e-6)
    assert np.abs(values[..., 1:]).max() < 1e-5


def test_logarithm_of_the_first_order_and_of_ratios_in_the_second(coefficients, logarithms, pictures):
    plain = coefficients(pictures)
    colours, first, second = np.split(plain, [COLOURS, COLOURS + ORDER1], axis=3)
    # Scales (0, 1), (0, 2), (1, 2); the parent of channel 8 l + m is orientation l of the first scale.
    parents = np.repeat(first[..., [*range(8), *range(8), *range(8, 16)]], 8, axis=3)
    expected = [colours, np.log1p(first / 3e-3), np.log1p(second / (parents + 3e-3) / 1e-2)]
    np.testing.assert_allclose(np.asarray(logarithms(pictures)), np.concatenate(expected, axis=3), atol=1e-4)


def test_a_row_does_not_depend_on_its_batch(logarithms, pictures):
    together = np.asarray(logarithms(pictures))
    alone = np.concatenate([np.asarray(logarithms(picture[None])) for picture in pictures])
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5)


def test_two_builds_agree_to_the_bit_and_nothing_is_trainable(logarithms, pictures):
    again = Scattering(input_shape=(SIZE, SIZE, 3))
    np.testing.assert_array_equal(np.asarray(again(pictures)), np.asarray(logarithms(pictures)))
    assert not logarithms.trainable_weights
    assert {weight.dtype for weight in logarithms.weights} == {"float32"}


@pytest.mark.parametrize(("height", "width"), [(MIN_SIZE, MIN_SIZE), (100, 40)])
def test_sizes_are_padded_to_the_stride(height, width):
    model = Scattering(input_shape=(height, width, 3))
    assert model.output_shape == (None, -(-height // 8), -(-width // 8), CHANNELS)
    values = np.asarray(model(np.random.default_rng(0).random((2, height, width, 3), np.float32)))
    assert np.isfinite(values).all()


def test_named_layers_end_in_order1_and_scattering(logarithms):
    assert Scattering().input_shape == (None, DEFAULT_SIZE, DEFAULT_SIZE, 3)
    assert logarithms.get_layer("order1").output.shape[1:] == (8, 8, COLOURS + ORDER1)
    assert logarithms.layers[-1].name == "scattering"
    assert logarithms.output_shape == (None, 8, 8, 1 + ORDER1 + ORDER2 + 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_preprocessing_scales_and_leaves_its_argument_alone(dtype):
    x = np.array([[[[0, 51, 255]]]], dtype)
    x.flags.writeable = False
    result = preprocess_input(x)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[[[0, 0.2, 1]]]], rtol=1e-6)
    assert not np.shares_memory(result, x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"include_top": True}, "include_top must be False"),
        ({"weights": "imagenet"}, "weights must be None.*'imagenet'"),
        ({"input_shape": (31, 64, 3)}, "at least 32.*31"),
        ({"input_shape": (None, None, 3)}, "three integers"),
        ({"input_shape": (64, 64, 1)}, "three integers"),
        ({"input_shape": 96}, "three integers"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Scattering(**arguments)


def test_importing_loads_no_keras():
    code = "import sys, transferkit.backbones.scattering; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

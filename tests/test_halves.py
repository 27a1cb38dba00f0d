"""Half precision becomes single, bit by bit, and its largest magnitude is found."""

from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit.foundation.halves import as_half, as_single, largest_magnitude, put, weighted_sums
from transferkit.foundation.maps import sample_maps

BITS = np.arange(2**16, dtype=np.uint16).view(np.float16)
FINITE = BITS[np.isfinite(BITS)]


def test_every_finite_half_is_exact():
    expected = FINITE.astype(np.float32)
    assert as_single(FINITE).tobytes() == expected.tobytes()
    weight = np.full((1, 1), 0.7123, np.float32)
    summed = weighted_sums(FINITE[None, None], weight)
    np.testing.assert_array_equal(summed[0], expected * weight[0])
    before = FINITE.copy()
    as_single(FINITE)[:] = 0
    np.testing.assert_array_equal(FINITE, before)


def test_threads_that_take_small_numbers_for_0(monkeypatch):
    monkeypatch.setattr("transferkit.foundation.halves._SMALLEST", np.float32(0))
    monkeypatch.setattr("transferkit.foundation.halves._SHIFT", np.float32(np.nan))
    assert as_single(FINITE).tobytes() == FINITE.astype(np.float32).tobytes()


def test_any_layout_and_type():
    array = FINITE[: 60 * 64].reshape(60, 8, 8)
    for view in (array[::3, :, 1:5], array.transpose(2, 0, 1), array[:0], array[0, 0, 0]):
        np.testing.assert_array_equal(as_single(view), view.astype(np.float32))
    swapped = array.astype(array.dtype.newbyteorder())
    np.testing.assert_array_equal(as_single(swapped), array.astype(np.float32))
    single = np.ones(3, np.float32)
    assert as_single(single) is single


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=99), st.integers(1, 40))
@settings(max_examples=300, deadline=None)
def test_numbers_are_rounded_as_numpy_does(bits, block):
    numbers = np.array(bits, np.uint32).view(np.float32)
    numbers = numbers[np.abs(numbers) <= 65504]
    with patch("transferkit.foundation.halves._BLOCK", block):
        assert as_half(numbers).tobytes() == numbers.astype(np.float16).tobytes()


def test_numbers_near_halves_and_between_two_are_rounded_as_numpy_does():
    halves = np.sort(FINITE.astype(np.float64))
    between = ((halves[1:] + halves[:-1]) / 2).astype(np.float32)  # exact
    known = np.concatenate([between, halves.astype(np.float32)])
    numbers = np.concatenate([known, *(np.nextafter(known, np.float32(to)) for to in (-1e9, 1e9))])
    numbers = numbers[np.abs(numbers) <= 65504].reshape(1, -1, 1)[:, ::-1]
    found = as_half(numbers)
    assert found.shape == numbers.shape
    assert found.tobytes() == numbers.astype(np.float16).tobytes()
    assert as_half(numbers[:, :0]).shape == (1, 0, 1)


@given(st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=9))
@settings(max_examples=300, deadline=None)
def test_the_largest_magnitude(places):
    chosen = BITS[places]
    chosen = np.where(np.isnan(chosen), np.float16(np.inf), chosen)
    assert largest_magnitude(chosen) == float(np.abs(chosen.astype(np.float32)).max())
    assert largest_magnitude(np.stack([chosen, chosen])[::2]) == largest_magnitude(chosen)
    assert largest_magnitude(chosen[:0]) == 0


def test_rows_put_in_an_array():
    half, single = FINITE[:4], np.array([0.1, -6e4, 0, 1e-9], np.float32)
    into = np.zeros((2, 4), np.float16)
    put(into, 0, half)
    put(into, 1, single)
    np.testing.assert_array_equal(into, [half, single.astype(np.float16)])
    for beyond in ([0, 7e4], [0, -7e4], [0, 6e-5], [-1e-9, 0]):
        put(into, 0, np.array([*beyond, 0, 0], np.float32))
        assert np.isinf(into[0]).all()
    put(into, 1, np.zeros(4, np.float32))
    assert not into[1].any()
    into = np.zeros((2, 4))
    put(into, 0, half)
    put(into, 1, single)
    np.testing.assert_array_equal(into, np.stack([half.astype(np.float64), single.astype(np.float64)]))


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_maps_of_halves_are_sampled_as_those_of_single_numbers(n, height, width, seed):
    generator = np.random.default_rng(seed)
    halves = generator.choice(FINITE, (n, height, width, 3))
    points = generator.uniform(-0.2, 1.2, (n, 5, 2))
    found = sample_maps(halves, points)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, sample_maps(halves.astype(np.float32), points))

"""Rows that lie in files or in the cache, and are read as those of an array."""

import numpy as np
import pytest

from transferkit.extraction._stored import StoredMaps
from transferkit.foundation.file_rows import FileRows
from transferkit.heads import _keypoint_maps
from transferkit.heads._keypoint_maps import held_maps, in_half, inputs_of, round_to_half, some_rows

INDICES = [
    slice(2, 5),
    slice(None),
    slice(3, 3),
    np.array([5, 0, 3]),
    np.array([1, 2, 5]),
    np.arange(6) % 2 == 0,
]


def maps_of(n=9, side=2, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, side, side, channels)).astype(np.float16)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_rows_of_a_file_are_those_of_an_array(index):
    array = maps_of(6)
    rows = FileRows(array.shape, array.dtype)
    rows[2:6] = array[2:]
    assert not rows[:2].any()
    rows[:2] = array[:2].astype(np.float64)
    assert (rows.shape, rows.ndim, rows.size, len(rows)) == (array.shape, 4, array.size, 6)
    np.testing.assert_array_equal(rows[index], array[index])
    assert rows[index].dtype == np.float16


def test_rows_that_were_not_written_are_zero_in_used_memory(monkeypatch):
    rows = FileRows((4, 3), np.float32)
    rows[1:2] = np.ones((1, 3), np.float32)
    monkeypatch.setattr(np, "empty", lambda shape, dtype: np.full(shape, 7, dtype))
    np.testing.assert_array_equal(rows[[0, 1, 3]], np.array([[0.0] * 3, [1.0] * 3, [0.0] * 3]))


def stored_of(maps, half=True):
    """Return maps (n, ...) of two views as if they lay in the cache."""
    n = len(maps) // 2
    held = {0: maps[:n], 1: maps[n:]}
    return StoredMaps(lambda rows, view: held[view][rows], np.arange(n), (0, 1), maps.shape[1:], half)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_stored_maps_are_read_as_stacked_ones(index):
    held = {view: maps_of(seed=view).astype(np.float32) for view in (0, 1)}
    rows, asked = np.array([7, 1, 4]), []

    def read(some, view):
        asked.append(len(some))
        return held[view][some]

    stored = StoredMaps(read, rows, (0, 1), (2, 2, 3), half=True)
    stacked = np.concatenate([held[0][rows], held[1][rows]])
    assert (stored.shape, stored.ndim, len(stored)) == ((6, 2, 2, 3), 4, 6)
    np.testing.assert_array_equal(stored[index], stacked[index])
    assert sum(asked) == len(stacked[index])
    np.testing.assert_array_equal(np.asarray(stored), stacked)


@pytest.mark.parametrize("in_memory", [0, 1 << 30])
def test_maps_are_held_as_they_would_be_in_memory(monkeypatch, in_memory):
    monkeypatch.setattr(_keypoint_maps, "_IN_MEMORY", in_memory)
    fine, coarse = maps_of(150, 14), maps_of(150, 7, 5)
    vector = coarse[:, 0, 0]
    for maps in ([fine, coarse], [coarse, fine], [fine], [fine, coarse, vector]):
        held = held_maps([stored_of(array) for array in maps])
        assert all(isinstance(array, FileRows) == (in_memory == 0) for array in held)
        for array, expected in zip(held, inputs_of(maps), strict=True):
            assert array.dtype == np.float16
            assert array.shape == expected.shape
            np.testing.assert_allclose(array[:], expected, atol=2e-3)  # a mean in half precision is rougher
    assert len(some_rows(held[0])) == 150


def test_a_full_disk_ends_no_training(monkeypatch):
    def fail(self, rows, values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_keypoint_maps, "_IN_MEMORY", 0)
    monkeypatch.setattr(FileRows, "__setitem__", fail)
    fine = maps_of(150, 14)
    held = held_maps([stored_of(fine)])
    np.testing.assert_array_equal(held[0], fine)


def test_what_half_precision_cannot_hold_is_held_in_single_precision():
    large = maps_of(150, 14).astype(np.float32)
    large[140] = 1e5
    for maps in (large, large * np.float32(1e-13)):
        (fine, _), full = held_maps([stored_of(maps)]), held_maps([stored_of(maps, half=False)])
        assert fine.dtype == full[0].dtype == np.float32
        np.testing.assert_array_equal(fine[:], maps)


def test_weights_are_saved_in_half_precision_only_where_that_changes_nothing():
    weights = [np.array([0.1, 1e6, -3.0], np.float32)]
    rounded = round_to_half(weights)
    assert in_half(rounded[0]).dtype == np.float16
    np.testing.assert_array_equal(in_half(rounded[0]).astype(np.float32), rounded[0])
    assert in_half(weights[0]) is weights[0]

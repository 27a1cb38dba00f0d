"""Shapes: alignment undoes any similarity, and crops made from it put faces where the mean face is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit.datasets import make_faces
from transferkit.foundation.maps import sample_maps
from transferkit.keypoints import frames_around, mean_shape, mirror_order
from transferkit.views import Crops

FACES = make_faces(20, random_state=0).keypoints.reshape(20, 68, 2)


def moved(points, scale, angle, shift):
    """Turn counter-clockwise as seen, scale, and shift."""
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return scale * points @ np.array([[c, -s], [s, c]]) + shift


def test_mean_shape_is_centred_symmetric_and_of_size_one():
    mean = mean_shape(FACES)
    low, high = mean.min(axis=0), mean.max(axis=0)
    np.testing.assert_allclose(low + high, 0, atol=1e-12)
    assert (high - low).max() == pytest.approx(1)
    np.testing.assert_allclose(mean[mirror_order(68)] * [-1, 1], mean, atol=1e-9)
    assert mean[36, 0] < 0 < mean[45, 0]
    assert mean[8, 1] > mean[27, 1]  # chin below nose: upright


@given(st.floats(0.2, 5), st.floats(-170, 170), st.floats(-300, 300), st.floats(-300, 300))
def test_the_square_follows_the_shape(scale, angle, dx, dy):
    mean = mean_shape(FACES)
    face = FACES[:1] - FACES[:1].mean(axis=1, keepdims=True)
    at_home = frames_around(face, mean, 0.25)[0]
    away = frames_around(moved(face, scale, angle, [dx, dy]), mean, 0.25)[0]
    assert away[2] == pytest.approx(scale * at_home[2])
    turned = (at_home[3] - away[3] - angle + 180) % 360 - 180
    assert turned == pytest.approx(0, abs=1e-6)


def test_in_its_square_a_shape_lies_as_the_mean_shape_does():
    mean = mean_shape(FACES)
    turned = moved(mean[None], 83.0, 25, [120.0, 70.0])
    crops = Crops(frames_around(turned, mean, 0.25))
    inside = crops.to_square(turned)[0]
    # Rounding to quarters of a pixel and of a degree is all that is left.
    np.testing.assert_allclose(inside, mean / 1.5 + 0.5, atol=0.005)
    mirrored = crops.mirrored().to_square(turned)[0]
    np.testing.assert_allclose(mirrored, mean / 1.5 + 0.5, atol=0.005)  # symmetric: points swapped


def test_missing_points_are_left_out():
    whole = mean_shape(FACES)
    holes = FACES.copy()
    holes[::2, 5:20] = np.nan
    np.testing.assert_allclose(mean_shape(holes), whole, atol=0.03)
    assert np.isfinite(mean_shape(holes)).all()


def test_sampling_reads_planes_exactly_and_clips_at_the_border():
    rows, columns = np.mgrid[:5, :4].astype(np.float32)
    maps = np.stack([columns, rows, 2 * columns - rows], axis=-1)[None]
    points = np.random.default_rng(0).uniform(0.15, 0.85, (1, 30, 2))
    x, y = points[0, :, 0] * 4 - 0.5, points[0, :, 1] * 5 - 0.5
    np.testing.assert_allclose(sample_maps(maps, points)[0], np.stack([x, y, 2 * x - y], axis=1), atol=1e-5)
    outside = np.array([[[-3.0, 0.5], [4.0, 9.0], [1.0, 1.0]]])
    np.testing.assert_allclose(sample_maps(maps, outside)[0, :, :2], [[0, 2], [3, 4], [3, 4]], atol=1e-6)
    single = sample_maps(np.ones((1, 1, 1, 2), np.float32), outside)
    np.testing.assert_array_equal(single, np.ones((1, 3, 2)))


def test_many_maps_are_read_as_one_by_one():
    """They are read in blocks, the last of which is smaller."""
    rng = np.random.default_rng(0)
    maps, points = rng.normal(size=(19, 5, 5, 256)).astype(np.float16), rng.uniform(-0.2, 1.2, (19, 68, 2))
    alone = [sample_maps(maps[i : i + 1], points[i : i + 1]) for i in range(19)]
    np.testing.assert_array_equal(sample_maps(maps, points), np.concatenate(alone))
    assert sample_maps(maps[:0], points[:0]).shape == (0, 68, 256)

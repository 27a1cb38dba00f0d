"""Drawn animals: what is drawn lies where the keypoints say, in any order of frames."""

import numpy as np
import pytest

from transferkit.datasets import make_bodies
from transferkit.errors import InvalidInputError

SMALL = {"size": (160, 120)}


def test_points_lie_inside_and_have_names():
    bodies = make_bodies(12, n_points=12, sessions=3, seconds=1e4, **SMALL)
    points = bodies.keypoints.reshape(12, 12, 2)
    assert np.isfinite(points).all()
    assert (points > 0).all()
    assert (points < [159, 119]).all()
    assert bodies.images.shape == (12, 120, 160, 3)
    assert bodies.names[:4] == ("snout", "left_ear", "right_ear", "tail_base")
    assert bodies.sessions.tolist() == [0, 1, 2] * 4


def test_left_is_left_of_the_direction():
    snout, left, right, tail = (
        make_bodies(16, seconds=1e4, **SMALL).keypoints.reshape(16, 4, 2).swapaxes(0, 1)
    )
    ahead, leftwards = snout - (left + right) / 2, left - right
    # y points down, so the left of a body that looks along x is at negative y.
    assert (ahead[:, 0] * leftwards[:, 1] - ahead[:, 1] * leftwards[:, 0] < 0).all()
    angles = np.degrees(np.arctan2(*(snout - tail).T[::-1])) % 360
    assert len(np.unique(angles // 90)) == 4


def test_the_body_is_painted_at_its_points():
    quiet = make_bodies(6, n_points=5, clutter=0.0, seconds=1e4, **SMALL)
    for image, points in zip(quiet.images, quiet.keypoints.reshape(6, 5, 2), strict=True):
        x, y = np.rint(points[4]).astype(int)  # the middle of the back
        differences = np.abs(image.astype(int) - np.median(quiet.images, axis=0)).sum(axis=2)
        assert differences[y, x] > 3 * np.median(differences)


def test_a_frame_depends_on_the_seed_and_its_number_only():
    few, more = make_bodies(2, **SMALL), make_bodies(4, n_points=8, **SMALL)
    np.testing.assert_array_equal(few.images, more.images[:2])
    np.testing.assert_array_equal(few.keypoints, more.keypoints[:2, :8])
    assert not np.array_equal(few.images, make_bodies(2, random_state=1, **SMALL).images)
    np.testing.assert_array_equal(few.keypoints, make_bodies(2, clutter=0.3, **SMALL).keypoints)


def test_frames_of_a_short_film_resemble_each_other():
    short, long = (make_bodies(8, seconds=seconds, **SMALL).keypoints for seconds in (0.1, 1e4))
    assert 10 * np.std(short, axis=0).max() < np.std(long, axis=0).max()


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 0), ("n_points", 13), ("size", (640,)), ("sessions", 0), ("seconds", 0), ("clutter", 1.5)],
)
def test_errors_name_the_parameter(name, value):
    with pytest.raises(InvalidInputError, match=rf"{name} must be .* Got"):
        make_bodies(**{name: value})

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from transferkit.datasets import make_faces
from transferkit.errors import InvalidInputError
from transferkit.keypoints import (
    GROUPS,
    MIRROR_PAIRS,
    OUTER_EYE_CORNERS,
    as_layout,
    as_points,
    mirror_order,
    pupils,
)

points_arrays = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 70), st.just(2)), elements=st.floats(-1e6, 1e6)
)


def mirrored(points, width):
    return (points * [-1, 1] + [width - 1, 0])[:, mirror_order(68)]


def test_groups_cover_the_68_points_once():
    assert sorted(i for group in GROUPS.values() for i in group) == list(range(68))


def test_mirror_order_is_an_involution_and_moves_all_pairs():
    order = mirror_order(68)
    assert (order[order] == np.arange(68)).all()
    assert np.count_nonzero(order != np.arange(68)) == 2 * len(MIRROR_PAIRS) == 58


@pytest.mark.parametrize(
    ("points", "counterparts"),
    [
        (range(0, 17), range(16, -1, -1)),  # jaw
        (range(17, 22), range(26, 21, -1)),  # brows
        (range(27, 31), range(27, 31)),  # bridge
        (range(31, 36), range(35, 30, -1)),  # nose
        ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46)),  # eyes
        ((48, 49, 50, 51, 52, 53, 54), (54, 53, 52, 51, 50, 49, 48)),  # upper lip
        ((55, 56, 57, 58, 59), (59, 58, 57, 56, 55)),  # lower lip
        ((60, 61, 62, 63, 64), (64, 63, 62, 61, 60)),  # inner lips
        ((65, 66, 67), (67, 66, 65)),
    ],
)
def test_each_point_mirrors_onto_its_counterpart(points, counterparts):
    assert mirror_order(68)[list(points)].tolist() == list(counterparts)


def test_mirror_order_of_an_unknown_scheme_is_none():
    assert mirror_order(5) is None


def test_a_mirrored_face_is_a_face():
    """The order is right only if each mirrored point lands where a face has that point."""
    width = 64
    points = as_points(make_faces(30, size=width, pose=0, clutter=0).keypoints)
    typical = points.mean(axis=0)
    assert np.abs(mirrored(points, width).mean(axis=0) - typical).max() < 0.02 * width
    np.testing.assert_allclose(mirrored(mirrored(points, width), width), points)


def test_right_is_the_left_of_the_image():
    points = as_points(make_faces(5, size=32).keypoints)
    right, left = OUTER_EYE_CORNERS
    assert (points[:, right, 0] < points[:, left, 0]).all()
    eyes = pupils(points)
    assert eyes.shape == (5, 2, 2)
    assert (points[:, right, 0] < eyes[:, 0, 0]).all()
    assert (eyes[:, 1, 0] < points[:, left, 0]).all()


@given(points_arrays)
def test_both_layouts_give_the_same_points(points):
    flat = points.reshape(len(points), -1)
    np.testing.assert_array_equal(as_points(flat), points)
    np.testing.assert_array_equal(as_points(points), points)
    np.testing.assert_array_equal(as_layout(points, like=flat), flat)
    np.testing.assert_array_equal(as_layout(points, like=points), points)


def test_flat_order_is_x_then_y():
    assert as_points([[1, 2, 3, 4]]).tolist() == [[[1, 2], [3, 4]]]


def test_as_points_returns_a_copy_and_completes_missing_points():
    given_points = np.array([[1.0, np.nan, 3.0, 4.0]])
    points = as_points(given_points)
    assert np.isnan(points[0, 0]).all()
    assert points[0, 1].tolist() == [3, 4]
    assert given_points[0, 0] == 1.0


def test_a_pupil_is_missing_with_a_point_of_its_eye():
    points = as_points(make_faces(1, size=32).keypoints)
    points[0, 40] = np.nan
    assert np.isnan(pupils(points)[0, 0]).all()
    assert np.isfinite(pupils(points)[0, 1]).all()


@pytest.mark.parametrize(
    ("keypoints", "words"),
    [
        (np.zeros((2, 5)), r"\(2, 5\)"),
        (np.zeros(136), r"\(136,\).*one row x0"),
        (np.zeros((2, 68, 3)), r"\(2, 68, 3\)"),
        (np.zeros((2, 0)), r"\(2, 0\)"),
        ([[1, 2], [1, 2, 3, 4]], "same number of points"),
        ([["a", "b"]], "numbers"),
        ([[1, 2, 3, np.inf]], "infinite y at image 0, point 1"),
    ],
)
def test_what_is_no_keypoint_array_is_named(keypoints, words):
    with pytest.raises(InvalidInputError, match=words) as caught:
        as_points(keypoints, name="y")
    assert str(caught.value).startswith("y ")


def test_layout_of_a_vector_is_refused():
    with pytest.raises(InvalidInputError, match="Got 1"):
        as_layout(np.zeros((1, 2, 2)), like=[1, 2, 3, 4])

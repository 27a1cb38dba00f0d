import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferkit.datasets import make_faces
from transferkit.errors import InvalidInputError
from transferkit.keypoints import GROUPS, as_points
from transferkit.metrics import (
    area_under_ced,
    cumulative_error_distribution,
    failure_rate,
    group_errors,
    normalized_mean_error,
)

NORMALIZERS = ("outer_eye_corners", "pupils", "box_diagonal", "box_size")
SHIFT = np.array([3, 4])  # 5 pixels long
errors_lists = st.lists(st.floats(0, 0.5), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def faces():
    return as_points(make_faces(6, size=64, clutter=0).keypoints)


def distances(points, normalizer):
    """The four normalisers again, written down independently."""
    if normalizer == "outer_eye_corners":
        return np.linalg.norm(points[:, 36] - points[:, 45], axis=1)
    if normalizer == "pupils":
        return np.linalg.norm(points[:, 36:42].mean(1) - points[:, 42:48].mean(1), axis=1)
    width, height = np.ptp(points, axis=1).T
    return np.sqrt(width**2 + height**2) if normalizer == "box_diagonal" else np.sqrt(width * height)


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_shift_gives_its_length_over_the_distance(faces, normalizer):
    errors = normalized_mean_error(faces, faces + SHIFT, normalizer=normalizer, per_image=True)
    np.testing.assert_allclose(errors, 5 / distances(faces, normalizer))
    mean = normalized_mean_error(faces, faces + SHIFT, normalizer=normalizer)
    assert mean == pytest.approx(errors.mean())


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_a_perfect_prediction_has_no_error(faces, normalizer):
    assert normalized_mean_error(faces, faces, normalizer=normalizer) == 0


@pytest.mark.slow
@given(st.floats(0.01, 100), st.floats(-50, 50), st.sampled_from(NORMALIZERS))
def test_scale_and_place_do_not_matter(factor, shift, normalizer):
    rng = np.random.default_rng(0)
    true = as_points(make_faces(2, size=16, clutter=0).keypoints)
    predicted = true + rng.normal(size=true.shape)
    expected = normalized_mean_error(true, predicted, normalizer=normalizer)
    moved = normalized_mean_error(true * factor + shift, predicted * factor + shift, normalizer=normalizer)
    assert moved == pytest.approx(expected)


def test_layouts_can_be_mixed(faces):
    flat = faces.reshape(len(faces), -1)
    assert normalized_mean_error(flat, faces + 1) == normalized_mean_error(faces, flat + 1)


def test_missing_points_are_left_out(faces):
    true, predicted = faces.copy(), faces + SHIFT
    predicted[:, 0] += 1000
    true[:, 0] = np.nan
    errors = normalized_mean_error(true, predicted, per_image=True)
    np.testing.assert_allclose(errors, 5 / distances(faces, "outer_eye_corners"))
    predicted[:, 0] = np.nan  # nothing was there to predict
    np.testing.assert_array_equal(normalized_mean_error(true, predicted, per_image=True), errors)


def test_an_image_without_its_eye_corner_has_no_error(faces):
    true = faces.copy()
    true[0, 36] = np.nan
    errors = normalized_mean_error(true, faces + 1, per_image=True)
    assert np.isnan(errors).tolist() == [True] + [False] * 5
    assert normalized_mean_error(true, faces + 1) == pytest.approx(errors[1:].mean())


def test_box_of_an_image_without_points_is_no_number(faces):
    true = faces.copy()
    true[1] = np.nan
    errors = normalized_mean_error(true, faces, normalizer="box_size", per_image=True)
    assert np.isnan(errors).tolist() == [False, True] + [False] * 4


def test_group_errors_look_at_one_group_each(faces):
    predicted = faces.copy()
    predicted[:, list(GROUPS["nose"])] += SHIFT
    errors = group_errors(faces, predicted)
    assert errors.pop("nose") == pytest.approx((5 / distances(faces, "outer_eye_corners")).mean())
    assert set(errors.values()) == {0.0}
    assert len(errors) == 8


def test_a_group_that_no_image_shows_is_nan(faces):
    true = faces.copy()
    true[:, :17] = np.nan
    errors = group_errors(true, faces)
    assert np.isnan(errors["jaw"])
    assert errors["nose"] == 0


@given(errors_lists, st.floats(0.01, 0.3))
def test_area_is_the_integral_of_the_distribution(errors, limit):
    thresholds, shares = cumulative_error_distribution(errors)
    inside = thresholds < limit
    edges = np.append(thresholds[inside], limit)
    area = (np.diff(edges) * shares[inside]).sum() / limit
    assert area_under_ced(errors, limit=limit) == pytest.approx(area, abs=1e-9)


@given(errors_lists, st.floats(0.01, 0.3))
def test_failures_are_the_rest_of_the_distribution(errors, limit):
    thresholds, shares = cumulative_error_distribution(errors)
    assert failure_rate(errors, limit=limit) == pytest.approx(1 - shares[thresholds <= limit][-1])


@given(errors_lists)
def test_distribution_rises_to_one(errors):
    thresholds, shares = cumulative_error_distribution(errors)
    assert thresholds[0] == 0
    assert (np.diff(thresholds) > 0).all()
    assert (np.diff(shares) > 0).all()
    assert shares[-1] == 1


def test_images_without_prediction_count_as_failed_and_those_without_truth_not_at_all():
    errors = [0.0, 0.04, np.inf, np.nan]
    assert area_under_ced(errors) == pytest.approx(0.5)
    assert failure_rate(errors) == pytest.approx(1 / 3)
    thresholds, shares = cumulative_error_distribution(errors)
    assert thresholds.tolist() == [0, 0.04]
    np.testing.assert_allclose(shares, [1 / 3, 2 / 3])


def test_the_customary_limit_belongs_to_the_good_side():
    assert failure_rate([0.08]) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: normalized_mean_error(p, p[:3]), "6 images of 68 points but y_pred has 3"),
        (lambda p: normalized_mean_error(p, p, normalizer="eyes"), "'pupils'.*Got 'eyes'"),
        (lambda p: normalized_mean_error(p[:, :5], p[:, :5]), "Got 5 points.*box_diagonal"),
        (lambda p: normalized_mean_error(p, np.full_like(p, np.nan)), "y_pred is NaN at image 0, point 0"),
        (lambda p: normalized_mean_error(p * 0, p), "zero 'outer_eye_corners'"),
        (lambda p: normalized_mean_error(p * np.nan, p), "No image has an error"),
        (lambda p: normalized_mean_error(np.zeros((2, 3)), p), "y_true must have shape"),
        (lambda p: group_errors(p[:, :5], p[:, :5], normalizer="box_size"), "Got 5"),
        (lambda p: area_under_ced([]), "No image has an error"),
        (lambda p: area_under_ced([0.1], limit=0), "Got 0"),
        (lambda p: failure_rate([-0.1]), "negative"),
        (lambda p: failure_rate(0.1), "per_image=True"),
    ],
)
def test_mistakes_are_named(faces, call, words):
    with pytest.raises(InvalidInputError, match=words):
        call(faces)

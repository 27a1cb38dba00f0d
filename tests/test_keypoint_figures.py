"""What a fit of keypoints says of itself: of images that it has not seen, and of labels that could be."""

import math

import numpy as np
import pytest

from tests.test_keypoint_map import bumps, data_of
from transferkit import KeypointRegressor
from transferkit.datasets import make_faces
from transferkit.errors import InvalidInputError
from transferkit.estimators.refinement import CloserLook, Sample
from transferkit.heads import KeypointMapHead, Validation

DATA = make_faces(40, size=64, random_state=0)
IMAGES, POINTS = list(DATA.images), DATA.keypoints.reshape(40, -1, 2)


@pytest.mark.slow
def test_copies_of_an_image_make_no_error_look_smaller(tiny, engine):
    images, points = IMAGES[:25] * 2, np.tile(POINTS[:25], (2, 1, 1))
    unasked = KeypointRegressor(**tiny, head="linear").fit(images, points)
    by_hand = KeypointRegressor(**tiny, head="linear").fit(images, points, groups=list(range(25)) * 2)
    assert unasked.rounds_ == by_hand.rounds_
    assert unasked.label_offset_ == by_hand.label_offset_
    answers = [kp.predict(IMAGES[25:30], return_error=True) for kp in (unasked, by_hand)]
    np.testing.assert_array_equal(answers[0][1], answers[1][1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda y: y / 64, "y of validation_data must be in pixels.*look like fractions"),
        (lambda y: y * 10, "y of validation_data must be in pixels.*Were the images resized"),
        (lambda y: y * np.nan, "y of validation_data must mark a point in one image at least"),
        (lambda y: y[:, :60], "y of validation_data has 60 points but y has 68"),
    ],
)
def test_keypoints_to_be_judged_by_are_checked_like_those_to_learn_from(tiny, engine, wrong, message):
    kp = KeypointRegressor(**tiny, head="linear")
    with pytest.raises(InvalidInputError, match=message):
        kp.fit(IMAGES[:30], POINTS[:30], validation_data=(IMAGES[30:], wrong(POINTS[30:])))


@pytest.mark.slow
def test_validation_data_may_say_that_there_are_no_boxes(tiny, engine):
    own = IMAGES[30:], POINTS[30:], None
    one, other = (
        KeypointRegressor(**tiny, head="linear").fit(IMAGES[:30], POINTS[:30], validation_data=given)
        for given in (own, (*own, None))
    )
    assert one.rounds_ == other.rounds_


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": None}, "y must have the keypoints of each image, in pixels. Got None"),
        ({"groups": (i for i in range(40))}, "groups must be one group for each image.*Got generator"),
        ({"groups": {"a": 1}}, "groups must be one group for each image.*Got dict"),
    ],
)
def test_what_is_missing_is_named(tiny, engine, given, message):
    with pytest.raises(InvalidInputError, match=message):
        KeypointRegressor(**tiny, head="linear").fit(IMAGES, **{"y": POINTS, **given})


def test_the_error_of_a_look_is_that_of_answers():
    """A closer look is judged by labels moved by an offset, which answers get only if it is used."""
    points = np.random.default_rng(0).uniform(0, 100, (12, 5, 2))
    judged = Sample([None] * 12, points + np.array([4.0, 0.0]), points, np.ones(12), np.arange(12))
    plain, look = (CloserLook(None, 1, False, None, 0, False) for _ in range(2))
    plain._keeps(judged)
    look._keeps(judged.moved(4.0))
    look._keeps(judged.moved(3.0))  # is worse, and not used
    assert look.rounds[0].held_out_error == pytest.approx(0, abs=1e-9)
    look.restate(-4.0)  # nothing is added to answers
    assert look.rounds[0] == plain.rounds[0]
    assert [one.used for one in look.rounds] == [True, False]


def test_the_offset_of_labels_counts_images_by_their_weight():
    points = np.random.default_rng(0).uniform(0, 100, (60, 5, 2))
    truth, weight = points.copy(), np.ones(60)
    truth[20:] += (1.0, 0.0)
    weight[20:] = 1e-6
    judged = Sample([None] * 60, truth, points, weight, np.arange(60))
    assert judged.offset() == 0
    assert judged._replace(weight=np.ones(60)).offset() == 1


def test_rows_without_a_point_have_no_loss():
    maps, points = bumps(20)
    head = KeypointMapHead(hidden=8, channels=4, epochs=2)
    marked = points.copy()
    marked[10:] = np.nan
    fitted = head.fit(data_of(maps, points))
    ten = [array[:10] for array in maps]
    expected = fitted.loss(Validation(ten, points[:10]))
    assert fitted.loss(Validation(maps, marked)) == pytest.approx(expected, rel=1e-5)
    assert math.isnan(fitted.loss(Validation(ten, points[:10] * np.nan)))
    half = head.fit(data_of(maps, marked, validation=Validation(maps, marked)))
    assert half.history[0]["loss"] > 0.6 * fitted.history[0]["loss"]

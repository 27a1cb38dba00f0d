"""Points found by scores of cells: also where they never were, and where something hides them."""

import numpy as np
import pytest

from transferkit.errors import InvalidInputError
from transferkit.heads import ScoreMapHead, TrainingData
from transferkit.heads._cells import centres, ideal, places
from transferkit.heads._shape_bank import places_by_shape, shape_bank
from transferkit.heads.score_map import FittedScoreMap, FittedWholeMap
from transferkit.tasks import Classes, Points

GRID = 14
LOOKS = np.random.default_rng(7).normal(size=(3, 8)).astype(np.float32)  # of three points, in eight channels


def marked_maps(points, seed=0):
    """Return maps of noise in which three points (n, 3, 2) have looks of their own."""
    noise = 0.1 * np.random.default_rng(seed).normal(size=(len(points), GRID * GRID, 8))
    looks = ideal(points, GRID, 0.05) @ LOOKS
    return (noise + looks).reshape(len(points), GRID, GRID, 8).astype(np.float32)


def triangles(n, left, right, seed=0):
    generator = np.random.default_rng(seed)
    middle = np.stack([generator.uniform(left, right, n), generator.uniform(0.25, 0.75, n)], axis=1)
    angle = generator.uniform(0, 2 * np.pi, n)
    corners = np.stack([angle, angle + 2, angle + 4], axis=1)
    return middle[:, None] + 0.12 * np.stack([np.cos(corners), np.sin(corners)], axis=-1)


def training(points, maps=None, groups=None):
    n = len(points)
    maps = [marked_maps(points)] if maps is None else maps
    groups = np.arange(n) if groups is None else groups
    return TrainingData(maps, points.reshape(n, -1), Points(3), np.ones(n), groups, progress=False)


@pytest.fixture(scope="module")
def learned():
    """Trained on shapes in the left half."""
    return ScoreMapHead().fit(training(triangles(40, 0.2, 0.4)))


def test_points_are_found_where_they_never_were(learned):
    points = triangles(20, 0.6, 0.8, seed=1)
    found = learned.predict([marked_maps(points, seed=1)]).reshape(points.shape)
    assert isinstance(learned, FittedScoreMap)
    assert np.linalg.norm(found - points, axis=2).max() < 0.04
    assert [row["used"] for row in learned.history] == [False, True]


def test_held_out_errors_are_those_of_new_images(learned):
    points = triangles(200, 0.2, 0.4, seed=2)
    new = np.linalg.norm(learned.predict([marked_maps(points, 2)]) - points.reshape(200, -1), axis=1).mean()
    truth = triangles(40, 0.2, 0.4).reshape(40, -1)
    held = np.linalg.norm(learned.held_out - truth, axis=1).mean()
    assert held == pytest.approx(new, rel=0.3)


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_the_unit_of_features_changes_nothing(learned, unit):
    train, points = triangles(40, 0.2, 0.4), triangles(20, 0.6, 0.8, seed=1)
    fitted = ScoreMapHead().fit(training(train, [marked_maps(train) * np.float32(unit)]))
    found = fitted.predict([marked_maps(points, seed=1) * np.float32(unit)])
    np.testing.assert_allclose(found, learned.predict([marked_maps(points, seed=1)]), atol=1e-5)


def test_a_whole_map_is_used_where_that_errs_less():
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(60, GRID, GRID, 4)).astype(np.float32)
    # Values that no place of the map shows: its mean says where the points are.
    points = np.repeat(0.5 + maps.mean(axis=(1, 2))[:, None, :2] * 3, 3, axis=1)
    fitted = ScoreMapHead().fit(training(points, [maps]))
    assert isinstance(fitted, FittedWholeMap)
    np.testing.assert_allclose(fitted.predict([maps]), fitted.linear.predict([_halved(maps)]), atol=1e-6)


def _halved(maps):
    n, side, _, channels = maps.shape
    return maps.reshape(n, side // 2, 2, side // 2, 2, channels).mean(axis=(2, 4))


def test_missing_points_are_left_out_for_themselves_only(learned):
    points = triangles(40, 0.2, 0.4)
    holes = points.copy()
    holes[::2, 1] = np.nan
    maps = [marked_maps(points)]
    fitted = ScoreMapHead().fit(training(holes, maps))
    np.testing.assert_allclose(fitted.weights[:, [0, 2]], learned.weights[:, [0, 2]], atol=1e-6)
    new = triangles(20, 0.3, 0.7, seed=1)
    found = fitted.predict([marked_maps(new, seed=1)]).reshape(new.shape)
    assert np.linalg.norm(found - new, axis=2).max() < 0.05


def test_a_hidden_point_lies_where_the_others_say():
    points = triangles(1, 0.3, 0.3)
    scored = ideal(points, GRID, 0.06)
    scored[:, :, 2] = 0.6 * ideal(np.array([[[0.9, 0.9]]]), GRID, 0.06)[..., 0]  # something like it, far away
    bank = shape_bank(triangles(30, 0.3, 0.7, seed=3), 0)
    assert np.linalg.norm(places(scored, GRID)[0, 2] - points[0, 2]) > 0.4
    assert np.linalg.norm(places_by_shape(scored, GRID, bank)[0] - points[0], axis=1).max() < 0.05


def test_arrays_and_facts_are_the_whole_model(learned):
    maps = [marked_maps(triangles(5, 0.3, 0.7, seed=4))]
    again = ScoreMapHead().rebuild(learned.tensors(), learned.facts())
    np.testing.assert_array_equal(again.predict(maps), learned.predict(maps))
    for change in ({"grid": 99}, {"channels": [7]}, {"positions": [0, 1]}, {"grid": 3.5}):
        with pytest.raises(ValueError, match="facts of a score map"):
            ScoreMapHead().rebuild(learned.tensors(), learned.facts() | change)


def test_one_group_cannot_be_held_out():
    points = triangles(12, 0.2, 0.4)
    assert isinstance(ScoreMapHead().fit(training(points, groups=np.zeros(12, int))), FittedWholeMap)


def test_errors_name_the_parameter():
    with pytest.raises(InvalidInputError, match="penalty must be a positive number. Got 0") as caught:
        ScoreMapHead(penalty=0, spread=-1)
    assert "spread" in str(caught.value)
    data = TrainingData([np.zeros((4, 2, 2, 1), np.float32)], np.arange(4) % 2, Classes(np.arange(2)),
                        np.ones(4), np.arange(4))  # fmt: skip
    with pytest.raises(InvalidInputError, match="finds points. Got a task of kind 'classes'"):
        ScoreMapHead().fit(data)


def test_centres_are_x_before_y():
    np.testing.assert_allclose(centres(2), [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])

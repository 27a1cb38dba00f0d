"""A first look also learns from wide squares of training images, so that it finds subjects anywhere."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_refinement import faces, registered  # noqa: F401 (fixtures)
from transferkit import FeatureExtractor, KeypointRegressor
from transferkit.estimators._wide_squares import wide_squares
from transferkit.heads import KeypointMapHead
from transferkit.views import Crops

HEAD = KeypointMapHead(hidden=8, channels=4, epochs=1)


@given(st.integers(1, 20), st.integers(3, 9), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=50, deadline=None)
def test_shapes_lie_inside_their_squares_which_depend_on_nothing_else(n, k, seed, mirror):
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 300, (n, 1, 2)) + generator.normal(0, 20, (n, k, 2))
    points[generator.random((n, k)) < 0.2] = np.nan
    squares, shown = wide_squares(points, mirror, ((0, 1),), 3)
    inside = squares.to_square(shown)
    placed = np.isfinite(shown).all(axis=2).any(axis=1)
    assert (~placed == (np.isfinite(points).all(axis=2).sum(axis=1) < max(3, k / 2))).all()
    assert np.nanmin(inside, initial=0.5) > -0.02
    assert np.nanmax(inside, initial=0.5) < 1.02  # frames are rounded
    sizes = np.nanmax(points[placed], axis=1) - np.nanmin(points[placed], axis=1)
    ratios = squares.frames[placed, 2] / sizes.max(axis=1)
    assert ((ratios > 1.55) & (ratios < 4.6)).all()
    assert not mirror or squares.mirror.dtype == bool
    order = generator.permutation(n)
    moved, _ = wide_squares(points[order], mirror, ((0, 1),), 3)
    for row in range(n):
        assert moved.at(row).name == squares.at(int(order[row])).name


def test_half_of_the_squares_are_mirrored_and_another_seed_draws_others():
    points = np.random.default_rng(0).normal(50, 10, (400, 5, 2))
    squares, _ = wide_squares(points, True, None, 0)
    assert 0.4 < squares.mirror.mean() < 0.6
    assert (wide_squares(points, True, None, 1)[0].frames != squares.frames).any(axis=1).all()
    assert wide_squares(points, False, None, 0)[0].mirror is False


def test_squares_of_which_some_are_mirrored():
    generator = np.random.default_rng(0)
    frames = generator.uniform(10, 90, (6, 4))
    mirror = np.array([True, False, True, True, False, False])
    points = generator.uniform(0, 100, (6, 4, 2))
    mixed = Crops(frames, mirror, ((0, 1), (2, 3)))
    for row in range(6):
        alone = Crops(frames[row : row + 1], bool(mirror[row]), ((0, 1), (2, 3)))
        assert mixed.at(row).name == alone.at(0).name
        np.testing.assert_array_equal(mixed.to_square(points)[row], alone.to_square(points[row : row + 1])[0])
    np.testing.assert_allclose(mixed.from_square(mixed.to_square(points)), points)
    assert [crop.mirror for crop in map(mixed.mirrored().at, range(6))] == (~mirror).tolist()
    np.testing.assert_array_equal(
        mixed.of(np.array([1, 3])).to_square(points[[1, 3]]), mixed.to_square(points)[[1, 3]]
    )


@pytest.mark.parametrize(
    ("options", "boxed", "squares"),
    [({}, False, 3), ({"refine": 0}, False, 3), ({"augment": None}, False, 1), ({}, True, 2)],
)
def test_when_a_first_look_learns_from_wide_squares(tiny, engine, faces, options, boxed, squares):  # noqa: F811
    images, points = faces[0][:40], faces[1][:40]
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1) if boxed else None
    kp = KeypointRegressor(
        **tiny,
        head=replace(HEAD, validation_fraction=0.0),
        extractor=FeatureExtractor(cache=False),
        **options,
    )
    seen = []
    extract = FeatureExtractor.extract

    def spy(self, X, **more):
        seen.append(len(more["views"]))
        return extract(self, X, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractor, "extract", spy)
        kp.fit(images, points, boxes=boxes)
    assert seen[0] == squares
    assert len(kp.predictor_.views) == min(squares, 2)

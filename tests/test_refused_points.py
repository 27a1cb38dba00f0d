"""Keypoints of an image that is like none to train on: refused where that is asked for, never unasked."""

import numpy as np
import pytest

from tests.conftest import TINY, make_triangles
from transferkit import KeypointRegressor
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError
from transferkit.estimators.saved_model import load_without_estimator

WALL = np.full((64, 80, 3), (200, 200, 90), np.uint8)


@pytest.fixture
def images(tiny):
    registry.add(TINY)
    return make_triangles(40)


@pytest.mark.parametrize("layout", ["flat", "pairs"])
def test_refused_images_have_no_points(tiny, images, layout, caplog, tmp_path):
    pictures, points, _ = images
    asked = [*pictures[:3], WALL, pictures[4]]
    targets = points if layout == "pairs" else points.reshape(40, -1)
    kp = KeypointRegressor(**tiny, mirror_pairs=[]).fit(pictures, targets)
    given = kp.predict(asked)
    assert np.isfinite(given).all()
    assert not caplog.records
    found, error = kp.predict(asked, return_error=True, max_novelty=0.99)
    assert "1 of 5 images are unlike those to train on (novelty above 0.99)" in caplog.text
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(error).any(axis=1)), [3])
    assert np.isnan(found[3]).all()
    assert np.isnan(error[3]).all()
    others = [0, 1, 2, 4]
    np.testing.assert_array_equal(found[others], given[others])
    frames = kp.predict(iter(asked), max_novelty=0.99)
    np.testing.assert_array_equal(frames, kp.predict(asked, max_novelty=0.99))
    np.testing.assert_allclose(frames, found, rtol=1e-6)
    kp.save(tmp_path / "model.safetensors")
    model = load_without_estimator(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(model.predict(asked, max_novelty=0.99), found)


def test_arrays_of_features_are_refused_too():
    rows = np.abs(np.random.default_rng(0).normal(size=(20, 5))).astype(np.float32)
    kp = KeypointRegressor("precomputed", head="linear").fit(rows, rows[:, :4])
    found = kp.predict(np.concatenate([rows, -rows[:1]]), max_novelty=0.9)
    assert np.isnan(found).all(axis=1).tolist() == [False] * 20 + [True]
    with pytest.raises(InvalidInputError, match="^max_novelty must be above 0 and below 1"):
        kp.predict(rows, max_novelty=2)


def test_what_a_limit_may_be(tiny, images):
    pictures, points, _ = images
    kp = KeypointRegressor(**tiny, refine=0).fit(pictures[:7], points[:7])
    with pytest.raises(InvalidInputError, match="^max_novelty must be above 0 and below 1"):
        kp.predict(pictures[:1], max_novelty=1.0)
    with pytest.raises(InvalidInputError, match="^novelty needs eight training images"):
        kp.predict(pictures[:1], max_novelty=0.9)

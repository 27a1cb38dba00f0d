"""Two looks by a network: the second errs less, is judged by rows that no look has seen, and is saved."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY, FakeEngine
from tests.test_refinement import faces, registered  # noqa: F401 (fixtures)
from transferkit import Classifier, FeatureExtractor, KeypointRegressor, engines
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.estimators.keypoint_regressor import MIN_IMAGES_OF_NETWORK
from transferkit.heads import KeypointMapHead, LinearHead, ScoreMapHead
from transferkit.heads.linear import FittedLinear
from transferkit.metrics import normalized_mean_error
from transferkit.persistence._file import read_model, write_model

HEAD = KeypointMapHead()
REAL = KeypointMapHead(hidden=64, channels=8, epochs=10, batch_size=16, learning_rate=3e-3)


@dataclass
class Stand:
    """A linear head in the place of the fitted network, which takes seconds to build."""

    head: KeypointMapHead
    linear: FittedLinear
    history: list
    held_out = None

    def predict(self, maps):
        return self.linear.predict([array.astype(np.float32) for array in maps])


@pytest.fixture(autouse=True)
def light(request, monkeypatch):
    """Learn without a network, unless a test is of one."""
    if "real" in request.fixturenames:
        return

    def fit(self, data):
        maps = [np.asarray(array, np.float32) for array in data.maps]
        return Stand(self, LinearHead().fit(replace(data, maps=maps)), [])

    monkeypatch.setattr(KeypointMapHead, "fit", fit)


@pytest.fixture(scope="module")
def learned(faces):  # noqa: F811
    """One fit of real networks for the tests that do not change it, pickled."""
    images, keypoints = faces
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engines.ENGINES, "fake", FakeEngine().build)
        kp = KeypointRegressor(
            TINY, head=REAL, extractor=FeatureExtractor(engine="fake", cache=False, progress=False)
        )
        return pickle.dumps(kp.fit(images[:100], keypoints[:100]))


@pytest.fixture
def real(tiny, learned):
    return pickle.loads(learned)


@pytest.fixture
def fitted(tiny, faces):  # noqa: F811
    return KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False)).fit(
        faces[0][:100], faces[1][:100]
    )


def error(kp, faces):  # noqa: F811
    return normalized_mean_error(faces[1][100:], kp.predict(faces[0][100:]))


@pytest.mark.slow
def test_two_networks_one_after_the_other(faces, real):  # noqa: F811
    first = pickle.loads(pickle.dumps(real))
    first.predictor_ = replace(first.predictor_, refinements=())
    assert error(real, faces) < 0.8 * error(first, faces)
    assert [row.used for row in real.rounds_] == [True, True]
    assert real.rounds_[1].held_out_error < real.rounds_[0].held_out_error
    together = real.predict(faces[0][100:106])
    alone = np.concatenate([real.predict(image) for image in faces[0][100:106]])
    np.testing.assert_allclose(alone, together, atol=0.01)


@pytest.mark.slow
def test_the_same_model_twice_without_the_backbone(tiny, engine, faces):  # noqa: F811
    images, keypoints = faces
    found = []
    # Whole pictures and wide squares, twice two of the image that stays in doubt; squares to learn from, to
    # be judged on, and moved for expected errors.
    for count in (3 * 100 + 2 * 2 + 4 * 90 + 2 * 10 + 4 * 2 * 10, 0):
        before = engine.images
        kp = KeypointRegressor(**tiny, head=HEAD).fit(images[:100], keypoints[:100])
        assert engine.images - before == count
        found.append(kp.predict(images[100:105]))
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
def test_what_is_learned_does_not_depend_on_rows_held_out(tiny, faces, fitted):  # noqa: F811
    images, keypoints = list(faces[0][:100]), faces[1][:100].copy()
    held = judged_rows(tiny, images, keypoints)
    assert 5 <= len(held) <= 15
    keypoints[held] += 1.0
    changed = KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False)).fit(
        images, keypoints
    )
    assert changed.rounds_ != fitted.rounds_
    np.testing.assert_array_equal(changed.predict(faces[0][100:]), fitted.predict(faces[0][100:]))


def judged_rows(tiny, images, keypoints):
    seen = {}

    class Spy(KeypointRegressor):
        def _look_closer(self, items, features, targets, data, held, own):
            seen["held"] = held

    Spy(**tiny, head=KeypointMapHead(hidden=4, epochs=1)).fit(images, keypoints)
    return seen["held"]


@pytest.mark.slow
def test_own_validation_rows_judge_and_all_others_are_learned_from(tiny, faces):  # noqa: F811
    images, keypoints = faces
    kp = KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False))
    kp.fit(images[:80], keypoints[:80], validation_data=(images[80:100], keypoints[80:100]))
    assert [row.used for row in kp.rounds_] == [True, True]
    unjudged = KeypointRegressor(
        **tiny, head=replace(HEAD, validation_fraction=0.0), extractor=FeatureExtractor(cache=False)
    )
    unjudged.fit(images[:80], keypoints[:80])
    assert (len(unjudged.refinements_), unjudged.rounds_) == (1, [])
    np.testing.assert_array_equal(unjudged.predict(images[100:]), kp.predict(images[100:]))


@pytest.mark.slow
def test_missing_points_and_bad_files(tiny, faces):  # noqa: F811
    images, keypoints = list(faces[0][:100]), faces[1][:100].copy()
    keypoints[::2, 60:] = np.nan
    keypoints[5] = np.nan
    mixed = KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False))
    mixed.fit([b"no image", *images], np.concatenate([keypoints[:1], keypoints]))
    clean = KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False)).fit(
        images, keypoints
    )
    assert np.isfinite(error(clean, faces))
    assert len(clean.refinements_) == 1
    np.testing.assert_array_equal(mixed.predict(faces[0][100:]), clean.predict(faces[0][100:]))


@pytest.mark.slow
def test_saved_and_loaded_and_damage_is_refused(tmp_path, faces, real, registered):  # noqa: F811
    path = tmp_path / "faces.safetensors"
    real.save(path)
    loaded = transferkit.load(path)
    np.testing.assert_array_equal(loaded.predict(faces[0][100:]), real.predict(faces[0][100:]))
    assert loaded.rounds_ == real.rounds_
    tensors, document = read_model(path)
    for change in (
        {"kind": {"name": "linear", "penalty": None}},
        {"kind": {"name": "keypoint_map", "steps": 2}},
        {"kind": 3},
        {"head": document["refinements"][0]["head"] | {"seed": 0.5}},
        {"mirror": 1},
        {"more": 1},
    ):
        damaged = dict(document, refinements=[document["refinements"][0] | change])
        write_model(tmp_path / "damaged.safetensors", tensors, without_format(damaged))
        with pytest.raises(ModelFileError):
            transferkit.load(tmp_path / "damaged.safetensors")


def without_format(document):
    return {name: value for name, value in document.items() if name not in ("format", "schema")}


@pytest.mark.slow
def test_the_default_head_depends_on_the_number_of_images(tiny, faces, monkeypatch):  # noqa: F811
    images, keypoints = faces
    few = KeypointRegressor(**tiny, extractor=FeatureExtractor(cache=False))
    assert isinstance(few.fit(images[:60], keypoints[:60]).head_, ScoreMapHead)
    assert isinstance(few._head(MIN_IMAGES_OF_NETWORK), KeypointMapHead)
    assert isinstance(few._head(None), KeypointMapHead)
    assert isinstance(KeypointRegressor("precomputed")._head(10_000), LinearHead)


@pytest.mark.slow
def test_a_series_counts_as_many_images_as_a_list(tiny, faces):  # noqa: F811
    pandas = pytest.importorskip("pandas")
    kp = KeypointRegressor(**tiny, extractor=FeatureExtractor(cache=False)).fit(
        pandas.Series(faces[0][:60]), faces[1][:60]
    )
    assert isinstance(kp.head_, ScoreMapHead)


def test_the_default_has_no_fields_before_it_has_chosen_a_head():
    with pytest.raises(InvalidInputError, match="chooses between 'keypoint_map', 'score_map' and 'linear'"):
        KeypointRegressor().set_params(head__penalty=0.1)
    assert KeypointRegressor().set_params(head="linear", head__penalty=0.1).head == LinearHead(0.1)


def test_a_point_marked_in_held_out_rows_only_and_rows_without_a_shape(tiny, faces):  # noqa: F811
    images, keypoints = faces[0][:60], faces[1][:60].copy()
    held = judged_rows(tiny, images, keypoints)
    keypoints[:, 7] = np.nan
    keypoints[held[0], 7] = 50.0
    everything = KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False)).fit(
        images, keypoints
    )
    assert np.isfinite(everything.predict(images[:2])).all()
    keypoints = faces[1][:60].copy()
    keypoints[held] = np.nan
    keypoints[held, 3] = faces[1][held, 3]  # one point each: nothing to judge a shape by
    kp = KeypointRegressor(**tiny, head=HEAD, extractor=FeatureExtractor(cache=False)).fit(images, keypoints)
    assert (len(kp.refinements_), kp.rounds_) == (1, [])


def test_more_rounds_are_the_same_look_again_and_hold_no_features(tiny, faces):  # noqa: F811
    kp = KeypointRegressor(
        **tiny, head=replace(HEAD, validation_fraction=0.0), refine=2, extractor=FeatureExtractor(cache=False)
    )
    kp.fit(faces[0][:60], faces[1][:60])
    first, second = kp.refinements_
    assert first is second
    assert not first.extractor.settings().space._rows


def test_points_are_no_classes(tiny, faces):  # noqa: F811
    with pytest.raises(InvalidInputError, match="head='keypoint_map' learns 'points', not classes"):
        Classifier(**tiny, head="keypoint_map").fit(faces[0][:20], ["a", "b"] * 10)


def test_two_points_and_layers_of_ones_own(tiny, faces):  # noqa: F811
    images, keypoints = faces
    quick = KeypointMapHead(hidden=8, epochs=1)
    for more in ({}, {"layers": "last"}, {"layers": ("last", "fine"), "grid": 4}, {"grid": "full"}):
        kp = KeypointRegressor(**tiny, head=quick, **more, extractor=FeatureExtractor(cache=False)).fit(
            images[:60], keypoints[:60, :2]
        )
        assert kp.predict(images[100:102]).shape == (2, 2, 2)
        assert kp.refinements_ == []

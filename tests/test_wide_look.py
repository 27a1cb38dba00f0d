"""Where an image and its mirror image disagree, the first look is repeated on a wide square."""

import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transferkit
from tests.conftest import TINY, FakeEngine
from tests.test_refinement import faces, registered  # noqa: F401 (fixtures)
from transferkit import FeatureExtractor, KeypointRegressor, engines
from transferkit.errors import ModelFileError
from transferkit.estimators.refinement import Sample, WideLook, fit_wide_look
from transferkit.estimators.saved_model import load_without_estimator
from transferkit.heads import KeypointMapHead
from transferkit.persistence._file import read_model, write_model
from transferkit.views import ORIGINAL

HEAD = KeypointMapHead(hidden=16, channels=4, epochs=2, batch_size=16, learning_rate=3e-3)
SHAPE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.8]])  # in a square


def stand(spread):
    """A predictor whose two views of wide squares find `SHAPE`, so far apart as each image says."""

    class Seen:
        def __init__(self, items, views):
            self.items, self.views = items, views

        def maps(self, view, half):
            return np.array(self.items), self.views.index(view)

    def predict(maps):
        items, view = maps
        found = np.repeat(SHAPE[None], len(items), axis=0)
        found[..., 0] += (0.5 - view) * spread(items)[:, None]
        # The second view is a mirror image.
        return (found * [1 - 2 * view, 1] + [view, 0]).reshape(len(items), -1)

    looked = []

    def extract(items, *, views, on_error):
        looked.append([list(items), views[0].frames])
        return Seen(items, views)

    predictor = SimpleNamespace(
        views=(ORIGINAL,), extractor=SimpleNamespace(extract=extract), head=SimpleNamespace(predict=predict)
    )
    predictor.half, predictor.looked = False, looked
    return predictor


def two_views(apart, size=100.0):
    """Points of images and of their mirror images, which differ by parts of the size."""
    shapes = np.repeat(SHAPE[None] * [size / 0.4, size / 0.4], len(apart), axis=0)
    moved = np.array(apart)[:, None, None] * [size / 2, 0]
    return [shapes + moved, shapes - moved]


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_only_images_in_doubt_are_looked_at_again_and_changed_where_that_ends(apart, seed):
    spread = np.random.default_rng(seed).uniform(0, 0.4, len(apart))
    found, items = two_views(apart), list(range(len(apart)))
    predictor = stand(lambda items: spread[items])
    changed = WideLook(0.2).look(predictor, items, found)
    doubt = WideLook.disagreement(found)
    np.testing.assert_allclose(doubt, apart, atol=1e-9)
    looked = predictor.looked[0][0] if predictor.looked else []
    assert looked == np.flatnonzero(doubt > 0.2).tolist()
    # Shapes of `SHAPE` are 0.4 of their squares, which frames round to quarters of a pixel.
    better = (doubt > 0.2) & (spread / 0.4 < doubt)
    same = [(one == other).all(axis=(1, 2)) for one, other in zip(changed, found, strict=True)]
    np.testing.assert_array_equal(same[0], ~better)
    np.testing.assert_array_equal(same[1], ~better)
    for row in items:
        alone = WideLook(0.2).look(predictor, [row], [points[row : row + 1] for points in found])
        np.testing.assert_array_equal([points[0] for points in alone], [points[row] for points in changed])


def test_the_square_lies_around_the_answer_and_what_is_found_in_it_is_in_pixels():
    found = two_views([0.4], size=80.0)
    predictor = stand(lambda items: np.zeros(len(items)))
    changed = WideLook(0.1).look(predictor, ["image"], found)
    mean = np.mean(found, axis=0)[0]
    middle, (frame,) = (mean.min(axis=0) + mean.max(axis=0)) / 2 + 0.5, predictor.looked[0][1]
    np.testing.assert_allclose(frame, [*middle, 160, 0], atol=0.13)
    for points in changed:
        np.testing.assert_allclose(points[0], frame[:2] - 80 + SHAPE * 160 - 0.5, atol=1e-9)


def test_an_image_still_in_doubt_is_looked_at_once_more_around_the_new_answer():
    spreads = [{"last": 0.3, "first": 0.0, "best": 0.2}, {"last": 0.0, "best": 0.3}]  # what each look finds
    predictor = stand(lambda items: np.array([spreads[len(predictor.looked) - 1][item] for item in items]))
    items, found = ["last", "first", "best"], two_views([0.4, 0.4, 0.6])
    changed = WideLook(0.1).look(predictor, items, found)
    (first, frames), (second, again) = predictor.looked
    assert (first, second) == (items, ["last", "best"])
    # Answers have 0.4 of the size of the first squares, and their middle lies lower by 0.1 of it.
    expected = frames[[0, 2]] * [1, 1, 0.8, 1] + 0.1 * frames[[0, 2], 2:3] * [0, 1, 0, 0]
    np.testing.assert_allclose(again, expected, atol=0.13)
    np.testing.assert_allclose(WideLook.disagreement(changed), [0.0, 0.0, 0.5], atol=1e-9)


@pytest.mark.parametrize(("there", "helps"), [(0.0, True), (300.0, False)])
def test_a_look_that_does_not_help_held_out_images_is_not_used(there, helps):
    found = two_views([0.01] * 98 + [0.3, 0.3])
    predictor = stand(lambda items: np.zeros(len(items)))
    wide = WideLook(0.1).look(predictor, list(range(100)), found)
    truth = np.mean(wide, axis=0) + there
    if not helps:
        truth[98:] = np.mean(found, axis=0)[98:]
    judged = Sample(list(range(100)), truth, np.mean(found, axis=0), np.ones(100), np.arange(100))
    look, changed = fit_wide_look(predictor, judged, found)
    if helps:
        assert 0.01 < look.limit < 0.3
        np.testing.assert_array_equal(changed, wide)
    else:
        assert look is None
        assert changed is found


@pytest.fixture(scope="module")
def learned(faces):  # noqa: F811
    """A fit of a network, which has learned from wide squares, pickled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engines.ENGINES, "fake", FakeEngine().build)
        kp = KeypointRegressor(
            TINY, head=HEAD, extractor=FeatureExtractor(engine="fake", cache=False, progress=False)
        )
        return pickle.dumps(kp.fit(faces[0][:100], faces[1][:100]))


@pytest.fixture
def doubting(tiny, faces, learned):  # noqa: F811
    """A model that is in doubt of half of the other images, and of what each then shows."""
    kp = pickle.loads(learned)
    items = list(faces[0][100:])
    features = kp.extract(items)
    sure = replace(kp.predictor_, wide_look=None)
    doubt = WideLook.disagreement(sure.first_look(items, features))
    kp.predictor_ = replace(sure, wide_look=WideLook(float(np.median(doubt))))
    return kp


@pytest.mark.slow
def test_every_way_to_predict_looks_again(faces, doubting, registered, tmp_path):  # noqa: F811
    images = list(faces[0][100:])
    found = doubting.predict(images)
    plain = pickle.loads(pickle.dumps(doubting))
    plain.predictor_ = replace(plain.predictor_, wide_look=None)
    changed = (found != plain.predict(images)).any(axis=(1, 2))
    assert 3 <= changed.sum() <= len(images) // 2
    np.testing.assert_array_equal(doubting.predict(images, return_error=True)[0], found)
    alone = np.concatenate([doubting.predict(image) for image in images])
    np.testing.assert_allclose(alone, found, atol=0.01)
    path = tmp_path / "model.safetensors"
    doubting.save(path)
    assert transferkit.load(path).wide_look_ == doubting.wide_look_
    np.testing.assert_array_equal(transferkit.load(path).predict(images), found)
    np.testing.assert_array_equal(load_without_estimator(path).predict(images), found)
    assert "disagree by more than" in doubting.card().to_markdown()


@pytest.mark.slow
def test_what_is_wrong_in_a_file_is_said(doubting, registered, tmp_path):  # noqa: F811
    path = tmp_path / "model.safetensors"
    doubting.save(path)
    tensors, document = read_model(path)
    for name, array in [("limit", np.array([-0.1])), ("limit", np.zeros(2)), ("other", np.zeros(1))]:
        others = {key: value for key, value in tensors.items() if not key.startswith("wide_look.")}
        write_model(path, others | {f"wide_look.{name}": array}, document)
        with pytest.raises(ModelFileError):
            transferkit.load(path)
        assert load_without_estimator(path) is None
    for wrong in ({"views": document["views"][:1]}, {"task": document["task"] | {"boxed": True}}):
        write_model(path, tensors, document | wrong)
        with pytest.raises(ModelFileError):
            transferkit.load(path)
        assert load_without_estimator(path) is None


@pytest.mark.parametrize(
    "options",
    [{"refine": 0}, {"augment": None}, {"head": replace(HEAD, validation_fraction=0.0)}, {"boxes": 1}],
)
def test_when_no_look_is_fitted(tiny, faces, monkeypatch, options):  # noqa: F811
    images, points = list(faces[0][:60]), faces[1][:60]
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1) if "boxes" in options else None
    monkeypatch.setattr(
        "transferkit.estimators._closer.fit_wide_look", lambda _, judged, found: (WideLook(0.5), found)
    )
    head = replace(HEAD, epochs=1)
    kept = {key: value for key, value in options.items() if key != "boxes"}
    kp = KeypointRegressor(**tiny, extractor=FeatureExtractor(cache=False), **({"head": head} | kept))
    assert kp.fit(images, points, boxes=boxes).wide_look_ is None
    if "boxes" in options:
        assert KeypointRegressor(**tiny, head=head).fit(images, points).wide_look_ == WideLook(0.5)

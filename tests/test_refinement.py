"""The closer look: it errs less, learns from held-out shapes only, and survives saving."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

import transferkit
from tests.conftest import TINY, FakeEngine
from transferkit import FeatureExtractor, KeypointRegressor, engines
from transferkit.backbones import registry
from transferkit.datasets import make_faces
from transferkit.errors import BadImageError, InvalidInputError, ModelFileError
from transferkit.estimators.refinement import _refinement
from transferkit.heads import ConvHead, TrainingData
from transferkit.heads.cascade import CascadeHead
from transferkit.metrics import normalized_mean_error
from transferkit.tasks import Points


@pytest.fixture(scope="module")
def faces():
    """Faces that lie anywhere in their pictures, 100 to learn from and 40 others."""
    data = make_faces(140, random_state=0)
    generator = np.random.default_rng(1)
    images, keypoints = [], []
    for image, points in zip(data.images, data.keypoints.reshape(140, -1, 2), strict=True):
        pixels = np.asarray(image)
        margin = generator.integers(0, 90, 4)
        images.append(np.pad(pixels, ((margin[0], margin[1]), (margin[2], margin[3]), (0, 0)), mode="edge"))
        keypoints.append(points + np.array([margin[2], margin[0]]))
    return images, np.array(keypoints)


@pytest.fixture
def registered(monkeypatch):
    """A loaded model finds its backbone by name."""
    registry.add(TINY)


@pytest.fixture(scope="module")
def learned(faces):
    """One fit for all tests that do not change it, pickled."""
    images, keypoints = faces
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engines.ENGINES, "fake", FakeEngine().build)
        kp = KeypointRegressor(TINY, extractor=FeatureExtractor(engine="fake", cache=False, progress=False))
        return pickle.dumps(kp.fit(images[:100], keypoints[:100]))


@pytest.fixture
def fitted(tiny, learned):
    return pickle.loads(learned)


def test_a_closer_look_errs_less_and_says_by_how_much(tiny, faces, fitted):
    images, keypoints = faces
    plain = KeypointRegressor(**tiny, refine=0).fit(images[:100], keypoints[:100])
    before = normalized_mean_error(keypoints[100:], plain.predict(images[100:]))
    after = normalized_mean_error(keypoints[100:], fitted.predict(images[100:]))
    assert after < 0.8 * before
    rounds = fitted.rounds_
    assert [row.number for row in rounds] == [0, 1, 2]
    assert sum(row.used for row in rounds) == 1 + len(fitted.refinements_) > 1
    assert plain.rounds_ == rounds[:1]
    rounds = [row for row in rounds if row.used]
    rounds = [rounds[0], rounds[-1]]
    # What it says of held-out training images is no better than on new ones, and not far worse: models that
    # have seen fewer images find them.
    for row, model in zip(rounds, (plain, fitted), strict=True):
        errors, _ = _refinement.shape_errors(model.predict(images[100:]), keypoints[100:])
        assert 0.8 < row.held_out_error / errors.mean() < 1.5


@pytest.mark.slow
def test_fit_again_runs_no_backbone_and_gives_the_same_model(tiny, engine, faces):
    images, keypoints = faces
    fitted = KeypointRegressor(**tiny).fit(images[:100], keypoints[:100])
    # Two views of the whole picture; of each square, of which the first round has three and the second one.
    assert engine.images == 10 * 100
    assert fitted.report_.n_backbone_calls == engine.calls
    again = KeypointRegressor(**tiny).fit(images[:100], keypoints[:100])
    assert engine.images == 10 * 100
    assert again.report_.n_backbone_calls == 0
    np.testing.assert_array_equal(again.predict(images[:5]), fitted.predict(images[:5]))


def test_a_row_does_not_depend_on_its_batch(faces, fitted):
    images, _ = faces
    together = fitted.predict(images[100:110])
    alone = np.concatenate([fitted.predict(image) for image in images[100:110]])
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_saved_and_loaded(tmp_path, faces, fitted, registered):
    images, _ = faces
    fitted.save(tmp_path / "faces.safetensors")
    loaded = transferkit.load(tmp_path / "faces.safetensors")
    assert loaded.rounds_ == fitted.rounds_
    np.testing.assert_array_equal(loaded.predict(images[100:]), fitted.predict(images[100:]))
    assert loaded.refine == "auto"
    loaded.save(tmp_path / "again.safetensors")


def test_files_that_can_be_read_once_are_looked_at_twice(faces, fitted):
    images, _ = faces
    streams = []
    for image in images[100:103]:
        streams.append(io.BytesIO())
        Image.fromarray(image).save(streams[-1], "PNG")
        streams[-1].seek(0)
    np.testing.assert_allclose(fitted.predict(streams), fitted.predict(images[100:103]), atol=1e-9)


def test_files_that_cannot_be_read_are_named_as_ever(faces, fitted, tmp_path):
    images, _ = faces
    closed = io.BytesIO(b"closed")
    closed.close()
    for bad in (closed, io.StringIO("text, no bytes"), io.BytesIO(b"")):
        with pytest.raises(BadImageError) as caught:
            fitted.predict([images[100], bad])
        assert caught.value.index == 1


@pytest.mark.slow
def test_bad_files_leave_rows_aligned(tiny, faces, fitted):
    images, keypoints = faces
    mixed = [b"", *images[:50], b"no image", *images[50:100]]
    points = np.concatenate([keypoints[:1], keypoints[:50], keypoints[:1], keypoints[50:100]])
    found = KeypointRegressor(**tiny).fit(mixed, points)
    np.testing.assert_array_equal(found.predict(images[100:104]), fitted.predict(images[100:104]))


@pytest.mark.slow
def test_missing_points(tiny, faces, fitted):
    images, keypoints = faces
    holes = keypoints[:100].copy()
    holes[::2, 60:] = np.nan
    holes[5] = np.nan  # nothing is known of this one
    kp = KeypointRegressor(**tiny).fit(images[:100], holes)
    assert kp.refinements_ != []
    whole = normalized_mean_error(keypoints[100:], fitted.predict(images[100:]))
    assert normalized_mean_error(keypoints[100:], kp.predict(images[100:])) < 1.2 * whole


@pytest.mark.slow
def test_few_images_or_points_get_no_rounds(tiny, faces):
    images, keypoints = faces
    assert KeypointRegressor(**tiny).fit(images[:9], keypoints[:9]).refinements_ == []
    assert KeypointRegressor(**tiny).fit(images[:60], keypoints[:60, :2]).refinements_ == []
    few = KeypointRegressor(**tiny).fit(images[:20], keypoints[:20])
    assert [row.number for row in few.rounds_[:2]] == [0, 1]  # tried, and kept if it helps


def test_one_point_has_no_shape(tiny, faces):
    images, keypoints = faces
    kp = KeypointRegressor(**tiny).fit(images[:60], keypoints[:60, :1])
    assert (kp.refinements_, kp.rounds_) == ([], [])
    with pytest.raises(InvalidInputError, match=r"refine=1 needs 3 points or more.* Got 1\. Pass refine=0"):
        KeypointRegressor(**tiny, refine=1).fit(images[:60], keypoints[:60, :1])


def test_images_whose_points_have_no_size_are_left_out_of_errors(tiny, faces):
    images, keypoints = (part[:20] for part in faces)
    three = keypoints[:, [36, 45, 57]]
    alone = np.where(np.arange(3)[:, None] == np.arange(20)[:, None, None] % 3, three, np.nan)
    kp = KeypointRegressor(**tiny, mirror_pairs=()).fit(images, alone)  # one point in each image
    assert kp.rounds_ == kp.refinements_ == []
    assert np.isfinite(kp.predict(images[:2], return_error=True)[1]).all()
    one_place = np.array([[[7.0, 7.0]] * 3, [[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]]])
    errors, rows = _refinement.shape_errors(one_place + 1, one_place)
    assert (errors.round(3).tolist(), rows.tolist()) == ([0.354], [1])


@pytest.mark.slow
def test_a_round_that_does_not_help_is_dropped(tiny, faces, monkeypatch):
    images, keypoints = faces

    def blind(self, data):
        head = CascadeHead.fit_as_it_is(self, data)
        head.held_out[:] = 0.0
        return head

    monkeypatch.setattr(CascadeHead, "fit_as_it_is", CascadeHead.fit, raising=False)
    monkeypatch.setattr(CascadeHead, "fit", blind)
    kp = KeypointRegressor(**tiny, refine=3).fit(images[:60], keypoints[:60])
    assert kp.refinements_ == []
    assert [row.used for row in kp.rounds_] == [True, False]


@pytest.mark.parametrize("refine", [-1, True, 1.5, "twice", None])
def test_what_cannot_be_rounds(tiny, faces, refine):
    with pytest.raises(InvalidInputError, match="refine must be 'auto' or a number of rounds"):
        KeypointRegressor(**tiny, refine=refine).fit(faces[0][:60], faces[1][:60])


def test_other_networks_take_no_closer_look(tiny, faces):
    with pytest.raises(
        InvalidInputError, match="refine=1 needs the head 'auto', 'keypoint_map', 'score_map' or 'linear'"
    ):
        KeypointRegressor(**tiny, refine=1, head=ConvHead()).fit(faces[0][:60], faces[1][:60])


def test_held_out_shapes_know_nothing_of_their_group():
    """The cascade's held-out prediction of a row is that of a model without its group."""
    generator = np.random.default_rng(0)
    n = 60
    targets = generator.uniform(0.3, 0.7, (n, 6))
    cells = (np.arange(9) + 0.5) / 9
    x, y = targets.reshape(n, 3, 2).transpose(2, 0, 1)[..., None]
    # Each point is the foot of two slopes: a map that says at any place how far the point is.
    across, down = cells - x, cells - y
    fine = np.concatenate(
        [np.broadcast_to(across[:, :, None], (n, 3, 9, 9)), np.broadcast_to(down[..., None], (n, 3, 9, 9))],
        axis=1,
    )
    fine = fine.transpose(0, 2, 3, 1).astype(np.float32)
    coarse = targets[:, None, None] + generator.normal(0, 0.05, (n, 3, 3, 6))
    maps, groups = [fine, coarse.astype(np.float32)], np.arange(n) // 2
    data = TrainingData(maps, targets, Points(3), np.ones(n), groups)
    head = CascadeHead(steps=1).fit(data)
    assert [row["step"] for row in head.history] == [0, 1]
    assert head.history[1]["absolute_error"] < 0.5 * head.history[0]["absolute_error"]
    more = CascadeHead(steps=3).fit(data)
    assert np.abs(more.held_out - targets).mean() == more.history[-1]["absolute_error"]
    assert len(more.parts) == len(more.history) > 1
    changed = targets.copy()
    changed[:2] += 0.2  # the first group's truth is wrong: its own held-out first step must not move
    moved = CascadeHead(steps=0).fit(TrainingData(maps, changed, Points(3), np.ones(n), groups))
    first = CascadeHead(steps=0).fit(data)
    if moved.parts[0].penalty == first.parts[0].penalty:
        np.testing.assert_allclose(moved.held_out[:2], first.held_out[:2], atol=1e-6)
    assert np.abs(moved.predict(maps)[:2] - first.predict(maps)[:2]).max() > 1e-4


def test_a_vector_as_the_only_layer(tiny, faces):
    images, keypoints = faces
    kp = KeypointRegressor(**tiny, layers="vector", refine=1).fit(images[:60], keypoints[:60])
    assert kp.predict(images[100:102]).shape == (2, 68, 2)


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts, arrays: facts.update(mirror=1),
        lambda facts, arrays: facts.update(more=1),
        lambda facts, arrays: facts["head"].update(finest=-1),
        lambda facts, arrays: facts["head"].update(finest=True),
        lambda facts, arrays: facts["head"].update(penalties=[]),
        lambda facts, arrays: facts["head"].update(penalties=[0.1, 0.1, 0.1, 0.1, 0.1]),
        lambda facts, arrays: arrays.update(mean=arrays["mean"][:60]),
        lambda facts, arrays: arrays.update(mean=arrays["mean"] * np.nan),
        lambda facts, arrays: arrays.update({"0.intercept": arrays["0.intercept"][:60]}),
        lambda facts, arrays: arrays.pop("0.weights"),
    ],
)
def test_a_damaged_round_is_refused(fitted, damage):
    refinement = fitted.refinements_[0]
    facts, arrays = refinement.facts(), dict(refinement.tensors())

    def build(layers, grid):
        return refinement.extractor

    whole = _refinement.rebuild_refinement(arrays, facts, build, 68)
    assert whole.facts() == facts
    damage(facts, arrays)
    with pytest.raises((ValueError, KeyError)):
        _refinement.rebuild_refinement(arrays, facts, build, 68)


def test_a_document_without_its_rounds_is_refused(tmp_path, fitted, registered, monkeypatch):
    real = _refinement.Refinement.tensors
    monkeypatch.setattr(
        _refinement.Refinement, "tensors", lambda self: {k: v for k, v in real(self).items() if k != "mean"}
    )
    fitted.save(tmp_path / "faces.safetensors")
    with pytest.raises(ModelFileError, match="does not describe a model"):
        transferkit.load(tmp_path / "faces.safetensors")

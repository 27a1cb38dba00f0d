"""The error to expect of keypoints: honest, larger where a point is hidden, and free unless asked for."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr
from sklearn.dummy import DummyRegressor

from tests.conftest import TINY, make_triangles
from transferkit import KeypointRegressor, evaluate, load, plots
from transferkit.backbones import registry
from transferkit.datasets import (
    KeypointTable,
    make_bodies,
    read_deeplabcut,
    write_coco_keypoints,
    write_deeplabcut,
)
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.estimators import _confidence, _looks
from transferkit.estimators._expected_error import ExpectedError, rebuild_expected_error
from transferkit.estimators._looks import Looks, held_out_looks
from transferkit.estimators.refinement import held_out_again
from transferkit.estimators.refinement._refinement import shape_errors
from transferkit.evaluation import KeypointEvaluation
from transferkit.heads import KeypointMapHead, MLPHead
from transferkit.keypoints import likelihood_within
from transferkit.persistence._file import read_model, write_model

NAN = np.nan


@pytest.fixture(scope="module")
def triangles():
    return make_triangles()


@pytest.fixture
def fitted(tiny, triangles):
    registry.add(TINY)
    images, points, _ = triangles
    return KeypointRegressor(**tiny, mirror_pairs=[]).fit(images[:60], points[:60])


def distances(found, truth):
    return np.linalg.norm(found - truth, axis=-1)


# --------------------------------------------------------------------------- what it says


def test_expected_errors_are_those_of_other_images_and_larger_where_a_point_is_hidden(fitted, triangles):
    images, points, hidden = triangles
    found, expected = fitted.predict(images[60:], return_error=True)
    real = distances(found, points[60:])
    assert expected.shape == (40, 3)
    assert 0.7 < expected.mean() / real.mean() < 1.4
    assert spearmanr(expected.ravel(), real.ravel())[0] > 0.3
    assert expected[hidden[60:], 2].mean() > 1.3 * expected[~hidden[60:], 2].mean()


@pytest.mark.slow
def test_predictions_are_the_same_and_cost_the_same(fitted, triangles, monkeypatch):
    images, _, _ = triangles
    found, expected = fitted.predict(images[60:], return_error=True)
    alone = fitted.predict(images[70], return_error=True)
    np.testing.assert_allclose(alone[1], expected[10:11], rtol=1e-6)  # whatever else was asked
    frames = fitted.predict(iter(images[60:]), return_error=True)
    np.testing.assert_allclose(frames[1], expected, rtol=1e-6)
    monkeypatch.setattr(_looks, "look_again", None)  # neither fit nor predict looks again
    np.testing.assert_array_equal(fitted.predict(images[60:]), found)
    again = KeypointRegressor(TINY, mirror_pairs=[]).fit(images[:20], np.zeros((20, 6)) + range(6))
    assert again.predict(images[:2]).shape == (2, 6)
    with pytest.raises(InvalidInputError, match="return_error must be True or False"):
        fitted.predict(images, return_error="yes")


def test_held_out_looks_are_what_the_rounds_were_judged_by(fitted, triangles, monkeypatch):
    images, points, _ = triangles
    seen = {}

    def spy(predictor, features, truth, data, random_state):
        seen["looks"] = held_out_looks(predictor, features, truth, data, random_state)
        last = predictor.refinements[-1]
        before = held_out_looks(_without_last(predictor), features, truth, data, random_state).points
        seen["moved"] = held_out_again(last, before, truth, data.weight, random_state)
        return seen["looks"]

    monkeypatch.setattr(_confidence, "held_out_looks", spy)
    kp = KeypointRegressor(TINY, mirror_pairs=[]).fit(images[:60], points[:60])
    used = [row for row in kp.rounds_ if row.used]
    errors, _ = shape_errors(seen["looks"].points, points[:60])
    assert errors.mean() == pytest.approx(used[-1].held_out_error, rel=1e-9)
    assert len(seen["moved"]) == 4
    assert seen["looks"].moved
    # Squares around other places would put points elsewhere.
    real = distances(seen["looks"].points, points[:60]).mean()
    assert max(distances(each, points[:60]).mean() for each in seen["moved"]) < 2.5 * real


def _without_last(predictor):
    from dataclasses import replace

    return replace(predictor, refinements=predictor.refinements[:-1])


@pytest.mark.parametrize("pairs", [[], [(0, 1)]])
def test_without_a_closer_look_views_are_compared_if_there_are_two(tiny, triangles, pairs):
    images, points, _ = triangles
    kp = KeypointRegressor(**tiny, refine=0, mirror_pairs=pairs).fit(images[:60], points[:60])
    found, expected = kp.predict(images[60:], return_error=True)
    real = distances(found, points[60:])
    assert 0.7 < expected.mean() / real.mean() < 1.4
    assert (kp.predictor_.expected_error.slope > 0) == bool(pairs)
    assert np.argmax(expected.mean(axis=0)) == np.argmax(real.mean(axis=0)) == 2


def test_boxes_and_missing_points(tiny, triangles):
    images, points, _ = triangles
    holes = points.copy()
    holes[::4, 1] = NAN
    boxes = np.tile([10.0, 5, 70, 60], (100, 1))
    kp = KeypointRegressor(**tiny, mirror_pairs=[]).fit(images[:60], holes[:60], boxes=boxes[:60])
    found, expected = kp.predict(images[60:], boxes[60:], return_error=True)
    assert 0.6 < expected.mean() / distances(found, points[60:]).mean() < 1.5


@pytest.mark.slow
def test_evaluate_sets_expected_errors_beside_real_ones(fitted, triangles):
    images, points, _ = triangles
    truth = points.copy()
    truth[65, 1] = NAN
    evaluation = evaluate(fitted, images[60:], truth[60:], return_error=True)
    found, expected = fitted.predict(images[60:], return_error=True)
    np.testing.assert_allclose(evaluation.expected_error, expected, rtol=1e-6)
    np.testing.assert_allclose(evaluation.distances, distances(found, truth[60:]), rtol=1e-6)
    present = np.isfinite(evaluation.distances)
    assert f"Mean error of a point: expected {expected[present].mean():.4g} pixels" in str(evaluation)
    times = evaluation.within(0.9)
    near = evaluation.distances <= times * expected
    assert near[present].mean() == pytest.approx(0.9, abs=0.01)
    assert 1.2 < times < 3.2  # 1.9 by the law of likelihood_within
    assert f"90 % of the points lie within {times:.2g} times their expected error" in str(evaluation)
    assert evaluate(fitted, images[60:], truth[60:]).expected_error is None
    with pytest.raises(InvalidInputError, match="^within needs expected errors"):
        evaluate(fitted, images[60:], truth[60:]).within()
    with pytest.raises(InvalidInputError, match="^coverage must be above 0 and below 1"):
        evaluation.within(90)
    ax = plots.plot_expected_error(evaluation)
    means = ax.lines[1].get_xydata()
    assert len(means) == 10
    assert means[0, 0] == pytest.approx(np.sort(expected[present])[:12].mean(), rel=1e-6)
    plt.close(ax.figure)
    with pytest.raises(InvalidInputError, match="expected_error must have shape"):
        KeypointEvaluation(truth, truth, expected_error=np.ones(100))
    with pytest.raises(InvalidInputError, match="return_error can be passed for a KeypointRegressor"):
        evaluate(DummyRegressor().fit(truth[:, 0], truth[:, 0]), truth[:, 0], truth[:, 0], return_error=True)
    for pair, words in (
        ((evaluate(fitted, images[60:62], truth[60:62]),), "evaluation must have expected errors"),
        ((expected, expected[:3]), "distances must have shape"),
        ((np.zeros((1, 1)), np.ones((1, 1))), "expected errors above 0"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            plots.plot_expected_error(*pair)


def test_likelihoods_go_into_the_files_of_tools(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path in paths:
        Image.new("RGB", (40, 30)).save(path)
    table = KeypointTable(paths, np.full((2, 2, 2), 9.0), folder=tmp_path)
    likelihood = likelihood_within([[0.0, 5.0], [1.0, NAN]], 5.0)
    assert likelihood[0, 0] == 1
    assert likelihood[0, 1] == pytest.approx(1 - 3 * np.exp(-2))
    assert np.isnan(likelihood[1, 1])
    with pytest.raises(InvalidInputError, match=r"likelihood must be numbers in 0..1 of shape \(2, 2\)"):
        table.with_keypoints(table.keypoints, likelihood=likelihood)
    found = table.with_keypoints(table.keypoints, likelihood=np.nan_to_num(likelihood))
    write_deeplabcut(found, tmp_path / "dlc.csv")
    np.testing.assert_allclose(read_deeplabcut(tmp_path / "dlc.csv").likelihood, found.likelihood)
    write_coco_keypoints(found, tmp_path / "coco.json")
    scores = [row["score"] for row in json.loads((tmp_path / "coco.json").read_text())["annotations"]]
    np.testing.assert_allclose(scores, found.likelihood.mean(axis=1))
    write_coco_keypoints(table, tmp_path / "plain.json")
    assert "score" not in (tmp_path / "plain.json").read_text()
    for error, distance, words in (([[1.0]], 0, "distance must be"), ([[-1.0]], 5, "expected_error must be")):
        with pytest.raises(InvalidInputError, match=words):
            likelihood_within(error, distance)


def test_points_without_a_likelihood(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "0.png")
    table = KeypointTable([tmp_path / "0.png"] * 2, np.ones((2, 2, 2)), likelihood=[[0.5, NAN], [NAN, NAN]])
    write_coco_keypoints(table, tmp_path / "coco.json")  # as read from a file that has some
    annotations = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    assert [row.get("score") for row in annotations] == [0.5, None]
    advice = r"\(2, 2\), one for each point. Got nan among them. Pass np.nan_to_num"
    with pytest.raises(InvalidInputError, match=advice):  # as of images that max_novelty refused
        table.with_keypoints(np.full((2, 2, 2), NAN), likelihood=[[1, 1], [NAN, NAN]])
    with pytest.raises(InvalidInputError, match=r"one for each point. Got 2 among them.$"):
        table.with_keypoints(table.keypoints, likelihood=[[1, 2], [1, NAN]])
    with pytest.raises(InvalidInputError, match=r"one for each point. Got shape \(1, 2\).$"):
        table.with_keypoints(table.keypoints, likelihood=[[1, 2]])


# --------------------------------------------------------------------------- where nothing is known


def test_too_few_images_say_nothing_of_errors(tiny, triangles):
    images, points, _ = triangles
    kp = KeypointRegressor(**tiny, mirror_pairs=[]).fit(images[:6], points[:6])
    assert kp.predict(images[:2]).shape == (2, 3, 2)
    with pytest.raises(InvalidInputError, match="return_error needs errors of held-out images"):
        kp.predict(images[:2], return_error=True)
    kp = KeypointRegressor("precomputed").fit(np.ones((20, 3)) * np.arange(20)[:, None], points[:20, 0])
    with pytest.raises(InvalidInputError, match="return_error needs errors of held-out images"):
        kp.predict(np.ones((1, 3)), return_error=True)


@pytest.mark.slow
@pytest.mark.parametrize("head", [MLPHead(epochs=5), KeypointMapHead(epochs=5)])
def test_a_network_is_calibrated_on_what_it_held_out(tiny, triangles, head):
    images, points, _ = triangles
    for own in (None, (images[60:80], points[60:80])):
        refine = "auto" if head.refinement is None else 1
        kp = KeypointRegressor(**tiny, head=head, refine=refine, mirror_pairs=[])
        kp.fit(
            images[:60] + images[60:100] * (own is None),
            points[: 60 + 40 * (own is None)],
            validation_data=own,
        )
        expected = kp.predictor_.expected_error
        assert expected.moved == bool(kp.refinements_)
        assert np.isfinite(kp.predict(images[80:], return_error=True)[1]).all()


# --------------------------------------------------------------------------- saved


def test_it_is_saved_with_the_model(fitted, triangles, tmp_path):
    images, _, _ = triangles
    fitted.save(tmp_path / "kp.model")
    loaded = load(tmp_path / "kp.model").predict(images[60:65], return_error=True)
    for mine, saved in zip(fitted.predict(images[60:65], return_error=True), loaded, strict=True):
        np.testing.assert_allclose(saved, mine, atol=1e-6)


def test_models_saved_before_predict_and_say_what_to_do(fitted, triangles, tmp_path):
    images, _, _ = triangles
    fitted.save(tmp_path / "kp.model")
    tensors, document = read_model(tmp_path / "kp.model")
    facts = document.pop("expected_error")
    old = {name: array for name, array in tensors.items() if name != "error.level"}
    assert len(old) == len(tensors) - 1
    write_model(tmp_path / "old.model", old, document)
    loaded = load(tmp_path / "old.model")
    np.testing.assert_allclose(loaded.predict(images[:3]), fitted.predict(images[:3]), atol=1e-6)
    with pytest.raises(InvalidInputError, match="saved before there was return_error.*Fit it again"):
        loaded.predict(images[:3], return_error=True)
    for arrays, wrong in (
        (old, facts),
        (tensors, None),
        (tensors, facts | {"slope": -1.0}),
        (tensors, facts | {"typical": 0.0}),
        (tensors, facts | {"moved": 1}),
        (tensors, facts | {"more": 1.0}),
        (tensors | {"error.level": np.zeros(2)}, facts),
    ):
        changed = document if wrong is None else document | {"expected_error": wrong}
        write_model(tmp_path / "wrong.model", arrays, changed)
        with pytest.raises(ModelFileError):
            load(tmp_path / "wrong.model")


# --------------------------------------------------------------------------- the law


def drawn(n, slope, generator):
    """Looks that disagree, and true points that are as far as a power of that says, twice as far for one."""
    disagreement = np.exp(generator.normal(-3, 1, (n, 2)))
    angle = generator.uniform(0, 7, (2, n, 2))
    way = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    points = generator.uniform(0, 100, (n, 2, 2))
    unit = generator.uniform(20, 200, n)
    size = unit[:, None] * 0.05 * (disagreement / np.exp(-3)) ** slope * [1.0, 2.0]
    looks = Looks(points, [points + way[0] * (disagreement * unit[:, None])[..., None]], True, unit)
    return looks, points + way[1] * (size * generator.exponential(1.0, (n, 2)))[..., None], size


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_law_is_found(slope):
    looks, truth, size = drawn(2000, slope, np.random.default_rng(0))
    truth[::7, 0] = NAN
    expected = ExpectedError.fit(looks, truth, np.ones(2000))
    assert expected.slope == pytest.approx(slope, abs=0.15)
    ratio = expected.predict(looks) / size
    np.testing.assert_allclose(ratio.mean(axis=0), 1.0, atol=0.15)
    # It knows nothing of the images that have no weight.
    truth[1000:] += 500
    weight = np.repeat([1.0, 0.0], 1000)
    weighed = ExpectedError.fit(looks, truth, weight).predict(looks)
    np.testing.assert_allclose((weighed / size).mean(axis=0), 1.0, atol=0.2)


def test_few_images_draw_points_together():
    looks, truth, _ = drawn(8, 0.0, np.random.default_rng(1))
    few = ExpectedError.fit(looks._replace(others=[]), truth, np.ones(8))
    alone = np.log((distances(looks.points, truth) / looks.unit[:, None]).mean(axis=0))
    assert 0.3 < np.ptp(few.level) / np.ptp(alone) < 0.8
    assert np.argmax(few.level) == np.argmax(alone)
    truth[0] = NAN
    assert ExpectedError.fit(looks, truth, np.ones(8)) is None


def test_looks_that_agree_exactly_are_finite():
    looks, truth, _ = drawn(20, 0.5, np.random.default_rng(0))
    expected = ExpectedError.fit(looks, truth, np.ones(20))
    same = looks._replace(others=[looks.points])
    assert np.isfinite(expected.predict(same)).all()
    assert (expected.predict(same) < expected.predict(looks).max()).all()
    still = ExpectedError.fit(same, truth, np.ones(20))
    assert still.slope == 0.0
    facts = json.loads(json.dumps(still.facts()))
    assert rebuild_expected_error(still.tensors(), facts, 2).facts() == still.facts()


@pytest.mark.slow
def test_errors_of_drawn_bodies_are_honest():
    frames = make_bodies(160, size=(160, 120), n_points=4)
    points = frames.keypoints.reshape(-1, 4, 2)
    kp = KeypointRegressor("scattering", weights=None, image_size=64).fit(frames.images[:100], points[:100])
    found, expected = kp.predict(frames.images[100:], return_error=True)
    real = distances(found, points[100:])
    assert 0.6 < expected.mean() / real.mean() < 1.5
    assert spearmanr(expected.ravel(), real.ravel())[0] > 0.2

"""Are new images still like those that a model was trained on?"""

import json

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, make_pictures, make_triangles
from transferkit import Classifier, ImageRegressor, KeypointRegressor, cli, drift, plots
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError
from transferkit.monitoring._checks import novelty_check, probability_checks, share_check, stranger_check


@pytest.fixture(autouse=True)
def known(tiny):
    registry.add(TINY)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """More pictures of the same kind."""
    return make_pictures(tmp_path_factory.mktemp("others"), 120, seed=5)


@pytest.fixture
def clf(pictures):
    return Classifier(TINY).fit(*pictures)


def tinted(paths):
    """The same pictures, as a camera with a broken channel takes them."""
    found = []
    for path in paths:
        pixels = np.asarray(Image.open(path)).copy()
        pixels[..., 0] //= 4
        found.append(pixels)
    return found


def test_images_of_the_same_kind_have_not_drifted(clf, others, caplog):
    report = drift(clf, others[0])
    assert not report.drifted
    assert not caplog.records
    assert {check.name for check in report.checks} == {"novelty", "strangers", "probability", "classes"}
    assert "No drift was found: 120 images" in str(report)
    assert sum(report.shares.values()) == pytest.approx(1) == sum(report.shares_before.values())


def test_false_alarms_are_as_rare_as_was_said():
    generator = np.random.default_rng(0)
    y = np.arange(150) % 2

    def draw(y):
        return (generator.normal(size=(len(y), 6)) + y[:, None] + 2).astype(np.float32)

    alarms = 0
    for _ in range(20):
        model = Classifier("precomputed", head="linear").fit(draw(y), y)
        new = draw(y)
        task, held = model.predictor_.task, model.predictor_.held_out
        found = [novelty_check(model.novelty(new), 150)]
        found += probability_checks(
            model.predict_proba(new), held.probabilities(task), 150, [0, 1], one_each=True
        )
        alarms += any(p < 0.1 / len(found) for _, _, _, p, _ in found)
    assert alarms <= 6  # 2 are expected at a level of 0.1


@pytest.mark.slow
def test_groups_of_training_images_count_as_one_each():
    """Twenty images of each of twenty people say little more than twenty images."""
    generator = np.random.default_rng(1)
    people = np.arange(400) // 20

    def draw(n, person):
        return (
            2 + 1.5 * generator.normal(size=(person.max() + 1, 6))[person] + generator.normal(size=(n, 6)) / 4
        ).astype(np.float32)

    alarms = 0
    for _ in range(30):
        model = Classifier("precomputed", head="linear").fit(draw(400, people), people % 2, groups=people)
        new = draw(100, np.arange(100))
        held, known = model.predictor_.held_out, model.predictor_.novelty
        assert known.n_groups == 20 == len(np.unique(held.groups))
        novelty, chances = (
            model.novelty(new),
            (model.predict_proba(new), held.probabilities(model.predictor_.task)),
        )
        found = [
            novelty_check(novelty, known.n_groups),
            stranger_check(novelty, known.n_groups),
            *probability_checks(*chances, 20, [0, 1], one_each=True),
            share_check(*chances, 20, [0, 1]),
        ]
        alarms += any(p < 0.1 / 4 for _, _, _, p, _ in found)
    assert alarms <= 8  # 3 are expected at a level of 0.1


def test_images_that_were_learned_from_are_left_out(clf, pictures, others, caplog):
    paths = pictures[0]
    both = [*paths[:40], *others[0]]
    report = drift(clf, both)
    assert f"40 of {len(both)} images are among those that the model has learned from" in caplog.text
    assert report.n_images == len(others[0])
    assert report.novelty.tolist() == drift(clf, others[0]).novelty.tolist()
    assert "40 images are left out" in str(report)
    with pytest.raises(InvalidInputError, match="has not learned from.*Got 0"):
        drift(clf, paths)


def test_a_broken_camera_is_seen(clf, others):
    report = drift(clf, tinted(others[0]))
    assert report.drifted
    novelty = report.checks[0]
    assert (novelty.name, novelty.drifted) == ("novelty", True)
    assert novelty.p_value < 1e-6 < 0.5 < novelty.effect
    assert "not like those to train on" in str(report)


def test_another_mixture_of_classes_is_seen(clf, others):
    paths, labels = others
    report = drift(clf, [path for path, label in zip(paths, labels, strict=True) if label == "left"])
    assert [check.name for check in report.checks if check.drifted] == ["probability", "classes"]
    assert report.shares["left"] > 0.9 > 0.6 > report.shares_before["left"]
    assert "before" in str(report)


@pytest.mark.slow
def test_a_model_that_has_learned_nothing_raises_no_alarm(pictures, others):
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(6):
        labels = generator.integers(0, 3, 60)
        alarms += drift(Classifier(TINY).fit(pictures[0], labels), others[0]).drifted
    assert alarms == 0


def test_several_labels_are_compared_too(pictures, others):
    paths, labels = pictures
    both = np.column_stack([labels == "left", np.arange(60) % 3 == 0]).astype(int)
    clf = Classifier(TINY).fit(paths, both)
    left = [path for path, label in zip(*others, strict=True) if label == "left"]
    report = drift(clf, left)
    assert [check.name for check in report.checks] == [
        "novelty",
        "strangers",
        "probability",
        "probability",
        "classes",
    ]
    assert report.checks[2].drifted
    assert report.checks[-1].drifted
    assert not drift(clf, others[0]).drifted


def test_a_tenth_of_strange_images_is_seen():
    generator = np.random.default_rng(0)
    novelty = np.append(generator.random(90), np.ones(10))
    assert novelty_check(novelty, 300)[3] > 0.01
    assert stranger_check(novelty, 300)[3] < 1e-4
    # Of images like those to train on, the number beyond the largest of n distances is beta-binomial.
    p_values = []
    for _ in range(300):
        known, new = np.sort(generator.random(60)), generator.random(100)
        p_values.append(stranger_check(np.searchsorted(known, new) / 60, 60)[3])
    assert 0.02 < np.mean(np.array(p_values) <= 0.1) < 0.11


def test_a_few_strange_images_are_named(clf, others):
    paths = list(others[0])
    strange = [np.full((40, 40, 3), (10, 20, 220), np.uint8), np.full((50, 40, 3), (0, 0, 90), np.uint8)]
    report = drift(clf, [*paths[:60], *strange, *paths[60:]])
    assert not report.drifted  # two of 122
    assert any(image is strange[0] for image in report.strangest(2))


def test_what_cannot_be_read_is_left_out(clf, others, tmp_path, caplog):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    report = drift(clf, [others[0][0], bad, *others[0][1:]])
    assert [failure.index for failure in report.skipped] == [1]
    assert report.rows.tolist() == [0, *range(2, 121)]
    assert "drift" in caplog.text
    assert "1 images could not be read" in str(report)


def test_regressors_are_watched_too(others, pictures):
    reg = ImageRegressor(TINY).fit(pictures[0], np.arange(60.0))
    assert not drift(reg, others[0]).drifted
    assert drift(reg, tinted(others[0])).drifted
    images, points, _ = make_triangles(60)
    boxes = np.tile([1.0, 1.0, 78.0, 62.0], (60, 1))
    kp = KeypointRegressor(TINY, refine=0).fit(images[:30], points[:30], boxes=boxes[:30])
    dull = [(pixels // (9, 9, 1)).astype(np.uint8) for pixels in images[30:]]
    assert drift(kp, dull, boxes=boxes[30:]).drifted
    assert not drift(kp, images[30:], boxes=boxes[30:]).shares


def test_what_cannot_be_compared(clf, others):
    with pytest.raises(InvalidInputError, match="^X must have 20 images or more that can be read"):
        drift(clf, others[0][:19])
    with pytest.raises(InvalidInputError, match="^alpha must be above 0 and below 1"):
        drift(clf, others[0], alpha=0)
    with pytest.raises(InvalidInputError, match="^model must be a fitted Classifier"):
        drift("model.safetensors", others[0])
    with pytest.raises(InvalidInputError, match="^boxes are for a KeypointRegressor .* Got a Classifier"):
        drift(clf, others[0], boxes=np.ones((len(others[0]), 4)))
    flat = Classifier("precomputed").fit(np.random.default_rng(0).random((40, 3)), [0, 1] * 20)
    with pytest.raises(InvalidInputError, match="precomputed"):
        drift(flat, others[0])


def test_it_is_drawn(clf, others):
    report = drift(clf, others[0])
    first, second = plots.plot_drift(report)
    assert sum(bar.get_height() for bar in first.patches) == pytest.approx(1)
    assert [tick.get_text() for tick in second.get_yticklabels()] == ["right", "left"]
    with pytest.raises(InvalidInputError, match="^report must be what drift"):
        plots.plot_drift([])


def test_cron_gets_an_exit_code(clf, others, tmp_path, capsys):
    model = str(tmp_path / "model.safetensors")
    clf.save(model)
    assert cli.main(["drift", model, str(others[0][0].parent), "--plot", str(tmp_path / "drift.png")]) == 0
    assert (tmp_path / "drift.png").stat().st_size > 1000
    folder = tmp_path / "tinted"
    folder.mkdir()
    for i, pixels in enumerate(tinted(others[0][:40])):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    capsys.readouterr()
    assert cli.main(["drift", model, str(folder), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["drifted"]
    assert {check["name"] for check in found["checks"]} == {"novelty", "strangers", "probability", "classes"}
    for wrong in ("/nowhere/x.png", str(folder), "x.weird", "x"):
        assert cli.main(["drift", model, str(folder), "--plot", wrong]) == 2
        assert "--plot must " in capsys.readouterr().err

"""Images that are like nothing a model was trained on."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, make_triangles
from transferkit import Classifier, ImageRegressor, KeypointRegressor, cli, config_context, load
from transferkit.backbones import registry
from transferkit.decisions import MOST_ROWS, Novelty
from transferkit.errors import InvalidInputError
from transferkit.estimators.saved_model import load_without_estimator

BLUE = [np.full((40, 40, 3), (10, 20, 220), np.uint8), np.full((64, 50, 3), (0, 0, 90), np.uint8)]


@pytest.fixture(autouse=True)
def known(tiny):
    registry.add(TINY)


def distance(a, b):
    return 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)


# What is measured


def test_novelty_is_the_share_of_nearest_neighbours_that_are_nearer():
    generator = np.random.default_rng(0)
    vectors, new = generator.random((30, 5)), generator.random((7, 5))
    groups = np.arange(30) // 3
    nearest = [
        min(distance(vectors[i], vectors[j]) for j in range(30) if groups[i] != groups[j]) for i in range(30)
    ]
    expected = [np.mean(np.array(nearest) < min(distance(one, v) for v in vectors)) for one in new]
    np.testing.assert_allclose(Novelty.fit(vectors, groups).score(new), expected, atol=1 / 30)
    np.testing.assert_array_equal(Novelty.fit(vectors, groups).score(vectors), 0)


def test_an_image_is_judged_alone():
    generator = np.random.default_rng(0)
    known = Novelty.fit(generator.random((300, 40)), np.arange(300))
    new = generator.random((3000, 40))
    whole = known.score(new)
    assert 0 < whole.mean() < 1
    np.testing.assert_array_equal(known.score(new[7:9]), whole[7:9])


def test_the_share_that_is_refused_is_what_was_said():
    generator = np.random.default_rng(1)
    shares = [
        (
            Novelty.fit(generator.normal(size=(200, 8)) + 3, np.arange(200)).score(
                generator.normal(size=(200, 8)) + 3
            )
            > 0.9
        ).mean()
        for _ in range(20)
    ]
    assert 0.07 < np.mean(shares) < 0.13


def test_too_little_is_nothing():
    assert Novelty.fit(np.ones((7, 2)), np.arange(7)) is None
    assert Novelty.fit(np.ones((20, 2)), np.zeros(20)) is None


# In estimators


def test_a_classifier_refuses_what_it_does_not_know(tiny, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths[:40], labels[:40])
    assert (clf.novelty(paths[:40]) == 0).all()
    assert (clf.novelty(BLUE) == 1).all()
    assert clf.novelty(paths[40:]).mean() < 0.7
    found = clf.predict([*paths[:3], *BLUE], unknown_label="unknown")
    np.testing.assert_array_equal(found, [*clf.predict(paths[:3]), "unknown", "unknown"])
    assert found.dtype.kind == "U"
    numbers = Classifier(**tiny).fit(paths[:40], labels[:40] == "left")
    assert numbers.predict([paths[0], BLUE[0]], unknown_label=-1).tolist() == [True, -1]
    assert "unknown" not in clf.predict(BLUE)


def test_novelty_runs_no_backbone_twice_and_is_saved(tiny, pictures, engine, tmp_path):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths[:40], labels[:40])
    clf.predict(paths)
    seen = engine.images
    novelty = clf.novelty(paths)
    assert engine.images == seen
    clf.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").novelty(paths), novelty)
    saved = load_without_estimator(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(saved.novelty(paths), novelty)
    np.testing.assert_array_equal(
        saved.predict([*paths, *BLUE], unknown_label="?", max_novelty=0.5),
        clf.predict([*paths, *BLUE], unknown_label="?", max_novelty=0.5),
    )


def test_each_image_is_compared_with_other_groups_only(tiny, pictures):
    paths, labels = pictures
    pictures = [np.asarray(Image.open(path)) for path in paths[:20]]
    twice = [pixels for pixels in pictures for pixels in (pixels, np.clip(pixels, 1, 255))]
    labels, groups = np.repeat(labels[:20], 2), np.repeat(np.arange(20), 2)
    with_groups = Classifier(**tiny).fit(twice, labels, groups=groups)
    without = Classifier(**tiny).fit(twice, labels)
    new = [np.asarray(Image.open(path)) for path in paths[20:]]
    assert with_groups.novelty(new).mean() < without.novelty(new).mean()
    copies = Classifier(**tiny).fit(pictures * 2, np.tile(labels[::2], 2))  # exact copies are one image
    np.testing.assert_allclose(
        copies.predictor_.novelty.distances[::2],
        Classifier(**tiny).fit(pictures, labels[::2]).predictor_.novelty.distances,
    )


def test_regressors_and_arrays_have_novelty_too(tiny, pictures):
    paths, _ = pictures
    reg = ImageRegressor(**tiny).fit(paths[:40], np.arange(40.0))
    assert (reg.novelty([paths[0], *BLUE]) == [0, 1, 1]).all()
    rows = np.random.default_rng(0).random((40, 6))
    flat = Classifier("precomputed").fit(rows, [0, 1] * 20)
    assert (flat.novelty(np.vstack([rows[:3], -rows[:3]])) == [0, 0, 0, 1, 1, 1]).all()


@pytest.mark.parametrize("boxed", [False, True])
def test_keypoints_have_novelty_of_what_they_look_at(tiny, boxed):
    images, points, _ = make_triangles(40)
    boxes = {"boxes": np.tile([1.0, 1.0, 78.0, 62.0], (40, 1))} if boxed else {}
    kp = KeypointRegressor(**tiny, refine=0).fit(images, points, **boxes)
    assert (kp.novelty(images, **boxes) == 0).all()
    two = {name: array[:2] for name, array in boxes.items()}
    assert (kp.novelty([np.full((64, 80, 3), (200, 200, 90), np.uint8)] * 2, **two) == 1).all()
    if boxed:
        with pytest.raises(InvalidInputError, match="^boxes must be passed"):
            kp.novelty(images)


def test_of_many_images_a_sample_is_kept():
    rows = np.random.default_rng(0).random((MOST_ROWS + 500, 3)).astype(np.float32)
    clf = Classifier("precomputed", head="linear").fit(rows, np.arange(len(rows)) % 2)
    assert clf.predictor_.novelty.vectors.shape == (MOST_ROWS, 3)
    assert clf.novelty(rows).mean() < 0.5


def test_what_cannot_be_asked(tiny, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths[:40], labels[:40])
    for how, message in (
        ({"unknown_label": "left"}, "^unknown_label must be none of the classes. Got 'left'"),
        ({"unknown_label": ["x"]}, "^unknown_label must be a string or a number"),
        ({"max_novelty": 0.9}, "^max_novelty needs unknown_label"),
        ({"unknown_label": "x", "max_novelty": 1}, "^max_novelty must be above 0 and below 1"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            clf.predict(paths, **how)
    numbers = Classifier(**tiny).fit(paths[:40], (labels[:40] == "left").astype(int))
    with pytest.raises(InvalidInputError, match="^unknown_label must be none of the classes. Got '1'"):
        numbers.predict(paths, unknown_label="1")
    several = Classifier(**tiny).fit(paths, np.column_stack([labels == "left", np.arange(60) % 3 == 0]))
    with pytest.raises(InvalidInputError, match="^unknown_label is for one label for each image"):
        several.predict(paths, unknown_label="x")
    few = Classifier(**tiny).fit(paths[:6], labels[:6])
    with pytest.raises(InvalidInputError, match="^novelty needs eight training images"):
        few.novelty(paths)


def test_on_the_command_line(tiny, pictures, tmp_path, capsys):
    paths, labels = pictures
    blue = tmp_path / "blue.png"
    Image.fromarray(BLUE[0]).save(blue)
    model = str(tmp_path / "model.safetensors")
    Classifier(**tiny).fit(paths[:40], labels[:40]).save(model)
    with config_context(progress=False):
        assert (
            cli.main(["predict", model, str(paths[0]), str(blue), "--unknown-label", "none of them", "--csv"])
            == 0
        )
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[1] for row in rows] == ["label", "left", "none of them"]
    values = str(tmp_path / "values.safetensors")
    ImageRegressor(**tiny).fit(paths, np.arange(60.0)).save(values)
    assert cli.main(["predict", values, str(blue), "--unknown-label", "x"]) == 2
    assert "--unknown-label is for classes" in capsys.readouterr().err
    assert cli.main(["predict", model, str(blue), "--max-novelty", "0.5"]) == 2
    assert "--max-novelty is for keypoints" in capsys.readouterr().err
    images, points, _ = make_triangles(30)
    KeypointRegressor(**tiny, refine=0).fit(images, points).save(values)
    assert cli.main(["predict", values, str(blue), "--max-novelty", "0.9", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(",nan" * 6)

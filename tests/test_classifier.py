"""Classifier: three lines, right, and clear about what it cannot use."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import transferkit
from tests.conftest import TINY, make_pictures
from transferkit import Classifier, FeatureExtractor, images
from transferkit.backbones import registry
from transferkit.errors import (
    BadImageError,
    InvalidInputError,
    ModelFileError,
    NotFittedError,
)
from transferkit.heads import LinearHead, MLPHead


def read(path):
    """Return the pixels of a file, and close it."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def fitted(tiny, pictures):
    paths, labels = pictures
    return Classifier(**tiny, augment=None).fit(paths, labels)


def test_three_lines(tiny, pictures, tmp_path):
    paths, labels = pictures
    clf = Classifier(**tiny, augment=None).fit(paths, labels)
    new_paths, new_labels = make_pictures(tmp_path / "new", 40, seed=1)
    assert clf.score(new_paths, new_labels) > 0.9
    assert clf.classes_.tolist() == ["left", "right"]
    assert clf.predict(new_paths[0]).tolist() == [new_labels[0]]
    assert str(clf.report_).startswith("60 images: 0 from the cache, 60 decoded, 2 backbone calls")
    assert min(row["squared_error"] for row in clf.history_) < 0.5


def test_outputs_agree(fitted, pictures):
    paths, _ = pictures
    probabilities, logits = fitted.predict_proba(paths), fitted.decision_function(paths)
    assert probabilities.shape == (60, 2)
    assert logits.shape == (60,)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-logits)))
    np.testing.assert_array_equal(fitted.predict(paths), fitted.classes_[probabilities.argmax(axis=1)])


def test_a_prediction_does_not_depend_on_the_others(fitted, pictures):
    paths, _ = pictures
    together = fitted.predict_proba(paths)
    alone = np.concatenate([fitted.predict_proba(path) for path in paths])
    np.testing.assert_allclose(alone, together, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda labels: np.where(labels == "left", 3, 7),
        lambda labels: labels == "left",
        lambda labels: labels.astype(object),
        lambda labels: np.where(labels == "left", 0.0, 1.0),
        lambda labels: list(labels),
    ],
    ids=["int", "bool", "object", "float", "list"],
)
def test_any_labels(tiny, pictures, make, tmp_path):
    paths, labels = pictures
    labels = make(labels)
    clf = Classifier(**tiny, augment=None).fit(paths, labels)
    assert clf.score(paths, labels) > 0.9
    clf.save(tmp_path / "m.safetensors")
    assert set(clf.predict(paths).tolist()) <= set(np.asarray(labels).tolist())


def test_several_classes(tiny, pictures):
    paths, labels = pictures
    labels = np.array([f"{label}{i % 3 == 0}" for i, label in enumerate(labels)])
    clf = Classifier(**tiny, augment=None).fit(paths, labels)
    assert clf.predict_proba(paths).shape == clf.decision_function(paths).shape == (60, 4)
    np.testing.assert_allclose(clf.predict_proba(paths).sum(axis=1), 1)


def test_mirrored_views_are_averaged(tiny, engine, pictures, tmp_path):
    """A mirrored left is a right: with mirrored views nothing can be learned here."""
    clf = Classifier(**tiny, augment="mirror").fit(*pictures)
    assert engine.images == 120
    new_paths, new_labels = make_pictures(tmp_path / "new", 40, seed=1)
    assert abs(clf.score(new_paths, new_labels) - 0.5) < 0.25
    mirrored = [read(path)[:, ::-1] for path in new_paths]
    np.testing.assert_allclose(clf.predict_proba(mirrored), clf.predict_proba(new_paths), atol=1e-2)


def test_the_plan_is_what_fit_looks_at(tiny, engine, pictures):
    clf = Classifier(**tiny, head="linear", augment="mirror")
    extractor, views = clf.plan_extraction(pictures[1])
    extractor.extract(pictures[0], views=views)
    assert engine.images == 120  # the picture and its mirror image
    assert clf.fit(*pictures).views_ == views
    assert engine.images == 120


def test_class_weight(tiny, pictures):
    paths, labels = pictures
    rare = np.random.default_rng(0).permutation(np.repeat(["a", "b"], [50, 10]))  # shares only
    share = {
        weight: Classifier(**tiny, class_weight=weight).fit(paths, rare).predict_proba(paths)[:, 1].mean()
        for weight in (None, "balanced")
    }
    assert share[None] == pytest.approx(1 / 6, abs=0.05)
    assert share["balanced"] == pytest.approx(1 / 2, abs=0.1)
    with pytest.raises(InvalidInputError, match="Missing: 'right'"):
        Classifier(**tiny, class_weight={"left": 2}).fit(paths, labels)


@pytest.mark.slow
def test_a_second_head_costs_nothing_and_loads_no_tensorflow(tmp_path):
    """In a fresh process, on the cache that a network filled in another."""
    code = f"""
import sys
import numpy as np
from transferkit import Classifier, config_context, images
from transferkit.heads import LinearHead
from tests.conftest import make_pictures
from pathlib import Path
paths, labels = make_pictures(Path({str(tmp_path / "p")!r}), 40)
def fit(**options):
    with config_context(cache={str(tmp_path / "c")!r}, progress=False):
        return Classifier("mobilenet", weights=None, image_size=32, **options).fit(paths, labels)
if sys.argv[1] == "cold":
    clf = fit()
else:
    clf = fit(head=LinearHead(penalty=0.1))
    with config_context(cache={str(tmp_path / "c")!r}):
        clf.predict(paths)
report = clf.report_
print(report.n_decoded, report.n_backbone_calls, "tensorflow" in sys.modules, "keras" in sys.modules)
"""
    outputs = []
    for run in ("cold", "warm"):
        result = subprocess.run(
            [sys.executable, "-c", code, run], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        outputs.append(result.stdout.split())
    # Forty images and their mirror images in three calls, and alone, to see what mirroring hides, in two.
    assert outputs[0] == ["40", "5", "True", "True"]
    assert outputs[1] == ["0", "0", "False", "False"]


def test_bad_files_are_left_out_and_labels_stay_aligned(tiny, pictures, tmp_path):
    paths, labels = pictures
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"<html>not found</html>")
    mixed, mixed_labels = [bad, *paths[:30], bad, *paths[30:]], ["right", *labels[:30], "left", *labels[30:]]
    clf = Classifier(**tiny, augment=None).fit(mixed, mixed_labels)
    reference = Classifier(**tiny, augment=None).fit(paths, labels)
    np.testing.assert_array_equal(clf.fitted_head_.weights, reference.fitted_head_.weights)
    assert [failure.index for failure in clf.report_.failures] == [0, 31]
    assert clf.report_.counts() == {"not_an_image": 2}
    with pytest.raises(BadImageError, match="Image 0: .*bad.jpg"):
        Classifier(**tiny, extractor=FeatureExtractor(on_error="raise")).fit([bad, *paths], ["left", *labels])
    with pytest.raises(BadImageError, match="bad.jpg"):
        clf.predict([*paths[:3], bad])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ("one.jpg", ["a"], "fit expects a list of images. Got one str: 'one.jpg'"),
        (["a.jpg", "b.jpg"], ["x"], "y has 1 rows but X has 2 images. Each image needs one label."),
        ([], [], "X"),
        (["a.jpg", "b.jpg"], None, "requires y to be passed, but the target y is None"),
        (["a.jpg", "b.jpg"], ["x", None], "1 of 2 are missing, the first in row 1"),
        (["a.jpg", "b.jpg"], [1.0, float("nan")], "1 of 2 are missing, the first in row 1"),
        (["a.jpg", "b.jpg"], [[1, 2], [3, 4]], r"one dimension, a label per image. Got shape \(2, 2\)"),
        (["a.jpg", "b.jpg"], [0.5, 1.5], "continuous"),
        (["a.jpg", "b.jpg"], np.array(["x", 1], dtype=object), "labels of one type. Got int, str"),
        (["a.jpg", "b.jpg"], ["x", 1], "labels of one type. Got int, str"),
    ],
)
def test_data_that_cannot_be_used(tiny, X, y, message):
    with pytest.raises(InvalidInputError, match=message):
        Classifier(**tiny).fit(X, y)


def test_one_class(tiny, pictures):
    paths, _ = pictures
    with pytest.raises(InvalidInputError, match="at least two classes. Got 1 class: 'x' in 60 rows"):
        Classifier(**tiny).fit(paths, ["x"] * 60)


def test_parameters_that_cannot_be_used(tiny, pictures):
    paths, labels = pictures
    for parameters, message in (
        ({"augment": "flip"}, "augment must be 'auto', 'mirror', 'multi' or 'strong', or None. Got 'flip'."),
        (
            {"head": "tree"},
            "head must be 'auto', 'linear', .* or 'score_map', or an instance",
        ),
        ({"random_state": "x"}, "random_state must be an integer in"),
        ({"image_size": 4}, "image_size must be at least 16"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            Classifier(**tiny | parameters).fit(paths, labels)


def test_all_problems_at_once(tiny):
    with pytest.raises(InvalidInputError) as caught:
        Classifier(**tiny, random_state=-1).fit(["a.jpg", "b.jpg"], [None], groups=[1, 2, 3])
    assert len(caught.value.problems) == 4
    wrong = {"head": "y", "grid": -1, "image_size": 3, "augment": "z"}
    wrong["extractor"] = FeatureExtractor(batch_size=0, resize="x")
    with pytest.raises(InvalidInputError) as caught:
        Classifier(**tiny | wrong).fit(["a.jpg", "b.jpg"], ["a"])
    assert len(caught.value.problems) == 6


def test_predict_before_fit(tiny, pictures, tmp_path):
    clf = Classifier(**tiny)
    for call in (clf.predict, clf.predict_proba, clf.decision_function, clf.extract):
        with pytest.raises(
            NotFittedError, match=r"This Classifier is not fitted yet. Call fit\(images, targets\)"
        ):
            call(pictures[0])
    with pytest.raises(SklearnNotFittedError):
        clf.predict(pictures[0])
    with pytest.raises(NotFittedError):
        clf.save(tmp_path / "m.safetensors")


def test_predictions_are_those_of_the_fit(fitted, pictures):
    """Parameters set after the fit change the next fit, not this one's predictions."""
    paths, _ = pictures
    expected = fitted.predict_proba(paths)
    fitted.set_params(grid=1, layers="vector", extractor__resize="pad", augment="mirror")
    np.testing.assert_array_equal(fitted.predict_proba(paths), expected)


def test_scikit_learn_tools(tiny, engine, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny, augment=None)
    assert clone(clf).get_params() == clf.get_params()
    scores = cross_val_score(clf, paths, labels, cv=3)
    assert scores.mean() > 0.9
    search = GridSearchCV(clf, {"head": [LinearHead(penalty=p) for p in (0.001, 1.0)], "grid": [1, 4]}, cv=2)
    search.fit(paths, labels)
    assert search.best_score_ > 0.9
    assert engine.images == 2 * len(paths)  # grid 4, the default, and grid 1: each picture once for each


def test_pickle_keeps_the_model(fitted, pictures):
    paths, _ = pictures
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(paths), fitted.predict_proba(paths))


def test_equal_seeds_equal_models_and_validation_changes_nothing(tiny, pictures, tmp_path):
    paths, labels = pictures
    others, other_labels = make_pictures(tmp_path / "v", 20, seed=3)
    models = [
        Classifier(**tiny).fit(paths, labels),
        Classifier(**tiny).fit(paths, labels),
        Classifier(**tiny).fit(paths, labels, validation_data=(others, other_labels)),
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.fitted_head_.weights, models[0].fitted_head_.weights)
    with pytest.raises(InvalidInputError, match="labels that y has not: 'up'"):
        Classifier(**tiny).fit(paths, labels, validation_data=(others, ["up"] * 20))


def test_groups_reach_the_head(tiny, pictures):
    """Near copies of a picture in several groups make any model look perfect; in one group they cannot."""
    paths, labels = pictures
    generator = np.random.default_rng(0)
    labels = generator.permutation(labels)  # nothing to learn
    repeated, repeated_labels = [], np.tile(labels, 4)
    for corner in range(4):
        for path in paths:
            pixels = np.array(Image.open(path))
            pixels[0, 0] = corner  # exact copies would stay together by themselves
            repeated.append(pixels)
    without = Classifier(**tiny).fit(repeated, repeated_labels)
    grouped = Classifier(**tiny).fit(repeated, repeated_labels, groups=[str(path) for path in paths * 4])
    assert grouped.fitted_head_.penalty > 10 * without.fitted_head_.penalty


def test_save_and_load(fitted, pictures, tmp_path, engine, monkeypatch):
    paths, _ = pictures
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    with pytest.raises(ModelFileError, match="trained on backbone 'tiny', which is not registered here"):
        transferkit.load(path)
    registry.add(TINY)
    loaded = transferkit.load(path)
    np.testing.assert_array_equal(loaded.predict_proba(paths), fitted.predict_proba(paths))
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.get_params()["augment"] is None
    assert engine.images == 60
    monkeypatch.setattr(images, "DECODER", "other")
    with pytest.raises(ModelFileError, match="features here would differ .*decoder was .* and is 'other'"):
        transferkit.load(path)


def test_maps_of_another_shape_are_refused(tmp_path):
    """As many values in another order would give answers, and wrong ones."""
    rng = np.random.default_rng(0)
    maps, labels = rng.normal(size=(30, 4, 2, 3)).astype(np.float32), np.arange(30) % 2
    clf = Classifier("precomputed").fit(maps, labels)
    expected = clf.predict_proba(maps)
    clf.save(tmp_path / "maps.safetensors")
    for model in (clf, pickle.loads(pickle.dumps(clf)), transferkit.load(tmp_path / "maps.safetensors")):
        np.testing.assert_array_equal(model.predict_proba(maps), expected)
        for other in (maps.transpose(0, 1, 3, 2), maps.reshape(30, 4, 1, 6)):
            with pytest.raises(InvalidInputError, match=r"shape \(n, 4, 2, 3\), as those of fit. Got"):
                model.predict(other)
    clf.fit(maps.transpose(0, 1, 3, 2), labels).predict(maps.transpose(0, 1, 3, 2))


def test_features_that_are_no_vectors_and_no_maps_are_refused():
    tokens = np.random.default_rng(0).normal(size=(30, 5, 4))
    with pytest.raises(InvalidInputError, match=r"\(n, d\).*\(n, h, w, c\).*Got \(30, 5, 4\)"):
        Classifier("precomputed").fit(tokens, np.arange(30) % 2)


def test_differences_that_single_precision_loses_are_refused():
    """Hours of one week, in seconds since 1970: they were rounded to four minutes, or to one number."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    for middle in (1e7, 1e12):
        shifted = X + np.array([0, middle, 0])
        with pytest.raises(InvalidInputError, match=r"differences.* column 1 .*Subtract"):
            Classifier("precomputed").fit(shifted, y)
        Classifier("precomputed").fit(shifted - shifted.mean(axis=0), y)
    constant = X * [1, 0, 1] + [0, 1e9 / 3, 0]
    Classifier("precomputed").fit(constant, y)  # nor is what is left by rounding a difference
    Classifier("precomputed").fit(constant * (1 + 1e-16 * rng.normal(size=(60, 1))), y)
    Classifier("precomputed").fit((X + np.array([0, 1e7, 0])).astype(np.float32), y)  # it was lost before


def test_precomputed_features():
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(100, 2000)), np.repeat(["a", "b"], 50)
    X[y == "b", :50] += 1
    clf = Classifier("precomputed").fit(X, y)
    assert clf.score(X, y) > 0.95
    maps = X.reshape(100, 4, 5, 100)
    assert Classifier("precomputed").fit(maps, y).score(maps, y) > 0.95
    with pytest.raises(InvalidInputError, match="X holds the features already"):
        clf.extract(X)


def test_the_picture_of_the_estimator(fitted):
    assert "Classifier" in fitted._repr_html_()


def test_many_bad_files_are_left_out_from_a_warm_cache_too(tiny, pictures, tmp_path):
    paths, labels = pictures
    bad = []
    for i in range(25):
        bad.append(tmp_path / f"bad{i}.png")
        bad[-1].write_bytes(b"<html>")
    for _ in range(2):
        clf = Classifier(**tiny, augment=None).fit([*paths, *bad], [*labels, *["left"] * 25])
        assert clf.report_.counts() == {"not_an_image": 25}
    assert clf.report_.n_cached == 60


@pytest.mark.slow
def test_tiny_data_is_never_turned_around(tiny, tmp_path):
    """Held-out scores of very few rows lean the wrong way; a model must not follow them."""
    for seed in range(5):
        for n in (2, 4, 6, 10):
            paths, labels = make_pictures(tmp_path / f"{seed}-{n}", n, seed=seed)
            assert Classifier(**tiny, augment=None).fit(paths, labels).score(paths, labels) >= 0.5


def test_value_range_reaches_the_images(tiny, pictures):
    paths, labels = pictures
    arrays = [read(path) / 127.5 - 1 for path in paths]
    with pytest.raises(InvalidInputError, match="value_range"):
        Classifier(**tiny).fit(arrays, labels)
    clf = Classifier(**tiny, augment=None, extractor=FeatureExtractor(value_range=(-1, 1))).fit(
        arrays, labels
    )
    assert clf.score(arrays, labels) > 0.9


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("balance", "'balanced' or None. Got 'balance'"),
        ({"left": -1, "right": 1}, "must have positive, finite numbers"),
    ],
)
def test_class_weights_that_cannot_be_used(tiny, pictures, class_weight, message):
    with pytest.raises(InvalidInputError, match=message):
        Classifier(**tiny, class_weight=class_weight).fit(*pictures)


@pytest.mark.slow
def test_many_views_cost_one_row_in_the_cache(tiny, engine, pictures, tmp_path, monkeypatch):
    paths, labels = pictures
    clf = Classifier(**tiny, augment="multi").fit(paths, labels)
    assert engine.images == 8 * 60
    assert [view.name for view in clf.views_] == ["mean:multi"]
    assert clf.extractor_.extract(paths, views=clf.views_).report.n_cached == 60
    registry.add(TINY)
    clf.save(tmp_path / "model.safetensors")
    loaded = transferkit.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(paths), clf.predict_proba(paths))
    # A network learns from the views one by one.
    network = Classifier(**tiny, augment="multi", head=MLPHead(epochs=1)).fit(paths, labels)
    assert len(network.views_) == 8


def test_columns_that_single_precision_holds_are_learned():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 2
    for column in (
        1e6 + y,
        (1 - 3e-6 * rng.uniform(size=60)).astype(np.float32),  # saturated
        (0.1 * (1 + 1e-7 * rng.normal(size=60))).astype(np.float32),
        1.7e9 + 86400 * rng.uniform(size=60),  # seconds of a day
    ):
        Classifier("precomputed").fit(np.column_stack([X, column]), y)
    maps = rng.normal(size=(2, 7, 7, 512))
    for seed in range(3):
        near = maps + 1e-7 * np.random.default_rng(seed).normal(size=maps.shape)
        Classifier("precomputed").fit(np.concatenate([near, near]), [0, 1, 0, 1])


def test_the_shape_of_maps_is_forgotten_by_another_fit(tmp_path, pictures):
    paths, labels = pictures
    maps = np.random.default_rng(0).normal(size=(20, 4, 3, 8))
    clf = Classifier("precomputed", head="linear").fit(maps, np.arange(20) % 2)
    clf.set_params(backbone="pixels", image_size=32).fit(paths, labels)
    clf.save(tmp_path / "model.safetensors")
    loaded = transferkit.load(tmp_path / "model.safetensors")
    assert np.array_equal(loaded.predict(paths), clf.predict(paths))


def test_columns_of_rounding_noise_are_not_amplified():
    """Most columns of a PCA may be such: their median says nothing of the others."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 2
    few, noise = rng.normal(size=(600, 30)) + y[:, None] * 0.7, 1e-6 * rng.normal(size=(600, 300))
    alone, beside = (
        Classifier("precomputed", head="linear").fit(X[:200], y[:200]).score(X[200:], y[200:])
        for X in (few, np.concatenate([few, noise], axis=1))
    )
    assert alone > 0.9
    assert beside > alone - 0.03

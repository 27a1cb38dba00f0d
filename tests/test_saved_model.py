"""A saved model without its estimator: the same answers, the same refusals, and nothing heavy imported."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import TINY, make_pictures, make_triangles
from transferkit import Classifier, ImageRegressor, KeypointRegressor, NearestImages, cli, load, set_config
from transferkit.backbones import registry
from transferkit.estimators import saved_model
from transferkit.estimators.saved_model import ESTIMATORS, load_without_estimator
from transferkit.persistence._file import read_model, write_model

CLASSES = {kind.__name__: kind for kind in (Classifier, ImageRegressor, KeypointRegressor)}


@pytest.fixture(autouse=True)
def known(tiny):
    registry.add(TINY)


def fit_classes(paths, labels):
    return Classifier(TINY).fit(paths, labels)


def fit_labels(paths, labels):
    indicator = np.column_stack([labels == "left", np.arange(len(labels)) % 3 == 0]).astype(int)
    return Classifier(TINY, threshold=0.3).fit(paths, indicator)


def fit_values(paths, labels):
    return ImageRegressor(TINY).fit(paths, np.arange(len(labels)) / 7)


FITS = {"classes": fit_classes, "labels": fit_labels, "values": fit_values}


@pytest.fixture(scope="module")
def triangles():
    return make_triangles(60)[:2]


@pytest.fixture
def saved(tmp_path):
    def save(estimator):
        path = tmp_path / "model.safetensors"
        estimator.save(path)
        return path

    return save


def test_the_table_of_estimators_is_that_of_the_classes():
    assert set(CLASSES) == set(ESTIMATORS)
    for name, (parameters, kinds) in ESTIMATORS.items():
        assert set(parameters) == set(CLASSES[name]._get_param_names())
        assert kinds == CLASSES[name].kinds


@pytest.mark.parametrize("kind", FITS)
def test_answers_are_those_of_the_estimator(kind, saved, pictures):
    paths, labels = pictures
    path = saved(FITS[kind](paths, labels))
    estimator, model = load(path), load_without_estimator(path)
    assert model.kind_for(None) == kind
    np.testing.assert_array_equal(model.predict(paths), estimator.predict(paths))
    names = {"classes": ["classes_"], "labels": ["classes_", "thresholds_"], "values": ["n_outputs_"]}[kind]
    for name in names:
        np.testing.assert_array_equal(getattr(model, name), getattr(estimator, name))
    if kind != "values":
        np.testing.assert_array_equal(model.predict_proba(paths), estimator.predict_proba(paths))
    assert model.predictor.extractor.describe() == estimator.extractor_.describe()


def test_arrays_are_read_as_those_of_the_fit(saved):
    arrays = np.random.default_rng(0).random((20, 40, 40, 3), dtype=np.float32)
    path = saved(Classifier(TINY).fit(list(arrays), [0, 1] * 10))
    dark = list(arrays[:2] / 1000)  # alone, these might be anything
    np.testing.assert_array_equal(
        load_without_estimator(path).predict_proba(dark), load(path).predict_proba(dark)
    )


@pytest.mark.parametrize(("boxed", "pairs"), [(False, []), (True, [(0, 1)])])
def test_keypoints_are_those_of_the_estimator(boxed, pairs, saved, triangles):
    images, points = triangles
    where = {"boxes": np.tile([1.0, 1.0, 78.0, 62.0], (len(images), 1))} if boxed else {}
    path = saved(KeypointRegressor(TINY, mirror_pairs=pairs).fit(images, points, **where))
    estimator, model = load(path), load_without_estimator(path)
    assert estimator.mirror_pairs == tuple(pairs)
    assert (model.boxed_, model.n_points_) == (boxed, estimator.n_points_)
    assert len(model.predictor.refinements) == len(estimator.refinements_) > 0
    for found, right in zip(
        model.predict(images, **where, return_error=True),
        estimator.predict(images, **where, return_error=True),
        strict=True,
    ):
        np.testing.assert_array_equal(found, right)


def test_what_only_load_can_read_is_left_to_it(saved, pictures, tmp_path):
    paths, _ = pictures
    assert load_without_estimator(tmp_path / "nowhere") is None
    assert load_without_estimator(saved(NearestImages(TINY).fit(paths))) is None
    arrays = np.random.default_rng(0).normal(size=(20, 3))
    assert load_without_estimator(saved(Classifier("precomputed").fit(arrays, [0, 1] * 10))) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["parameters"].update(speed=3),
        lambda document: document["parameters"].pop("augment"),
        lambda document: document["features"].update(image_size=64),
        lambda document: document["task"].update(kind="points"),
        lambda document: document.update(estimator="ImageRegressor"),
        lambda document: document.update(schema=99),
        lambda document: document["extractor"].update(resize="squash"),
    ],
)
def test_whatever_load_refuses_is_not_answered(change, saved, pictures):
    paths, labels = pictures
    path = saved(fit_classes(paths, labels))
    tensors, document = read_model(path)
    assert load_without_estimator(path) is not None
    change(document)
    write_model(path, tensors, document)
    assert load_without_estimator(path) is None
    with pytest.raises(ValueError, match="model"):
        load(path)


@pytest.mark.slow
def test_the_command_line_predicts_without_scikit_learn(tmp_path):
    paths, labels = make_pictures(tmp_path / "p", 12)
    set_config(engine="auto")
    model = tmp_path / "m.safetensors"
    Classifier("scattering", image_size=32, head="linear").fit(paths, labels).save(model)
    code = """
import json, sys
from transferkit.cli import main
code = main(sys.argv[1:])
heavy = {"sklearn", "scipy", "pandas", "matplotlib", "tensorflow", "keras", "openvino", "onnxruntime"}
print(json.dumps([code, sorted(heavy & set(sys.modules))]))
"""
    command = [sys.executable, "-c", code, "predict", str(model), *map(str, paths)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    *rows, last = result.stdout.splitlines()
    assert json.loads(last) == [0, []]
    found = [row.split("\t")[1] for row in rows[1:]]
    np.testing.assert_array_equal(found, load(model).predict(paths))


def test_given_weights_are_for_load_to_check(saved, pictures, monkeypatch, capsys):
    paths, labels = pictures
    path = saved(fit_classes(paths, labels))
    monkeypatch.setattr(saved_model, "read_parts", None)  # not asked
    assert cli.main(["predict", str(path), "--weights", "nowhere.h5", str(paths[0])]) == 2
    assert "nowhere.h5" in capsys.readouterr().err

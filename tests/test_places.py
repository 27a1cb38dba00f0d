"""What is saved or reported says nothing of the folders of this machine; weights are found all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY
from transferkit import Backbone, Classifier, FeatureCache, NearestImages, compare, evaluate
from transferkit.backbones import registry
from transferkit.cli import main
from transferkit.errors import InvalidInputError, ModelFileError, WeightsError
from transferkit.persistence._file import read_model, write_model


@pytest.fixture
def weights(tiny, tmp_path):
    """A file of weights, in a folder that is nobody's business."""
    registry.add(replace(TINY, pretrained=True), shipped=True)
    path = tmp_path / "home" / "alice" / "net.weights.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def onnx_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from tests.onnx_graphs import cnn

    path = tmp_path / "home" / "alice" / "net.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(cnn(), path)
    return path


@pytest.fixture
def model(weights, pictures):
    clf = Classifier("tiny", weights=weights, head="linear").fit(*pictures)
    clf.save(weights.parent / "model.safetensors")
    return weights.parent / "model.safetensors"


def elsewhere(model, folder):
    """Move a model, and forget where its weights were."""
    folder.mkdir()
    FeatureCache().clear()
    return model.rename(folder / model.name)


def weights_of(path):
    return read_model(path)[1]["parameters"]["weights"]


@pytest.mark.parametrize("kind", [Classifier, NearestImages])
def test_a_model_names_the_file_of_weights_only(kind, weights, pictures, tmp_path):
    X, y = pictures
    fitted = kind("tiny", weights=weights).fit(X, y)
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    assert str(tmp_path).encode() not in path.read_bytes()
    assert weights_of(path) == "net.weights.h5"
    loaded = transferkit.load(path)
    assert loaded.weights == str(weights)
    loaded.save(path)
    assert str(tmp_path).encode() not in path.read_bytes()
    fitted.save(path, absolute_paths=True)
    assert weights_of(path) == str(weights)
    FeatureCache().clear()
    assert transferkit.load(path).weights == str(weights)
    with pytest.raises(InvalidInputError, match="absolute_paths must be True or False"):
        fitted.save(path, absolute_paths="yes")


def test_an_onnx_file_is_found_too(onnx_file, pictures, tmp_path):
    X, y = pictures[0][:12], pictures[1][:12]
    clf = Classifier(Backbone.from_onnx(onnx_file, mean=127.5, std=127.5), head="linear").fit(X, y)
    path = tmp_path / "model.safetensors"
    clf.save(path)
    assert str(tmp_path).encode() not in path.read_bytes()
    np.testing.assert_array_equal(transferkit.load(path).predict_proba(X), clf.predict_proba(X))
    path = elsewhere(path, tmp_path / "other")
    with pytest.raises(WeightsError, match=r"net\.onnx, which has the weights of the model, does not exist"):
        transferkit.load(path)
    onnx_file.rename(path.parent / "net.onnx")
    np.testing.assert_array_equal(transferkit.load(path).predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("place", ["beside", "variable", "passed"])
def test_on_another_machine_weights_are_where_one_looks(place, model, weights, tmp_path, monkeypatch):
    model = elsewhere(model, tmp_path / "other")
    away = weights.rename(tmp_path / "net.weights.h5")
    with pytest.raises(WeightsError, match="net.weights.h5, which has .* does not exist .* Pass weights="):
        transferkit.load(model)
    if place == "passed":
        assert transferkit.load(model, weights=away).weights == away
        return
    folder = model.parent if place == "beside" else tmp_path / "weights"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(folder))
    away.rename(folder / away.name)
    assert transferkit.load(model).weights == str(folder / away.name)


def test_other_weights_of_that_name_are_passed_by(model, weights, tmp_path):
    right = tmp_path / "right.weights.h5"
    right.write_bytes(weights.read_bytes())
    weights.write_bytes(b"other weights")
    with pytest.raises(ModelFileError, match="features here would differ"):
        transferkit.load(model)
    model = model.rename(tmp_path / model.name)
    right.rename(tmp_path / weights.name)
    assert transferkit.load(model).weights == str(tmp_path / weights.name)


def test_other_weights_in_the_working_folder_are_passed_by_too(model, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / weights.name).write_bytes(b"other weights")
    assert transferkit.load(model).weights == str(weights)


def test_a_relative_path_stays(weights, pictures, monkeypatch):
    monkeypatch.chdir(weights.parent.parent)
    Classifier("tiny", weights="alice/net.weights.h5", head="linear").fit(*pictures).save("m.safetensors")
    assert weights_of("m.safetensors") == "alice/net.weights.h5"
    FeatureCache().clear()
    transferkit.load("m.safetensors")


@pytest.mark.parametrize("digest", ["../../etc/passwd", "fixed", 7, None])
def test_a_digest_that_is_none_is_not_looked_up(digest, model):
    tensors, document = read_model(model)
    document["features"]["backbone"]["weights"] = digest
    write_model(model, tensors, document)
    with pytest.raises((ModelFileError, WeightsError)):
        transferkit.load(model)


def test_reports_name_files_and_no_folders(tiny, pictures, tmp_path, capsys):
    pytest.importorskip("pandas")
    registry.add(TINY)
    X, y = pictures[0], list(pictures[1])
    (bad := tmp_path / "bad.png").write_bytes(b"nothing")
    clf = Classifier(**tiny, head="linear").fit([*X, bad], [*y, "left"])
    evaluation = evaluate(clf, [*X, bad], [*y, "right"], on_error="skip")
    comparison = compare(
        ["tiny"], [*X, bad], [*y, "left"], estimator=Classifier(head="linear"), cv=2, n_timed=0
    )
    clf.save(tmp_path / "model.safetensors")
    for report in (evaluation, comparison):
        said = [str(report), report._repr_html_(), json.dumps(report.to_dict()), report.to_frame().to_csv()]
        assert str(tmp_path) not in "".join(said)
    assert str(tmp_path) not in str(clf.report_) + repr(clf) + clf._repr_html_()
    assert str(tmp_path).encode() not in (tmp_path / "model.safetensors").read_bytes()
    for i, path in enumerate(X):
        folder = tmp_path / "photos" / y[i]
        folder.mkdir(parents=True, exist_ok=True)
        Path(path).rename(folder / Path(path).name)
    for form in ([], ["--json"]):
        assert main(["evaluate", str(tmp_path / "model.safetensors"), str(tmp_path / "photos"), *form]) == 0
        assert str(tmp_path) not in capsys.readouterr().out

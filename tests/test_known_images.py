"""Exact copies: with two labels in a fit, and in what a model is measured on after it learned from them."""

import logging
import shutil

import numpy as np
import pytest

from tests.conftest import TINY
from transferkit import Classifier, FeatureExtractor, KeypointRegressor, evaluate, load
from transferkit.backbones import registry
from transferkit.errors import ModelFileError
from transferkit.persistence._file import read_model, write_model


@pytest.fixture(autouse=True)
def known(tiny):
    registry.add(TINY)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING, "transferkit")
    return lambda: [record.getMessage() for record in caplog.records]


def copy_of(path, tmp_path):
    return shutil.copy(path, tmp_path / f"copy_of_{path.name}")


def test_copies_with_two_labels_are_named(pictures, tmp_path, said):
    paths, labels = pictures
    Classifier(TINY).fit([*paths, copy_of(paths[0], tmp_path)], [*labels, labels[0]])
    assert said() == []
    Classifier(TINY).fit([*paths, copy_of(paths[0], tmp_path)], [*labels, labels[1]])
    (message,) = said()
    assert "one pair of identical images with different labels" in message
    assert str(paths[0]) in message
    assert "copy_of_0000.png" in message


def test_all_pairs_with_two_labels_are_counted(pictures, said):
    paths, labels = pictures
    four = [paths[0]] * 4  # two pairs agree, and four do not
    Classifier(TINY).fit([*paths[1:], *four], [*labels[1:], "left", "right", "left", "right"])
    (message,) = said()
    assert "4 pairs of identical images with different labels" in message


def test_evaluation_names_images_that_were_learned_from(pictures, tmp_path, said):
    paths, labels = pictures
    clf = Classifier(TINY).fit(paths[:40], labels[:40])
    clf.save(tmp_path / "model")
    evaluate(clf, paths[40:], labels[40:])
    assert said() == []
    test = [*paths[40:], copy_of(paths[3], tmp_path), paths[5]]
    for model in (clf, load(tmp_path / "model")):
        evaluate(model, test, [*labels[40:], labels[3], labels[5]])
    first, second = said()
    assert first == second
    assert "trained on 2 of the 22 images; the first: " in first
    assert "copy_of_0003.png" in first


def test_arrays_are_known_by_their_numbers(said):
    arrays = list(np.random.default_rng(0).integers(0, 256, (20, 30, 30, 3), dtype=np.uint8))
    clf = Classifier(TINY).fit(arrays, [0, 1] * 10)
    evaluate(clf, [arrays[4].copy(), 255 - arrays[4]], [0, 1])
    (message,) = said()
    assert "trained on 1 of the 2 images; the first: image 0." in message


def test_what_was_left_out_of_the_fit_was_not_learned_from(pictures, said):
    paths, labels = pictures
    weight = np.ones(len(paths))
    weight[50:] = 0
    evaluate(Classifier(TINY).fit(paths, labels, sample_weight=weight), paths[50:], labels[50:])
    assert said() == []


@pytest.mark.slow
def test_validation_data_should_be_new(pictures, said):
    paths, labels = pictures
    Classifier(TINY, head="mlp").fit(paths[:40], labels[:40], validation_data=(paths[39:], labels[39:]))
    (message,) = (message for message in said() if "validation_data" in message)
    assert f"trained on 1 of the 21 images; the first: {str(paths[39])!r}" in message


def test_models_of_features_know_no_images(said, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(20, 4)), [0, 1] * 10
    clf = Classifier("precomputed").fit(X, y)
    assert clf.trained_on_ is None
    evaluate(clf, X, y)
    clf.save(tmp_path / "model")
    assert load(tmp_path / "model").trained_on_ is None
    assert said() == []


def test_keypoints_too(said):
    images = list(np.random.default_rng(0).integers(0, 256, (20, 40, 40, 3), dtype=np.uint8))
    points = np.random.default_rng(1).uniform(5, 35, (20, 4, 2))
    model = KeypointRegressor(TINY, head="linear", augment=None).fit(images[:15], points[:15])
    evaluate(model, images[14:], points[14:])
    assert any("trained on 1 of the 6 images" in message for message in said())


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 2), np.uint64)])
def test_a_model_file_with_something_else_is_refused(wrong, pictures, tmp_path):
    Classifier(TINY).fit(*pictures).save(tmp_path / "model")
    tensors, document = read_model(tmp_path / "model")
    assert tensors["trained_on"].dtype == np.uint64
    write_model(tmp_path / "model", {**tensors, "trained_on": wrong}, document)
    with pytest.raises(ModelFileError, match="images that were learned from"):
        load(tmp_path / "model")


def test_content_is_known_without_the_backbone(engine, pictures, tmp_path):
    paths, _ = pictures
    extractor = FeatureExtractor(TINY, cache=False)
    found = extractor.digests([*paths[:3], tmp_path / "missing.png"])
    assert engine.calls == 0
    assert found == [*extractor.extract(paths[:3]).digests, None]

"""The parts of a score sum to it, and lie where they belong."""

from dataclasses import replace

import numpy as np
import pytest

from transferkit import Classifier, FeatureExtractor
from transferkit.errors import InvalidInputError, NotFittedError
from transferkit.explanation._class_activation import _places
from transferkit.heads import LinearHead
from transferkit.views import AUGMENTATIONS, Square


@pytest.fixture
def pictures():
    """Thirty arrays of two kinds, bright on the left or on the right, and their labels."""
    images = np.random.default_rng(0).integers(0, 160, (30, 40, 48, 3)).astype(np.uint8)
    images[::2, :, :24] += 50
    images[1::2, :, 24:] += 50
    return list(images), np.array(["left", "right"] * 15)


def fitted(tiny, pictures, n_classes=2, **details):
    paths, labels = pictures
    if n_classes > 2:
        labels = np.array([f"{label} {i % 3}" for i, label in enumerate(labels)])
    return Classifier(**tiny | details).fit(paths[:24], labels[:24])


def total(activation):
    return activation.intercept + sum(array.sum() for array in activation.maps)


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"head": "linear"},
        {"head": LinearHead(penalty=0.1), "layers": "last", "augment": None},
        {"layers": ["fine", "last", "vector"], "grid": 3, "augment": "multi"},
        {"head": "linear", "grid": "full", "extractor": FeatureExtractor(resize="pad")},
    ],
    ids=["auto", "linear", "one layer", "vector and views", "whole maps, pad"],
)
def test_parts_sum_to_the_score(tiny, pictures, details):
    clf = fitted(tiny, pictures, **details)
    for path in pictures[0][24:27]:
        score = clf.decision_function(path)[0]
        activation = clf.class_activation(path, label="right")
        assert total(activation) == pytest.approx(score, abs=1e-9)
        assert activation.score == pytest.approx(score, abs=1e-9)
        other = clf.class_activation(path, label="left")
        assert total(other) == pytest.approx(-score, abs=1e-9)
        assert clf.class_activation(path).label == clf.predict(path)[0]
        assert activation.total().sum() == pytest.approx(score - activation.intercept, abs=1e-9)


def test_parts_sum_to_the_score_of_each_of_several_classes(tiny, pictures):
    clf = fitted(tiny, pictures, n_classes=3, head="linear")
    scores = clf.decision_function(pictures[0][25])[0]
    assert len(scores) == 6
    for label, score in zip(clf.classes_, scores, strict=True):
        assert total(clf.class_activation(pictures[0][25], label=label)) == pytest.approx(score, abs=1e-9)


def test_reference_pictures_have_parts_of_mean_zero(tiny, pictures):
    clf = fitted(tiny, pictures, head="linear")
    paths = pictures[0][24:30]
    found = [clf.class_activation(path, label="right", reference=paths) for path in paths]
    scores = clf.decision_function(paths)
    for activation, score in zip(found, scores, strict=True):
        assert activation.intercept == pytest.approx(scores.mean(), abs=1e-9)
        assert total(activation) == pytest.approx(score, abs=1e-9)
    for layer in zip(*(activation.maps for activation in found), strict=True):
        np.testing.assert_allclose(np.mean(layer, axis=0), 0, atol=1e-9)


def test_only_layers_in_use_are_listed_with_their_grids(tiny, pictures):
    clf = fitted(tiny, pictures, head="linear", grid=4, layers=["fine", "vector"])
    activation = clf.class_activation(pictures[0][0])
    assert activation.layers == ("fine", "vector")
    assert [array.shape for array in activation.maps] == [(4, 4), (1, 1)]
    assert activation.total().shape == (4, 4)
    clf.fitted_head_.weights[-5:] = 0
    assert clf.class_activation(pictures[0][0]).layers == ("fine",)


def test_the_place_is_that_of_the_picture_though_views_are_mirrored(tiny, pictures):
    """A change at one side adds there, not at the other side too, where the mirror image has it."""
    clf = fitted(tiny, pictures, head="linear", layers="fine", grid="full")
    dark = np.zeros((32, 32, 3), np.uint8)
    bright = dark.copy()
    bright[8:12, :4] = 255  # cell (2, 0) of 8 x 8
    before, after = (clf.class_activation(image, label="right").maps[0] for image in (dark, bright))
    change = np.abs(after - before)
    assert change.argmax() == 2 * 8
    change[2, 0] = 0
    assert change.max() < 1e-6


def test_the_picture_is_the_original_or_the_padded_square(tiny, pictures):
    wide = np.full((20, 40, 3), 200, np.uint8)
    assert fitted(tiny, pictures, head="linear").class_activation(wide).picture.shape == (20, 40, 3)
    padded = (
        fitted(tiny, pictures, head="linear", extractor=FeatureExtractor(resize="pad"))
        .class_activation(wide)
        .picture
    )
    assert padded.shape == (40, 40, 3)
    assert padded[0, 0, 0] == 0


@pytest.mark.parametrize("square", [view.squares[0] for view in AUGMENTATIONS["multi"]])
def test_places_keep_the_sum(square):
    shares = _places(square, (3, 4))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    if square == Square():
        np.testing.assert_array_equal(shares, np.eye(12))
    if square == Square(mirror=True):
        np.testing.assert_array_equal(shares[0], np.eye(12)[3])


def test_mistakes_of_users_are_explained(tiny, pictures):
    with pytest.raises(NotFittedError):
        Classifier(**tiny).class_activation(pictures[0][0])
    clf = fitted(tiny, pictures)
    with pytest.raises(InvalidInputError, match="one of .*'left', 'right'.* Got 'up'"):
        clf.class_activation(pictures[0][0], label="up")
    with pytest.raises(InvalidInputError, match="takes one image. Got 2"):
        clf.class_activation(pictures[0][:2])
    clf.predictor_ = replace(clf.predictor_, head=object())
    with pytest.raises(InvalidInputError, match="linear heads only"):
        clf.class_activation(pictures[0][0])
    rows = np.random.default_rng(0).normal(size=(20, 3))
    precomputed = Classifier("precomputed", extractor=FeatureExtractor(progress=False)).fit(
        rows, rows[:, 0] > 0
    )
    with pytest.raises(InvalidInputError, match="has no images"):
        precomputed.class_activation(rows[:1])

"""Scores of images that can be read."""

import io
import logging

import numpy as np
import pytest
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

from tests.conftest import make_pictures
from transferkit import Classifier, ImageRegressor, KeypointRegressor
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.estimators._scoring import explained_variance
from transferkit.heads import LinearHead


@pytest.fixture
def one_bad(tmp_path):
    """Thirty pictures, of which one is broken."""
    paths, labels = make_pictures(tmp_path / "pictures", 30)
    paths[7].write_bytes(b"\x89PNG broken")
    return paths, labels


def test_one_bad_file_makes_no_cross_validation_nan(tiny, one_bad):
    paths, labels = one_bad
    assert np.isfinite(cross_val_score(Classifier(**tiny), paths, labels, cv=3)).all()
    points = np.full((30, 2, 2), 5.0) + np.arange(30)[:, None, None] / 30
    assert np.isfinite(cross_val_score(KeypointRegressor(**tiny), paths, points, cv=3)).all()


def test_score_is_that_of_the_others_and_says_so(tiny, one_bad, caplog):
    paths, labels = one_bad
    clf = Classifier(**tiny).fit(paths, labels)
    rest = [path for i, path in enumerate(paths) if i != 7]
    wrong = np.where(np.arange(30) < 10, "left", labels)
    weight = np.linspace(1, 2, 30)
    with caplog.at_level(logging.WARNING, "transferkit"):
        score = clf.score(paths, wrong, weight)
    assert score == clf.score(rest, np.delete(wrong, 7), np.delete(weight, 7)) < 1
    assert f"score leaves out 1 of 30 images: {paths[7]}" in caplog.text
    files = [io.BytesIO(path.read_bytes()) for path in paths]  # which can be read once
    assert clf.score(files, wrong, weight) == score


def test_score_raises_when_told_to(tiny, one_bad):
    paths, labels = one_bad
    clf = Classifier(**tiny).fit(paths, labels).set_params(extractor__on_error="raise")
    with pytest.raises(BadImageError, match="0007.png"):
        clf.score(paths, labels)


def test_lengths_must_agree(tiny, one_bad):
    paths, labels = one_bad
    clf = Classifier(**tiny).fit(paths, labels)
    with pytest.raises(InvalidInputError, match="y has 29 rows but X has 30 images"):
        clf.score(paths, labels[1:])
    with pytest.raises(InvalidInputError, match="y has 1 rows but X has 30 images"):
        clf.score(paths, "left")


FEATURES = np.random.default_rng(0).normal(size=(30, 4))
SIGNS = np.where(FEATURES[:, 0] > 0, "pos", "neg")
HEAD = LinearHead(0.1)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([None] * 30, "y must not have missing labels. 30 of 30"),
        ([["pos", "neg"], ["pos"]] * 15, "y must have strings, integers or booleans as labels. Got list"),
        (np.eye(30, 2), r"y must have one dimension, a label per image. Got shape \(30, 2\)"),
        (SIGNS[1:], "y has 29 rows but X has 30 images"),
        (SIGNS == "pos", "y must have labels like 'neg' and 'pos', those of fit. Got booleans or numbers"),
    ],
)
def test_labels_that_cannot_be_compared(y, message):
    clf = Classifier("precomputed", head=HEAD).fit(FEATURES, SIGNS)
    with pytest.raises(InvalidInputError, match=message) as error:
        clf.score(FEATURES, y)
    assert len(error.value.problems) == 1


def test_labels_of_another_type_than_those_of_fit():
    clf = Classifier("precomputed", head=HEAD).fit(FEATURES, SIGNS == "pos")
    assert clf.score(FEATURES, (SIGNS == "pos") * 1.0) == clf.score(FEATURES, SIGNS == "pos") > 0.9
    with pytest.raises(InvalidInputError, match="y must have labels like False and True.* Got strings"):
        clf.score(FEATURES, SIGNS)
    assert clf.score(FEATURES, np.full(30, 7)) == 0  # of a class that was never learned


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1, 2], [3]] * 15, "y must be one array of numbers"),
        (FEATURES[1:, :2], "y has 29 rows but X has 30 images"),
        (FEATURES[:, 0], "y has 1 values in a row but the y of fit has 2"),
    ],
)
def test_numbers_that_cannot_be_compared(y, message):
    model = ImageRegressor("precomputed", head=HEAD).fit(FEATURES, FEATURES[:, :2])
    with pytest.raises(InvalidInputError, match=message):
        model.score(FEATURES, y)


def test_an_output_that_does_not_vary_is_left_out_of_a_score():
    """The mean of ten times 0.1 is not 0.1, and what is left over is no variance."""
    model = ImageRegressor("precomputed", head=HEAD).fit(FEATURES, FEATURES[:, :2])
    alone = ImageRegressor("precomputed", head=HEAD).fit(FEATURES, FEATURES[:, 0])
    y = np.column_stack([FEATURES[:, 0], np.full(30, 0.1)])
    for rows in (slice(None), slice(10)):
        assert model.score(FEATURES[rows], y[rows]) == pytest.approx(alone.score(FEATURES[rows], y[rows, 0]))
    with pytest.raises(InvalidInputError, match="score needs two images with different numbers"):
        model.score(FEATURES, np.full((30, 2), 0.1))


def test_an_output_that_varies_only_where_images_have_no_weight_is_left_out_too():
    truth = np.array([[5.3], *[[0.1]] * 6])
    found, weight = truth + np.linspace(-0.1, 0.1, 7)[:, None], [0, 0.3, 0.7, 0.1, 0.9, 0.2, 0.35]
    assert np.isnan(explained_variance(truth, found, weight))  # -1e27 where rounding was taken for variance


def test_a_score_far_from_0_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    truth, weight = 2000 + rng.normal(size=(30, 2)) * [1, 50], rng.uniform(size=30)
    found = truth + rng.normal(size=(30, 2))
    assert explained_variance(truth, found, weight) == pytest.approx(
        r2_score(truth, found, sample_weight=weight)
    )


def test_masked_numbers_stay_masked_where_an_image_is_left_out(tiny, one_bad):
    paths, _ = one_bad
    model = ImageRegressor(**tiny, head=HEAD).fit(paths, np.arange(30.0))
    hidden = np.arange(30) % 5 == 1
    y = np.where(hidden, 1e6, np.arange(30.0))
    missing = np.where(hidden, np.nan, y)
    assert model.score(paths, np.ma.array(y, mask=hidden)) == model.score(paths, missing)

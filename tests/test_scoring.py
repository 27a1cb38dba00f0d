"""Scores of images that can be read."""

import io
import logging

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

from tests.conftest import make_pictures
from transferkit import Classifier, KeypointRegressor
from transferkit.errors import BadImageError, InvalidInputError


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

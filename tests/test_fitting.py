"""A fit happens as a whole or not at all, and exact copies stay together."""

import threading

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.conftest import TINY, make_pictures
from transferkit import Classifier, FeatureExtractor, KeypointRegressor, load
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError, NotFittedError, quoted
from transferkit.estimators._splitting import classes_apart
from transferkit.heads import MLPHead
from transferkit.tasks import Classes, Labels, as_groups


def test_a_fit_that_fails_leaves_the_old_model_whole(tiny, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    before = clf.predict_proba(paths)
    other = np.where(labels == "left", "zebra", "cat")
    failures = [
        ({"X": paths[:10], "y": ["one"] * 10}, {}, InvalidInputError),
        ({"X": paths, "y": other}, {"class_weight": {"left": 1, "right": 1}}, InvalidInputError),
        ({"X": paths, "y": other, "validation_data": (paths[:4], ["x"] * 4)}, {}, InvalidInputError),
        ({"X": paths, "y": other}, {"image_size": 48, "head": "nothing"}, InvalidInputError),
    ]
    for arguments, parameters, error in failures:
        with pytest.raises(error):
            clf.set_params(**parameters).fit(**arguments)
        clf.set_params(class_weight=None, head="auto")
        np.testing.assert_array_equal(clf.predict_proba(paths), before)
        assert clf.classes_.tolist() == ["left", "right"]


def test_an_interrupted_fit_leaves_the_old_model_or_none(tiny, engine, pictures, monkeypatch, tmp_path):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    before = clf.predict_proba(paths)
    points = np.random.default_rng(0).uniform(5, 25, (60, 6))
    kp = KeypointRegressor(**tiny)

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("transferkit.estimators._base.ImageEstimator._train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            clf.set_params(extractor__resize="pad").fit(paths, labels[::-1])
        with pytest.raises(KeyboardInterrupt):
            kp.fit(paths, points)
    np.testing.assert_array_equal(clf.predict_proba(paths), before)
    with pytest.raises(NotFittedError):
        kp.predict(paths)


def test_a_model_is_saved_with_the_parameters_it_was_fitted_with(tiny, pictures, tmp_path, monkeypatch):
    registry.add(TINY)
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    before = clf.predict_proba(paths)
    path = tmp_path / "model.safetensors"
    clf.set_params(image_size=48, extractor__resize="pad", grid=2).save(path)
    again = load(path)
    np.testing.assert_array_equal(again.predict_proba(paths), before)
    assert (again.image_size, again.extractor.resize) == (None, "stretch")
    again.set_params(extractor__resize="pad").save(path)
    np.testing.assert_array_equal(load(path).predict_proba(paths), before)


def test_copies_are_not_held_out_from_each_other(tiny, tmp_path):
    paths, _ = make_pictures(tmp_path / "pictures", 20)
    labels = np.random.default_rng(0).integers(0, 2, 20)  # nothing to learn but by heart
    alone = Classifier(**tiny, head="linear").fit(paths, labels)
    twice = Classifier(**tiny, head="linear").fit(paths * 2, np.tile(labels, 2))
    best = [max(row["accuracy"] for row in clf.history_) for clf in (alone, twice)]
    assert best[1] == pytest.approx(best[0], abs=0.1)
    assert best[1] < 0.9


def test_groups_of_several_types_are_refused_not_merged():
    problems = []
    as_groups([1, "1", 2], 3, problems)
    assert len(problems) == 1
    assert problems[0].startswith("groups must have strings or integers. Got some that cannot be sorted")
    assert as_groups(["b", "a", "b"], 3, []).tolist() == [1, 0, 1]
    assert as_groups(np.array(["b", "a", "b"]), 3, []).tolist() == [1, 0, 1]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_groups_without_a_name_are_refused(tiny, pictures, missing):
    paths, labels = pictures
    with pytest.raises(InvalidInputError, match=r"groups must not have missing values. 2 of 60 .* row 58"):
        Classifier(**tiny).fit(paths, labels, groups=[*range(58), missing, missing])


def test_a_folder_is_no_place_for_a_model(tiny, pictures, tmp_path):
    clf = Classifier(**tiny).fit(*pictures)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        clf.save(tmp_path)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_a_refit_during_a_prediction_does_not_mix_two_models(tiny, pictures, method, monkeypatch):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    before = getattr(clf, method)(paths)
    extract = FeatureExtractor.extract

    def extract_while_another_thread_fits(self, X, **arguments):
        monkeypatch.setattr(FeatureExtractor, "extract", extract)
        features = extract(self, X, **arguments)
        thread = threading.Thread(target=clf.fit, args=(paths, ["c", "b", "a"] * 20))
        thread.start()
        thread.join()
        return features

    monkeypatch.setattr(FeatureExtractor, "extract", extract_while_another_thread_fits)
    np.testing.assert_array_equal(getattr(clf, method)(paths), before)
    assert clf.classes_.tolist() == ["a", "b", "c"]


def test_predictions_go_on_while_a_model_is_fitted(tiny, pictures):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    other = np.where(labels == "left", "zebra", "cat")
    answers = {tuple(clf.predict(paths)), tuple(Classifier(**tiny).fit(paths, other).predict(paths))}
    done = threading.Event()

    def fit_again():
        for i in range(12):
            clf.fit(paths, (other, labels)[i % 2])
        done.set()

    thread = threading.Thread(target=fit_again)
    thread.start()
    found = set()
    while not done.is_set():
        found.add(tuple(clf.predict(paths)))
    thread.join()
    assert found <= answers


def prior(labels):
    return max(np.mean(labels == label) for label in np.unique(labels))


@pytest.mark.parametrize("n", [40, 200])
@pytest.mark.parametrize("head", ["linear", "auto"])
def test_rows_of_one_group_are_at_least_as_good_as_the_prior(n, head, caplog):
    labels = (np.random.default_rng(0).uniform(size=n) < 0.25).astype(int)
    noise = np.random.default_rng(1).normal(size=(n, 50)).astype(np.float32)
    clf = Classifier("precomputed", head=head)
    for features in (noise, np.ones_like(noise)):
        clf.fit(features, labels, groups=np.zeros(n))
        assert "All training rows are in one group" in caplog.text
        assert clf.score(features, labels) >= prior(labels)
        assert abs(clf.predict_proba(features)[:, 1].mean() - labels.mean()) < 0.05
        caplog.clear()


@pytest.mark.parametrize("n_same", [60, 30])
def test_identical_pictures_with_mixed_labels_get_the_prior(tiny, tmp_path, n_same, caplog):
    paths, _ = make_pictures(tmp_path, 60)
    for path in paths[1:n_same]:
        path.write_bytes(paths[0].read_bytes())
    labels = np.random.default_rng(0).permutation(["a"] * 45 + ["b"] * 15)
    clf = Classifier(**tiny).fit(paths, labels)
    assert ("All training images are the same" in caplog.text) == (n_same == 60)
    assert clf.score(paths[:n_same], labels[:n_same]) >= prior(labels[:n_same]) - (n_same < 60)
    assert abs(clf.predict_proba(paths)[:, 1].mean() - 0.25) < 0.06


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("head", ["linear", "auto"])
def test_a_class_that_lies_in_one_group_is_learned(n_classes, head, caplog):
    """Without its group nothing is known of it, so that held-out rows would ask for the wrong penalty."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n_classes, 60)) * 0.4
    labels, new = (np.array(list("abc"))[rng.integers(0, n_classes, n)] for n in (90, 1000))
    features, others = (
        rng.normal(size=(len(y), 60)) + centres[np.searchsorted(list("abc"), y)] for y in (labels, new)
    )
    clf = Classifier("precomputed", head=head).fit(features, labels)
    free = clf.score(others, new)
    assert "Only one group" not in caplog.text
    clf.fit(features, labels, groups=labels)
    assert f"Only one group has images of {quoted('abc'[:n_classes])}," in caplog.text
    assert clf.score(others, new) > free - 0.03
    caplog.clear()
    # Of a, all rows are of one person; b and c are mixed.
    people = np.where(labels == "a", 0, rng.integers(1, 20, len(labels)))
    clf.fit(features, labels, groups=people)
    assert "Only one group has images of 'a'," in caplog.text
    assert clf.score(others, new) > free - 0.03


@pytest.mark.slow
def test_a_threshold_of_a_class_that_lies_in_one_group_is_chosen_from_heads_that_know_it():
    """A head that had never seen the class gave it a probability of 0.01 or less: the threshold was there."""
    rng = np.random.default_rng(0)
    labels = rng.uniform(size=150) < 0.3
    features = rng.normal(size=(150, 20)) + np.outer(labels, rng.normal(size=20)) * 0.6
    people = np.where(labels, 0, rng.integers(1, 30, 150))
    head = MLPHead(epochs=15, hidden=16, dropout=0.0)
    clf = Classifier("precomputed", head=head, threshold="f1").fit(features, labels, groups=people)
    assert 0.1 < clf._task().threshold[1] < 0.9


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("has", [0, 1])
def test_a_label_that_one_group_has_or_lacks_is_judged_by_models_that_know_it(has, class_weight, caplog):
    rng = np.random.default_rng(0)
    labels = np.column_stack([rng.uniform(size=200) < 0.4, (rng.uniform(size=200) < 0.1) == has]).astype(int)
    features = rng.normal(size=(200, 60)) + labels @ rng.normal(size=(2, 60)) * 0.35
    people = np.where(labels[:, 1] == has, 0, rng.integers(1, 30, 200))
    clf = Classifier("precomputed", class_weight=class_weight).fit(features, labels)
    assert "Only one group" not in caplog.text
    free = roc_auc_score(labels[:, 1], clf.held_out_.logits[:, 1])
    clf.fit(features, labels, groups=people)
    assert "Only one group has images of 1, or" in caplog.text
    assert roc_auc_score(labels[:, 1], clf.held_out_.logits[:, 1]) > free - 0.1


def test_copies_of_a_class_of_one_group_stay_together(caplog):
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(20, 5)), 2, axis=0)
    labels = np.repeat(np.arange(20) % 2, 2)
    people = np.where(labels == 0, 0, np.arange(40) + 1)
    found = Classifier("precomputed").fit(features, labels, groups=people)
    assert "Only one group has images of 0," in caplog.text
    # As if each picture of the class had a group of its own.
    expected = Classifier("precomputed").fit(features, labels)
    assert found.fitted_head_.penalty == expected.fitted_head_.penalty
    np.testing.assert_allclose(found.fitted_head_.held_out, expected.fitted_head_.held_out, atol=1e-9)
    caplog.clear()
    # One picture, however often it is copied, is nothing to hold a part out of.
    labels = np.repeat([1] + [0] * 19, 2)
    Classifier("precomputed").fit(features, labels)
    assert "Only one group" not in caplog.text


def test_a_sample_may_lack_a_class_or_a_side_of_a_label():
    """Such as that from which ``augment="auto"`` is chosen."""
    digests, rows, groups = [f"{i}" for i in range(6)], np.arange(6), np.array([0, 0, 1, 1, 2, 2])
    task, targets = Classes(np.array(["a", "b", "c"])), np.array([0, 1, 0, 1, 0, 1])
    assert classes_apart(digests, rows, groups, task, targets)[1] == []
    labels = Labels(np.array(["a", "b"]))
    found, apart = classes_apart(digests, rows, groups, labels, np.array([[1, 0]] * 4 + [[1, 1]] * 2))
    assert apart == ["b"]
    assert found[:4].tolist() == [0, 0, 1, 1]
    assert found[4] != found[5]

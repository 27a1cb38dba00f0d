"""Thresholds, weights and sparse matrices of several labels."""

import json

import numpy as np
import pytest
from scipy import sparse
from sklearn import metrics
from sklearn.linear_model import Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils.class_weight import compute_sample_weight

from tests.conftest import TINY
from transferkit import Classifier, compare, evaluate, load
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.heads import AutoHead, LinearHead, MLPHead
from transferkit.persistence import _file
from transferkit.tasks import Labels, best_thresholds

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 6)).astype(np.float32)
# The second label is rare.
Y = (X[:, :3] + RNG.normal(0, 1.0, (240, 3)) > [0, 2.2, -0.5]).astype(int)
NAMES = ["cat", "dog", "outdoor"]
SETS = [[name for name, there in zip(NAMES, row, strict=True) if there] for row in Y]


def fitted(y=Y, n=120, **parameters):
    return Classifier("precomputed", **parameters).fit(X[:n], y[:n])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.5, [0.5] * 3),
        (np.float32(0.25), [0.25] * 3),
        ({"dog": 0.2}, [0.5, 0.2, 0.5]),
        ({"dog": 0.2, "cat": 0.6, "outdoor": 0.9}, [0.6, 0.2, 0.9]),
    ],
)
def test_given_thresholds(threshold, expected):
    clf, plain = fitted(SETS, threshold=threshold), fitted(SETS)
    chances = clf.predict_proba(X)
    np.testing.assert_array_equal(clf.thresholds_, expected)
    np.testing.assert_array_equal(chances, plain.predict_proba(X))
    np.testing.assert_array_equal(clf.predict(X), chances > expected)
    assert (clf.predict(X) != plain.predict(X)).any() == (set(expected) != {0.5})
    np.testing.assert_array_equal(evaluate(clf, X[120:], SETS[120:]).y_pred, clf.predict(X[120:]))


def test_a_threshold_is_that_of_scikit_learn():
    """Of one label at a time, by its wrapper."""
    clf = fitted(threshold=0.3, head=LinearHead(penalty=0.1))
    for i in range(3):
        one = FixedThresholdClassifier(Classifier("precomputed", head=LinearHead(penalty=0.1)), threshold=0.3)
        np.testing.assert_array_equal(one.fit(X[:120], Y[:120, i]).predict(X), clf.predict(X)[:, i])


@pytest.mark.parametrize("criterion", ["f1", "balanced_accuracy"])
def test_chosen_thresholds_are_the_best_on_held_out_rows(criterion):
    """And on no others: chances of the rows that were learned from are larger where the label is there."""
    clf = fitted(threshold=criterion)
    chances = Labels(np.arange(3)).probabilities(clf.fitted_head_.held_out_logits)
    assert np.abs(chances - clf.predict_proba(X[:120])).max() > 0.01
    figure = {"f1": metrics.f1_score, "balanced_accuracy": metrics.balanced_accuracy_score}[criterion]
    for i, threshold in enumerate(clf.thresholds_):
        tried = [figure(Y[:120, i], chances[:, i] > cut) for cut in (0, *np.sort(chances[:, i])[:-1])]
        assert figure(Y[:120, i], chances[:, i] > threshold) == pytest.approx(max(tried), abs=1e-12)
    assert (clf.thresholds_ != 0.5).all()


def test_a_rare_label_is_found_more_often():
    figures = [
        metrics.f1_score(Y[120:], fitted(threshold=threshold).predict(X[120:]), average="macro")
        for threshold in (0.5, "f1")
    ]
    assert figures[1] > figures[0] + 0.05


def test_weights_and_ties_in_the_choice():
    chances = np.array([[0.9], [0.6], [0.6], [0.2]])
    has = np.array([[1], [1], [0], [0]])
    equal = np.ones(4)
    assert best_thresholds(chances, has, equal, "f1") == pytest.approx(0.4)  # between 0.6, twice, and 0.2
    assert best_thresholds(chances, has, np.array([1, 0.1, 5, 1]), "f1") == pytest.approx(0.75)
    # As good: nothing but the first or nothing but the last are left out. The one nearest to a half is taken.
    assert best_thresholds(np.array([[0.9], [0.1]]), np.array([[1], [0]]), equal[:2], "f1") == 0.5
    assert 0 < best_thresholds(np.zeros((4, 1)), has, equal, "balanced_accuracy")[0] < 1e-6


@pytest.mark.slow
def test_a_network_chooses_thresholds_by_folds():
    clf = fitted(threshold="f1", head=MLPHead(hidden=4, epochs=1, patience=None))
    assert (clf.thresholds_ != 0.5).all()


def test_a_head_without_held_out_predictions_is_trained_by_folds(monkeypatch):
    seen, fit = [], LinearHead.fit

    def forget(self, data, **named):
        seen.append(set(data.maps[0][:, 0].tolist()))
        head = fit(self, data, **named)
        head.held_out_logits = None
        return head

    exact = fitted(threshold="f1", head=LinearHead(penalty=0.1)).thresholds_
    monkeypatch.setattr(LinearHead, "fit", forget)
    groups = np.arange(120) // 2
    model = Classifier("precomputed", threshold="f1", head=LinearHead(penalty=0.1))
    by_folds = model.fit(X[:120], Y[:120], groups=groups).thresholds_
    assert [len(rows) for rows in seen[1:]] == pytest.approx([96] * 5, abs=4)
    left = [set(X[:120, 0].tolist()) - rows for rows in seen[1:]]
    assert len(set().union(*left)) == sum(map(len, left)) == 120
    assert all({X[i ^ 1, 0] for i in range(120) if X[i, 0] in fold} == fold for fold in left)
    assert np.abs(exact - by_folds).max() < 0.25


@pytest.mark.parametrize(
    ("y", "threshold", "message"),
    [
        (Y, 0, "^threshold must be a number above 0 and below 1, .* Got 0"),
        (Y, 1.0, "^threshold must be a number"),
        (Y, True, "^threshold must be a number"),
        (Y, None, "^threshold must be a number"),
        (Y, "balanced", "or 'balanced_accuracy'. Got 'balanced'"),
        (Y, {3: 0.2}, "^threshold must have labels of y as keys. Got 3. y has 0, 1 and 2"),
        (Y, {1: 2}, r"^threshold must have numbers above 0 and below 1. Got {1: 2}"),
    ],
)
def test_thresholds_that_cannot_be_used(y, threshold, message):
    with pytest.raises(InvalidInputError, match=message):
        fitted(y, threshold=threshold)


def test_classes_have_no_thresholds():
    assert not hasattr(fitted(Y[:, 0]), "thresholds_")


@pytest.mark.parametrize("threshold", [0.5, 0.3, {"cat": 0.2}, "f1"])
def test_thresholds_are_saved(tmp_path, threshold):
    clf = fitted(SETS, threshold=threshold)
    clf.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.thresholds_, clf.thresholds_)
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))
    np.testing.assert_array_equal(again.fit(X[:120], SETS[:120]).thresholds_, clf.thresholds_)
    tensors, document = _file.read_model(tmp_path / "model.safetensors")
    parts = {name: document[name] for name in document if name not in ("format", "schema")}
    for wrong in ([0.5], [0.5, 0.5, 1.0], [0.5, 0.5, "f1"], 0.5):
        changed = parts | {"task": parts["task"] | {"thresholds": wrong}}
        _file.write_model(tmp_path / "bad.safetensors", tensors, changed)
        with pytest.raises(ModelFileError, match="does not describe a model"):
            load(tmp_path / "bad.safetensors")


def test_a_model_saved_before_there_were_thresholds(tmp_path):
    clf = fitted(SETS)
    clf.save(tmp_path / "model.safetensors")
    tensors, document = _file.read_model(tmp_path / "model.safetensors")
    parts = {name: document[name] for name in document if name not in ("format", "schema")}
    assert "thresholds" not in parts["task"]
    del parts["parameters"]["threshold"]
    _file.write_model(tmp_path / "old.safetensors", tensors, parts)
    again = load(tmp_path / "old.safetensors")
    assert again.threshold == 0.5
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))


def test_thresholds_are_in_the_report():
    clf = fitted(SETS, threshold={"dog": 0.125})
    evaluation = evaluate(clf, X[120:], SETS[120:])
    assert "threshold" in str(evaluation)
    assert "0.125" in str(evaluation)
    assert json.loads(json.dumps(evaluation.to_dict()))["thresholds"] == [0.5, 0.125, 0.5]
    theirs = OneVsRestClassifier(Classifier("precomputed")).fit(X[:120], Y[:120])
    assert "threshold" not in str(evaluate(theirs, X[120:], Y[120:]))


@pytest.mark.parametrize("head", [LinearHead(penalty=0.1), LinearHead(), AutoHead()], ids=repr)
def test_balanced_labels_are_those_of_one_classifier_each(head):
    together = fitted(class_weight="balanced", head=head)
    theirs = OneVsRestClassifier(Classifier("precomputed", class_weight="balanced", head=head))
    theirs.fit(X[:120], Y[:120])
    np.testing.assert_allclose(together.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    assert np.abs(together.predict_proba(X) - fitted(head=head).predict_proba(X)).max() > 0.1


def test_balanced_scores_are_those_of_scikit_learn():
    """On rows scaled to weighted mean squared norm 1, with the sum of the weights times the penalty."""
    logits = fitted(class_weight="balanced", head=LinearHead(penalty=0.1)).decision_function(X)
    for i in range(3):
        weight = compute_sample_weight("balanced", Y[:120, i])
        mean = np.average(X[:120].astype(float), axis=0, weights=weight)
        scale = np.sqrt(np.average((X[:120] - mean) ** 2, axis=0, weights=weight) * 6)
        model = Ridge(alpha=12).fit(X[:120] / scale, 2 * Y[:120, i] - 1, sample_weight=weight)
        scores = model.predict(X / scale)
        slope, offset = np.polyfit(scores, logits[:, i], 1)
        assert slope > 0
        np.testing.assert_allclose(logits[:, i], slope * scores + offset, atol=1e-5)


def test_weights_by_label(tmp_path):
    given = {"cat": 1, "dog": 9.0, "outdoor": 1}
    clf, plain = fitted(SETS, class_weight=given), fitted(SETS, head=LinearHead())
    assert clf.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.1
    assert [row["penalty"] for row in clf.history_] == [row["penalty"] for row in plain.history_]
    clf.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "model.safetensors").predict(X), clf.predict(X))
    with pytest.raises(
        InvalidInputError, match="^class_weight must have a weight for each class. Missing: 'do"
    ):
        fitted(SETS, class_weight={"cat": 1, "outdoor": 2})


@pytest.mark.slow
def test_a_network_weighs_labels():
    head = MLPHead(hidden=4, epochs=12, learning_rate=0.05, dropout=0.0, patience=None)
    balanced, plain = (fitted(class_weight=how, head=head).predict_proba(X) for how in ("balanced", None))
    assert balanced[:, 1].mean() > plain[:, 1].mean() + 0.1


def test_a_head_that_cannot_weigh_labels_says_so(monkeypatch):
    monkeypatch.setattr(LinearHead, "weighs_labels", False)
    with pytest.raises(InvalidInputError, match="^class_weight must be None with head=LinearHead"):
        fitted(class_weight="balanced", head=LinearHead())


@pytest.mark.parametrize(
    "kind",
    [
        sparse.csr_matrix,
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in (sparse.csc_array, sparse.coo_array)),
    ],
)
def test_a_sparse_matrix_is_read_as_it_is_dense(kind):
    y = kind(Y[:120])
    clf = Classifier("precomputed").fit(X[:120], y, validation_data=(X[120:], kind(Y[120:])))
    np.testing.assert_array_equal(clf.predict_proba(X), fitted().predict_proba(X))
    assert clf.score(X[120:], kind(Y[120:])) == clf.score(X[120:], Y[120:])
    assert evaluate(clf, X[120:], kind(Y[120:])).figures == evaluate(clf, X[120:], Y[120:]).figures
    found = compare({"one": Classifier("precomputed")}, X[:120], y, cv=3, progress=False).rows[0].score
    assert (
        found
        == compare({"one": Classifier("precomputed")}, X[:120], Y[:120], cv=3, progress=False).rows[0].score
    )
    with pytest.raises(InvalidInputError, match="For several labels of an image, pass 0 and 1"):
        Classifier("precomputed").fit(X[:120], kind(Y[:120] * 2))


def test_sparse_labels_of_images(tiny):
    registry.add(TINY)
    images = RNG.integers(0, 255, (30, 32, 32, 3)).astype(np.uint8)
    y = sparse.csr_matrix(Y[:30, ::2])
    assert Classifier(**tiny).plan_extraction(y) is not None
    assert Classifier(**tiny).fit(images, y).predict(images).shape == (30, 2)

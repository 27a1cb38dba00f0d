"""Several labels for each image: what counts as them, what is learned, and what is refused."""

import json
import logging

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

from tests.conftest import TINY
from transferkit import Classifier, compare, evaluate, load
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.heads import LinearHead, MLPHead
from transferkit.metrics import Resampling, label_figures, resampled_label_figures
from transferkit.persistence import _file

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype(np.float32)
Y = (X[:, :3] + RNG.normal(0, 0.6, (90, 3)) > [0, 0.5, -0.5]).astype(int)
NAMES = np.array(["cat", "dog", "outdoor"])
SETS = [[str(name) for name in NAMES[row.astype(bool)]] for row in Y]


def fitted(y, n=60, **parameters):
    return Classifier("precomputed", **parameters).fit(X[:n], y[:n])


@pytest.mark.parametrize(
    "y",
    [Y, Y.astype(bool), Y.astype(float), Y.tolist(), Y.astype(object)],
    ids=["int", "bool", "float", "list", "object"],
)
def test_a_matrix_of_0_and_1_has_a_column_for_each_label(y):
    clf = fitted(y)
    assert clf.classes_.tolist() == [0, 1, 2]
    found = clf.predict(X[60:])
    assert found.dtype == np.int64
    assert found.shape == clf.predict_proba(X[60:]).shape == clf.decision_function(X[60:]).shape == (30, 3)
    np.testing.assert_array_equal(found, clf.decision_function(X[60:]) > 0)
    assert clf.score(X[60:], Y[60:]) == metrics.accuracy_score(Y[60:], found) > 0.4
    assert not np.allclose(clf.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_names_of_each_image(kind):
    sets = [kind(names) for names in SETS]
    clf = fitted(sets)
    assert clf.classes_.tolist() == NAMES.tolist()
    np.testing.assert_array_equal(clf.predict_proba(X), fitted(Y).predict_proba(X))
    assert clf.score(X, sets) == clf.score(X, Y)


def test_columns_of_a_frame_are_names_in_their_order():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(Y[:, ::-1], columns=NAMES[::-1])
    clf = fitted(frame)
    assert clf.classes_.tolist() == NAMES[::-1].tolist()
    assert clf.score(X, frame) == clf.score(X, frame[NAMES.tolist()]) == clf.score(X, SETS)
    series = pandas.Series(SETS)
    assert fitted(series).classes_.tolist() == NAMES.tolist()
    with pytest.raises(
        InvalidInputError, match="y must have a column for each of 'outdoor', 'dog' and 'cat'"
    ):
        clf.score(X, frame.rename(columns={"cat": "bird"}))


def test_each_label_is_learned_as_two_classes_would_be():
    """So that it equals scikit-learn's own way of one classifier for each label."""
    head = LinearHead(penalty=0.1)
    together = fitted(Y, head=head)
    theirs = OneVsRestClassifier(Classifier("precomputed", head=head)).fit(X[:60], Y[:60])
    np.testing.assert_allclose(together.predict_proba(X), theirs.predict_proba(X), atol=1e-9)
    np.testing.assert_array_equal(together.predict(X), theirs.predict(X))


def test_scores_are_the_ridge_of_scikit_learn():
    """On rows scaled to mean squared norm 1, with n times the penalty; then each label is calibrated."""
    clf = fitted(Y, head=LinearHead(penalty=0.1))
    scale = X[:60].astype(float).std(axis=0) * np.sqrt(6)
    scores = Ridge(alpha=6).fit(X[:60] / scale, 2 * Y[:60] - 1).predict(X[60:] / scale)
    logits = clf.decision_function(X[60:])
    for i in range(3):
        slope, offset = np.polyfit(scores[:, i], logits[:, i], 1)
        assert slope > 0
        np.testing.assert_allclose(logits[:, i], slope * scores[:, i] + offset, atol=1e-6)
    auc = evaluate(clf, X[60:], Y[60:]).figures["macro_auc"].value
    assert auc == pytest.approx(metrics.roc_auc_score(Y[60:], scores), abs=1e-12)


@pytest.mark.slow
def test_a_network_learns_labels_that_do_not_exclude_each_other():
    head = MLPHead(hidden=8, epochs=8, learning_rate=0.1, dropout=0.0, patience=None)
    clf = fitted(Y, head=head)
    assert metrics.f1_score(Y[60:], clf.predict(X[60:]), average="micro") > 0.7
    assert 0.4 < clf.history_[-1]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(Y == 1, 2, 0), "y must have one dimension.* For several labels of an image, pass 0 and 1"),
        (np.column_stack([Y, np.ones(90, int)]), "each label in some images .* Of 60 images, it has 3 in 60"),
        ([["cat"]] * 90, "y must have two labels or more. Got 'cat'"),
        ([["cat", 1], ["dog"]] * 45, "y must have strings as names of labels. Row 0 is"),
        (np.where(np.arange(270).reshape(90, 3) == 4, np.nan, Y), "y must have one dimension"),
        (np.ma.masked_array(Y, mask=Y == 5), None),
    ],
)
def test_what_cannot_be_learned(y, message):
    if message is None:
        assert fitted(y).classes_.tolist() == [0, 1, 2]
        return
    with pytest.raises(InvalidInputError, match=message):
        fitted(y)


def test_contradictions_are_refused_before_anything_is_computed(tiny, engine):
    images = RNG.integers(0, 255, (20, 32, 32, 3)).astype(np.uint8)
    with pytest.raises(
        InvalidInputError, match="class_weight must have a weight for each .* Missing: 1 and 2"
    ):
        Classifier(**tiny, class_weight={0: 3}).fit(images, Y[:20])
    with pytest.raises(InvalidInputError, match="validation_data has labels that y has not: 'bird'"):
        fitted(SETS).fit(X, SETS, validation_data=(X[:2], [["bird"], ["cat"]]))
    with pytest.raises(InvalidInputError, match="y has 19 rows but X has 20 images"):
        Classifier(**tiny).fit(images, Y[:19])
    assert engine.images == 0


def test_folds_of_scikit_learn():
    assert cross_val_score(Classifier("precomputed"), X, Y, cv=3).min() > 0.4


def test_one_hot_is_learned_as_it_is_and_said_to_be(caplog):
    y = np.eye(3, dtype=int)[np.arange(90) % 3]
    with caplog.at_level(logging.WARNING, "transferkit"):
        assert fitted(y).predict(X).shape == (90, 3)
    assert "exactly one label in each row" in caplog.text
    caplog.clear()
    fitted(Y)
    assert caplog.text == ""


@pytest.mark.parametrize("y", [Y, SETS], ids=["matrix", "names"])
def test_it_is_saved_and_loaded(tmp_path, y):
    clf = fitted(y)
    clf.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.classes_.tolist() == clf.classes_.tolist()
    tensors, document = _file.read_model(tmp_path / "model.safetensors")
    parts = {name: document[name] for name in document if name not in ("format", "schema")}
    for labels in (["cat", "cat", "dog"], ["cat", "dog"]):
        parts["task"] = {"kind": "labels", "dtype": "str", "labels": labels}
        _file.write_model(tmp_path / "bad.safetensors", tensors, parts)
        with pytest.raises(ModelFileError, match="does not describe a model"):
            load(tmp_path / "bad.safetensors")


def test_images(tiny, tmp_path):
    registry.add(TINY)
    shades = RNG.uniform(30, 200, (40, 3))
    images = [np.broadcast_to(shade, (32, 32, 3)).astype(np.uint8) for shade in shades]
    y = [[name for name, value in zip("rgb", shade, strict=True) if value > 110] for shade in shades]
    clf = Classifier(**tiny).fit(images, y)
    assert clf.score(images, y) > 0.7
    activation = clf.class_activation(images[0], label="g")
    assert activation.score == pytest.approx(clf.decision_function(images[0])[0, 1], abs=1e-4)
    clf.class_activation(images[0])
    (tmp_path / "bad.png").write_bytes(b"")
    evaluation = evaluate(clf, [*images, tmp_path / "bad.png"], [*y, ["r"]], on_error="skip")
    assert len(evaluation.y_true) == 40
    assert "1 images could not be read" in str(evaluation)


def test_figures_are_those_of_scikit_learn():
    found, chances = fitted(Y).predict(X), np.round(fitted(Y).predict_proba(X), 1)  # with ties
    figures = label_figures(Y, found, chances, n_resamples=50)
    expected = {
        "subset_accuracy": metrics.accuracy_score(Y, found),
        **{f"{how}_{name}": getattr(metrics, f"{name}_score")(Y, found, average=how)
           for how in ("micro", "macro") for name in ("precision", "recall", "f1")},
        "macro_auc": metrics.roc_auc_score(Y, chances),
        "macro_average_precision": metrics.average_precision_score(Y, chances),
    }  # fmt: skip
    assert {name: figure.value for name, figure in figures.whole.items()} == pytest.approx(expected, rel=1e-9)
    assert figures.by_label[1]["auc"].value == pytest.approx(metrics.roc_auc_score(Y[:, 1], chances[:, 1]))
    samples = resampled_label_figures(Y, found, chances)
    rows = np.repeat(np.arange(90), next(iter(Resampling(90)))[3].astype(int))
    drawn = metrics.average_precision_score(Y[rows], chances[rows])
    assert samples["macro_average_precision"][3] == pytest.approx(drawn)


@pytest.mark.parametrize("plot", ["plot_roc", "plot_calibration"])
def test_a_curve_for_each_label(plot):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    from transferkit import plots

    evaluation = evaluate(fitted(SETS), X[40:], SETS[40:])
    drawn = getattr(plots, plot)(evaluation).get_legend_handles_labels()[1]
    assert [any(name in text for text in drawn) for name in NAMES] == [True] * 3
    drawn = getattr(plots, plot)({"test": evaluation}, pos_label="dog").get_legend_handles_labels()[1]
    assert [any(name in text for text in drawn) for name in NAMES] == [False, True, False]
    with pytest.raises(InvalidInputError, match="pos_label must be one of"):
        getattr(plots, plot)(evaluation, pos_label="bird")
    pyplot.close("all")


def test_undefined_figures_say_why():
    figures = label_figures([[1, 0], [1, 0]], [[1, 0], [0, 1]])
    assert figures.by_label[1]["recall"].note == "no image has the label"
    assert figures.by_label[0]["auc"].note == "needs probabilities"
    assert figures.whole["macro_recall"].value == 0.5
    with pytest.raises(InvalidInputError, match=r"same shape .*\(2, 2\) and \(3, 2\)"):
        label_figures(Y[:2, :2], Y[:3, :2])
    with pytest.raises(InvalidInputError, match="nothing but 0 and 1"):
        label_figures(Y + 1, Y)
    with pytest.raises(InvalidInputError, match="probabilities must be in 0..1"):
        label_figures(Y, Y, Y * 2.0)


def test_evaluate_and_compare():
    clf = fitted(SETS)
    evaluation = evaluate(clf, X[60:], SETS[60:], groups=np.arange(30) // 2)
    assert evaluation.figures == evaluate(clf, X[60:], Y[60:], groups=np.arange(30) // 2).figures
    assert "bootstrap over 15 groups" in str(evaluation)
    assert list(evaluation.label_figures) == NAMES.tolist()
    worst = evaluation.worst(1)[0]
    assert set(worst.actual) != set(worst.predicted)
    assert set(worst.actual) == set(SETS[60 + worst.index])
    assert json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))["labels"] == NAMES.tolist()
    theirs = OneVsRestClassifier(LogisticRegression()).fit(X[:60], Y[:60])
    assert evaluate(theirs, X[60:], Y[60:]).figures["macro_auc"].value > 0.7
    comparison = compare(
        {"ours": Classifier("precomputed"), "theirs": theirs}, X, Y, cv=3, progress=False, metric="micro_f1"
    )
    assert {row.name for row in comparison.rows} == {"ours", "theirs"}
    assert all(row.score.value > 0.6 for row in comparison.rows)
    guessed = compare({"one": Classifier("precomputed")}, X, SETS, cv=3, progress=False)
    assert guessed.metric == "subset_accuracy"
    assert list(guessed.rows[0].evaluation.label_figures) == NAMES.tolist()
    with pytest.raises(InvalidInputError, match="pos_label is for classifiers"):
        evaluate(clf, X, SETS, pos_label="cat")
    with pytest.raises(InvalidInputError, match="y has labels that the y of fit has not: 'bird'"):
        evaluate(clf, X[:2], [["bird"], ["cat"]])


@pytest.mark.parametrize("kind", [csr_array, csr_matrix])
def test_a_sparse_matrix_is_a_matrix(kind):
    clf = fitted(kind(Y))
    np.testing.assert_array_equal(clf.predict_proba(X), fitted(Y).predict_proba(X))
    assert clf.score(X, kind(Y)) == clf.score(X, Y)
    assert evaluate(clf, X, kind(Y)).figures == evaluate(clf, X, Y).figures
    assert compare({"one": clf}, X, kind(Y), cv=2, progress=False).metric == "subset_accuracy"


def test_no_image_may_have_a_label_where_they_are_known():
    clf = fitted(SETS)
    few = np.flatnonzero(~Y.any(axis=1))[:2]
    nothing = [[] for _ in few]
    assert clf.score(X[few], nothing) == clf.score(X[few], Y[few])
    found = evaluate(clf, X[few], nothing)
    assert found.figures["subset_accuracy"].value == clf.score(X[few], Y[few])
    with pytest.raises(InvalidInputError, match="y must"):
        Classifier("precomputed").fit(X[few], nothing)


def test_labels_of_one_image():
    clf = fitted(SETS)
    for one in (SETS[0], set(SETS[0])):
        assert evaluate(clf, X[:1], one).y_true.tolist() == Y[:1].tolist()


def forest():
    return RandomForestClassifier(3, random_state=0)


@pytest.mark.parametrize("model", [forest, lambda: MultiOutputClassifier(LogisticRegression())])
def test_classifiers_of_scikit_learn_with_probabilities_for_each_label(model):
    clf = model().fit(X[:60], Y[:60])
    evaluation = evaluate(clf, X[60:], Y[60:])
    chances = np.column_stack([one[:, 1] for one in clf.predict_proba(X[60:])])
    assert evaluation.figures["macro_auc"].value == pytest.approx(metrics.roc_auc_score(Y[60:], chances))
    assert list(evaluation.label_figures) == [0, 1, 2]
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InvalidInputError, match=r"column for each of 0, 1 and 2.* pass y.to_numpy\(\)"):
        evaluate(clf, X[60:], pandas.DataFrame(Y[60:], columns=NAMES))


def test_columns_that_other_classifiers_know_by_position_are_not_sorted_by_name():
    pandas = pytest.importorskip("pandas")
    model = OneVsRestClassifier(LogisticRegression()).fit(X[:60], pandas.DataFrame(Y[:60], columns=[2, 0, 1]))
    with pytest.raises(InvalidInputError, match=r"Got 2, 0 and 1.*y.to_numpy\(\)"):
        evaluate(model, X[60:], pandas.DataFrame(Y[60:], columns=[2, 0, 1]))
    right = metrics.accuracy_score(Y[60:], model.predict(X[60:]))
    for y in (Y[60:], pandas.DataFrame(Y[60:])):
        assert evaluate(model, X[60:], y).figures["subset_accuracy"].value == right
    ours = fitted(pandas.DataFrame(Y, columns=[2, 0, 1]))
    assert evaluate(ours, X, pandas.DataFrame(Y[:, [1, 2, 0]])).figures[
        "subset_accuracy"
    ].value == ours.score(X, Y)


def test_labels_where_there_is_one_for_each_image():
    clf = Classifier("precomputed").fit(X, NAMES[np.arange(90) % 3])
    with pytest.raises(InvalidInputError, match="y must have one dimension"):
        evaluate(clf, X, Y)

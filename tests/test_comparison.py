"""compare: the same folds for all, each backbone once per picture, noise called noise."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, ShuffleSplit

import transferkit
from tests.conftest import TINY, make_pictures
from transferkit import Classifier, ImageRegressor, KeypointRegressor, compare, persistence
from transferkit.backbones import registry
from transferkit.comparison import _candidates
from transferkit.errors import BadImageError, InvalidInputError, UnknownBackboneError, WeightsError
from transferkit.evaluation import ClassificationEvaluation

QUIET = {"progress": False}
OTHER = replace(TINY, name="other", layers=("vector",))
registry.ship(OTHER)  # its network cannot be built, as that of TINY


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 6))
    return X, np.where(X[:, 0] + 0.6 * generator.normal(size=150) > 0, "b", "a")


@pytest.fixture
def pictures(tmp_path):
    return make_pictures(tmp_path / "pictures", 24)


@pytest.fixture
def template(tiny):
    return Classifier(**{**tiny, "backbone": "mobilenet"}, augment=None, head="linear")


def test_one_extraction_per_backbone_and_none_the_second_time(template, engine, pictures):
    comparison = compare([TINY, OTHER], *pictures, estimator=template, cv=3, n_timed=0, **QUIET)
    assert engine.images == 2 * 24
    assert {row.name for row in comparison.rows} == {"tiny", "other"}
    assert [row.n_cached for row in comparison.rows] == [0, 0]
    again = compare([TINY, OTHER], *pictures, estimator=template, cv=3, n_timed=0, **QUIET)
    assert engine.images == 2 * 24
    assert [row.n_cached for row in again.rows] == [24, 24]
    assert [row.score for row in again.rows] == [row.score for row in comparison.rows]
    assert "in the cache already: " in str(again)


def test_copies_are_told_from_what_was_cached(template, pictures):
    paths, labels = pictures
    X, y = [*paths, paths[0]], [*labels, labels[0]]
    comparison = compare([TINY], X, y, estimator=template, cv=3, n_timed=0, **QUIET)
    assert comparison.n_copies == 1
    assert comparison.rows[0].n_cached == 0
    assert "1 images are exact copies of others" in str(comparison)


def test_without_a_cache_too(template, engine, pictures):
    compare(
        [TINY], *pictures, estimator=template.set_params(extractor__cache=False), cv=4, n_timed=0, **QUIET
    )
    assert engine.images == 24
    assert template.extractor.cache is False


def test_predictions_are_those_of_models_without_the_fold(template, pictures):
    paths, labels = pictures
    folds = list(KFold(3, shuffle=True, random_state=1).split(paths))
    found = compare([TINY], paths, labels, estimator=template, cv=folds, **QUIET).rows[0].evaluation
    assert isinstance(found, ClassificationEvaluation)
    assert found.names == [path.name for path in paths]
    for train, test in folds:
        model = Classifier(**{**template.get_params(), "backbone": TINY})
        model.fit([paths[i] for i in train], labels[train])
        expected = model.predict_proba([paths[i] for i in test])
        np.testing.assert_allclose(found.probabilities[test], expected)


def test_labels_of_a_fold_do_not_change_its_predictions(rows):
    X, y = rows
    folds = list(KFold(5).split(X))
    before = compare({"m": LogisticRegression()}, X, y, cv=folds, **QUIET).rows[0].evaluation
    test = folds[2][1]
    y = y.copy()
    y[test] = np.where(y[test] == "a", "b", "a")
    after = compare({"m": LogisticRegression()}, X, y, cv=folds, **QUIET).rows[0].evaluation
    np.testing.assert_array_equal(after.probabilities[test], before.probabilities[test])
    assert (after.probabilities != before.probabilities).any()


def test_best_first_and_noise_is_called_noise(rows):
    X, y = rows
    comparison = compare(
        {
            "constant": DummyClassifier(),
            "twin": LogisticRegression(),
            "logistic": LogisticRegression(C=0.9),
            "similar": LogisticRegression(C=0.5),
        },
        X, y, **QUIET,
    )  # fmt: skip
    rows_by_name = {row.name: row for row in comparison.rows}
    scores = [row.score.value for row in comparison.rows]
    assert scores == sorted(scores, reverse=True)
    assert comparison.best == comparison.rows[0].name
    assert comparison.rows[0].verdict == "best"
    assert comparison.rows[0].difference.value == 0
    assert rows_by_name["constant"].verdict == "worse"
    assert rows_by_name["constant"].difference.high < 0
    assert rows_by_name["similar"].verdict in ("no surer than noise", "best")
    for row in comparison.rows:
        assert row.score.low <= row.score.value <= row.score.high
        assert row.difference.low <= row.difference.value <= row.difference.high
        assert row.difference.value == pytest.approx(row.score.value - scores[0])


def test_equals_differ_by_nothing(rows):
    comparison = compare({"a": LogisticRegression(), "b": LogisticRegression()}, *rows, metric="auc", **QUIET)
    difference = comparison.rows[1].difference
    assert (difference.low, difference.value, difference.high) == (0, 0, 0)
    assert comparison.rows[1].verdict == "no surer than noise"


def test_pairing_narrows_the_interval(rows):
    comparison = compare(
        {"a": LogisticRegression(), "b": LogisticRegression(C=0.3)}, *rows, metric="log_loss", **QUIET
    )
    assert not comparison.greater_is_better
    assert comparison.rows[0].score.value < comparison.rows[1].score.value
    assert comparison.rows[1].difference.value > 0
    difference, score = comparison.rows[1].difference, comparison.rows[1].score
    assert difference.high - difference.low < 0.5 * (score.high - score.low)


def test_the_order_of_candidates_does_not_matter(rows):
    models = {"a": LogisticRegression(), "b": DummyClassifier(), "c": LogisticRegression(C=0.01)}
    one = compare(models, *rows, cv=3, **QUIET)
    two = compare(dict(reversed(models.items())), *rows, cv=3, **QUIET)
    assert {row.name: (row.score, row.difference) for row in one.rows} == {
        row.name: (row.score, row.difference) for row in two.rows
    }


def test_groups_are_never_parted(rows):
    X, y = rows
    people = np.arange(150) // 10
    parts = []

    class Spy(LogisticRegression):
        def fit(self, X, y):
            parts.append(set(people[[int(np.flatnonzero((rows[0] == x).all(axis=1))[0]) for x in X]]))
            return super().fit(X, y)

    comparison = compare({"m": Spy()}, X, y, groups=people, cv=3, **QUIET)
    assert comparison.n_groups == 15
    assert sum(15 - len(part) for part in parts) == 15
    assert "drawing 15 groups again" in str(comparison)
    assert comparison.rows[0].evaluation.groups.tolist() == people.tolist()
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    with pytest.raises(InvalidInputError, match="groups both in training and in test in fold 1"):
        compare({"m": Spy()}, X, y, groups=people, cv=folds, **QUIET)


def test_groups_reach_our_estimators(template, pictures, monkeypatch):
    seen = []
    fit = Classifier.fit
    monkeypatch.setattr(
        Classifier, "fit", lambda self, X, y, groups=None: seen.append(groups) or fit(self, X, y)
    )
    people = np.arange(24) // 2
    compare([TINY], *pictures, estimator=template, groups=people, cv=3, n_timed=0, **QUIET)
    assert [len(set(groups)) for groups in seen] == [8, 8, 8]


def test_a_candidate_that_fails_loses_no_other(template, pictures, caplog):
    comparison = compare(
        {"lost": Classifier("mobilenet", weights="nowhere.h5"), "good": TINY},
        *pictures, estimator=template, cv=3, **QUIET,
    )  # fmt: skip
    assert [row.name for row in comparison.rows] == ["good"]
    assert comparison.failed[0].name == "lost"
    assert "nowhere.h5" in comparison.failed[0].reason
    assert "lost failed: " in str(comparison)
    assert "lost is left out of the comparison" in caplog.text
    assert comparison.to_dict()["failed"][0]["name"] == "lost"


def test_unless_all_fail(template, pictures):
    with pytest.raises(WeightsError, match=r"nowhere\.h5"):
        compare({"lost": Classifier("mobilenet", weights="nowhere.h5")}, *pictures, **QUIET)
    broken = {name: Classifier("mobilenet", weights=f"{name}.h5") for name in ("one", "two")}
    with pytest.raises(InvalidInputError, match=r"(?s)No candidate.*one\.h5.*two\.h5"):
        compare(broken, *pictures, **QUIET)


def test_bad_images_are_left_out_for_all(template, pictures, tmp_path):
    paths, labels = pictures
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    X, y = [*paths[:7], bad, *paths[7:]], np.insert(labels, 7, "left")
    comparison = compare([TINY, OTHER], X, y, estimator=template, cv=3, n_timed=0, **QUIET)
    assert comparison.n_images == 24
    assert [failure.path for failure in comparison.skipped] == [str(bad)]
    assert "1 images could not be read" in str(comparison)
    assert comparison.rows[0].evaluation.names == [path.name for path in paths]
    with pytest.raises(BadImageError):
        compare([TINY], X, y, estimator=template, cv=3, on_error="raise", **QUIET)


def test_folds_of_the_user_still_fit_when_an_image_is_lost(template, pictures, tmp_path):
    paths, labels = pictures
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    X, y = [*paths[:7], bad, *paths[7:]], np.insert(labels, 7, "left")
    parts = np.array_split(np.arange(25), 3)
    folds = ((np.concatenate([parts[j] for j in range(3) if j != i]), parts[i]) for i in range(3))
    found = compare([TINY], X, y, estimator=template, cv=folds, n_timed=0, **QUIET).rows[0].evaluation
    model = Classifier(**{**template.get_params(), "backbone": TINY})
    test = [i - 1 if i > 7 else i for i in parts[0] if i != 7]
    train = np.setdiff1d(np.arange(24), test)
    model.fit([paths[i] for i in train], labels[train])
    np.testing.assert_allclose(found.probabilities[test], model.predict_proba([paths[i] for i in test]))


def test_regressors_of_scikit_learn():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 5))
    y = X @ generator.normal(size=(5, 6))
    models = {"weak": Ridge(1000), "strong": Ridge(0.1), "ours": KeypointRegressor("precomputed")}
    comparison = compare(models, X, y.reshape(40, 3, 2), cv=4, **QUIET)
    assert comparison.rows[-1].name == "weak"
    assert comparison.rows[-1].verdict == "worse"


class FirstSeen(LogisticRegression):
    """Has its classes in the order of y, as scikit-learn's contract allows."""

    def fit(self, X, y):
        super().fit(X, y)
        self.order = np.argsort([list(y).index(label) for label in self.classes_])
        self.classes_ = self.classes_[self.order]
        return self

    def predict_proba(self, X):
        return super().predict_proba(X)[:, self.order]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_probabilities_are_of_the_classes_whatever_their_order(rows):
    X, y = rows
    y = np.where(X[:, 1] > 0.5, "c", y)
    candidates = {"sorted": LogisticRegression(), "first seen": FirstSeen()}
    found = compare(candidates, X, y, cv=KFold(4), metric="log_loss", n_timed=0, **QUIET)
    one, other = (row.evaluation for row in found.rows)
    np.testing.assert_allclose(one.probabilities, other.probabilities)
    assert one.figures["log_loss"].value < 1


def test_a_template_needs_a_backbone(rows):
    with pytest.raises(InvalidInputError, match="parameter 'backbone'.*Got LogisticRegression"):
        compare(["scattering"], *rows, estimator=LogisticRegression())


def test_the_table(template, engine, pictures):
    comparison = compare([TINY, OTHER], *pictures, estimator=template, cv=3, n_timed=2, **QUIET)
    assert engine.images > 48  # timed
    row = next(row for row in comparison.rows if row.name == "tiny")
    assert row.ms_per_image > 0
    assert row.bytes_per_image == (4 * 4 * 6 + 4 * 4 * 3) * 2  # both layers at 4 x 4, half precision
    assert row.engine == "fake"
    assert row.parameters is None
    lines = str(comparison).splitlines()
    assert "on 24 images, each predicted without it in 3 folds" in lines[0]
    assert "positive class: 'right'" in lines[0]
    assert lines[2].split() == [
        "accuracy", "interval", "difference", "interval", "ms/image", "seconds", "KB/image", "parameters",
    ]  # fmt: skip
    assert lines[3].startswith(comparison.best)
    frame = comparison.to_frame()
    assert frame["name"].tolist() == [row.name for row in comparison.rows]
    assert {"score", "low", "high", "verdict", "sensitivity", "auc", "bytes_per_image"} <= set(frame)
    assert json.loads(json.dumps(comparison.to_dict(), allow_nan=False))["metric"] == "accuracy"
    assert "<table>" in comparison._repr_html_()
    assert repr(comparison).startswith(f"<Comparison of 2: best '{comparison.best}', accuracy")


def test_keypoints(tiny, pictures):
    paths, labels = pictures
    points = np.where(labels == "left", 10.0, 20.0)[:, None] + np.random.default_rng(0).normal(size=(24, 4))
    points += np.array([0, 0, 9, 9])
    template = KeypointRegressor(**{**tiny, "backbone": "mobilenet"}, refine=0)
    comparison = compare([TINY, OTHER], paths, points, estimator=template, cv=3, n_timed=0, **QUIET)
    assert comparison.metric == "nme"
    assert not comparison.greater_is_better
    assert comparison.rows[0].score.value < comparison.rows[1].score.value
    assert "mean error in percent of box_size on 24 images" in str(comparison)
    assert comparison.rows[0].evaluation.predicted.shape == (24, 2, 2)


def test_any_two_settings(tiny, pictures):
    settings = {
        "plain": Classifier(**tiny, augment=None),
        "vector": Classifier(**tiny, layers="vector", augment=None),
    }
    comparison = compare(settings, *pictures, cv=3, n_timed=0, **QUIET)
    assert {row.name for row in comparison.rows} == set(settings)


def test_the_bar_counts_each_image_twice(template, pictures, monkeypatch):
    from transferkit.comparison import _compare

    seen = []

    class Bar:
        def __init__(self, total, what, unit, *, show):
            self.total, self.n = total, 0
            seen.append(self)

        def update(self, n):
            self.n += n

        def set_postfix_str(self, text):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(_compare, "progress_bar", Bar)
    compare([TINY, OTHER], *pictures, estimator=template, cv=3, n_timed=0)
    compare([TINY, OTHER], *pictures, estimator=template, cv=3, n_timed=0)
    assert [(bar.n, bar.total) for bar in seen] == [(96, 96), (96, 96)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbones": "mobilenet"}, "must be a list of names"),
        ({"backbones": []}, "one or more. Got none"),
        ({"backbones": ["vgg16", "VGG-16"]}, "Got 'vgg16' more than once"),
        ({"backbones": [LogisticRegression()]}, "Pass estimators in a dictionary"),
        ({"backbones": {"x": 3}}, r"backbones\['x'\] must be the name of a backbone.*Got int"),
        ({"backbones": {"x": Ridge(), "y": LogisticRegression()}}, "classifiers all, or regressors all"),
        ({"metric": "recall"}, "metric must be 'accuracy'.*Got 'recall'"),
        ({"cv": 1}, "cv must be 2 folds or more. Got 1"),
        ({"cv": 100}, r"cv=100 needs 100 images of each class. Got \d+ images of class 'a'"),
        ({"cv": ShuffleSplit(2, random_state=0)}, "test each of the 150 images once"),
        ({"cv": [1, 2]}, "cv must be a number of folds"),
        (  # the rows of the test themselves, counted from the end
            {"cv": [(np.arange(75) - 75, np.arange(75, 150)), (np.arange(75) - 150, np.arange(75))]},
            r"training rows as positions in 0..149. Fold 1 has -75",
        ),
        ({"cv": [(np.arange(150) < 75, np.arange(75, 150))] * 2}, "tests 75 of them, 150 times"),
        ({"cv": [(np.arange(150) < 150, np.arange(150))]}, "positions in 0..149. Fold 1 has type bool"),
        ({"y": ["a", "b"]}, "y has 2 rows but X has 150"),
        ({"y": ["a"] * 150}, "at least two classes"),
        ({"groups": [1]}, "groups has shape"),
        ({"pos_label": "c"}, "pos_label must be 'a' or 'b'"),
        ({"normalizer": "pupils"}, "normalizer is for keypoints"),
        ({"on_error": "never"}, "on_error must be"),
        ({"groups": np.repeat([0, 1], 75)}, "cv=5 needs 5 groups of each class"),
    ],
)
def test_mistakes_show_before_any_work(rows, options, message):
    arguments = {"backbones": {"m": LogisticRegression()}, "X": rows[0], "y": rows[1], **QUIET} | options
    with pytest.raises(InvalidInputError, match=message):
        compare(**arguments)


def test_a_training_part_without_a_class(rows):
    X, y = rows
    order = np.argsort(y, kind="stable")
    with pytest.raises(InvalidInputError, match="training part of fold 1 has no image of class 'a'"):
        compare(
            {"m": LogisticRegression()},
            X[order],
            np.where(np.arange(150) < 75, "a", "b"),
            cv=KFold(2),
            **QUIET,
        )


def test_unknown_names_at_once(rows):
    with pytest.raises(UnknownBackboneError, match="vgg_61"):
        compare(["mobilenet", "vgg_61"], *rows)


def test_public_name():
    assert transferkit.compare is compare


def test_regressors_of_scikit_learn_do_what_ours_do():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 4))
    theirs = Ridge()
    for ours, metric in ((ImageRegressor("precomputed"), "r2"), (KeypointRegressor("precomputed"), "nme")):
        for candidates in ({"theirs": theirs, "ours": ours}, {"ours": ours, "theirs": theirs}):
            assert compare(candidates, X, y, cv=2, progress=False).metric == metric
    with pytest.raises(InvalidInputError, match="classifiers all, or regressors all"):
        compare({"one": ImageRegressor("precomputed"), "two": KeypointRegressor("precomputed")}, X, y)


def test_targets_of_several_lengths_are_refused_kindly(pictures):
    with pytest.raises(
        InvalidInputError, match="y must have strings, integers or booleans as labels. Got list"
    ):
        compare(["mobilenet"], pictures[0][:2], [[1, 2], [3]], progress=False)


def test_what_targets_suggest_does_not_depend_on_what_was_imported_first(monkeypatch):
    backwards = dict(reversed(persistence.ESTIMATORS.items()))
    monkeypatch.setattr(_candidates, "ESTIMATORS", backwards, raising=False)
    for y, kind in (([0.5, 1.5], "values"), (np.zeros((2, 4)) + 0.5, "points"), (["a", "b"], "classes")):
        assert _candidates._template(y).kind == kind

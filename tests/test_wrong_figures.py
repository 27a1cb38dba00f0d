"""Figures and answers that were wrong in silence: of copies, of own heads, of classes with weights."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.conftest import PlainHead
from transferkit import Backbone, Classifier, ImageRegressor, KeypointRegressor, compare, evaluate, set_config
from transferkit.datasets import read_table
from transferkit.errors import InvalidInputError
from transferkit.metrics import label_figures, wilson_interval


@pytest.fixture(autouse=True)
def quiet():
    set_config(progress=False)


def noise(n, copies, seed=0):
    """Return features of chance and labels of chance, each row some times."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 200)), np.arange(n) % 2
    return np.repeat(X, copies, axis=0), np.repeat(rng.permutation(y), copies)


def pictures(X):
    return [np.clip(row[:192].reshape(8, 8, 3) * 50 + 120, 0, 255).astype(np.uint8) for row in X]


# --------------------------------------------------------------------------- copies


def test_copies_join_the_groups_that_they_lie_in():
    right = []
    for seed in range(5):
        X, y = noise(30, 4, seed)
        groups = np.arange(len(X))
        groups[1] = groups[0]  # one pair is known to belong together
        clf = Classifier("precomputed").fit(X, y, groups=groups)
        found = clf.held_out_
        right.append(((found.logits[:, 0] > 0) == found.targets).mean())
    assert np.mean(right) < 0.65  # 1.00 where a copy was learned from


def test_copies_that_join_all_groups_leave_them_and_are_told(caplog):
    X, y = noise(40, 1)
    X[::2] = X[0]
    groups = np.arange(40) // 2
    Classifier("precomputed").fit(X, y, groups=groups)
    assert "Copies of images join all 20 groups to one" in caplog.text


@pytest.mark.slow
def test_a_comparison_tells_of_copies_in_other_groups():
    X, y = noise(20, 2)
    clf = Classifier("scattering", image_size=32, head="linear")
    shared = compare({"a": clf}, pictures(X), y, groups=np.arange(40) // 2, cv=2, n_timed=0)
    assert shared.n_copies == 0
    apart = compare({"a": clf}, pictures(X), y, groups=np.arange(40) % 8, cv=2, n_timed=0)
    assert apart.n_copies > 0
    assert "exact copies" in str(apart)


# --------------------------------------------------------------------------- heads of the user's own


@dataclass
class Fitted:
    answer: object
    n: int
    history: list = field(default_factory=list)
    held_out: None = None
    n_outputs: int = 1
    n_inputs: None = None

    def predict(self, maps):
        return self.answer(np.zeros((len(maps[0]), self.n)) + maps[0].reshape(len(maps[0]), -1)[:, :1])

    def tensors(self):
        return {}

    def facts(self):
        return {}


@dataclass(frozen=True)
class Own(PlainHead):
    answer: object = None
    n: int = 1
    kinds: ClassVar = frozenset({"classes", "values", "points"})

    def fit(self, data):
        return Fitted(self.answer, self.n)

    def rebuild(self, tensors, facts):
        return Fitted(self.answer, self.n)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda out: np.hstack([-out, out]), r"\(40, 1\). Got shape \(40, 2\). For two classes, one column"),
        (lambda out: out[:1], r"Got shape \(1, 1\)"),
        (lambda out: out[:, 0], r"Got shape \(40,\)"),
        (lambda out: out * np.nan, "Got NaN or infinity in 40 of them"),
        (lambda out: None, "Got NoneType of no numbers|NaN or infinity|shape"),
        (lambda out: [["a"]] * len(out), "Got list of no numbers"),
    ],
)
def test_a_head_that_answers_something_else_is_named(answer, words):
    X, y = noise(40, 1)
    for estimator, target in ((Classifier, y), (ImageRegressor, y + 0.5)):
        with pytest.raises(InvalidInputError, match=f"Fitted.predict must return.*({words})"):
            estimator("precomputed", head=Own(answer)).fit(X, target).predict(X)
    assert len(Classifier("precomputed", head=Own(lambda out: out)).fit(X, y).predict(X)) == 40


@pytest.mark.parametrize(
    ("preprocess", "words"),
    [
        (lambda pixels: None, "Got None: is a return missing"),
        (lambda pixels: pixels[:1], r"row for each of 4 images. Got shape \(1, 32, 32, 3\)"),
        (lambda pixels: pixels.mean(), r"Got shape \(\)"),
    ],
)
def test_preprocessing_that_loses_images_is_named(preprocess, words):
    backbone = Backbone("own", constructor="nowhere:never", preprocess_input=preprocess, min_size=16)
    with pytest.raises(InvalidInputError, match=f"preprocess_input of 'own' must return.*{words}"):
        backbone.preprocess(np.zeros((4, 32, 32, 3), np.uint8))


# --------------------------------------------------------------------------- thresholds and labels


@pytest.mark.slow
def test_the_best_f1_is_that_of_images_whatever_classes_weigh():
    rng = np.random.default_rng(0)
    y = (rng.random(1500) < 0.1).astype(int)
    X = rng.normal(size=(1500, 10))
    X[:, 0] += 1.5 * y
    clf = Classifier("precomputed", threshold="f1", class_weight="balanced").fit(X, y)
    chances = clf.held_out_.probabilities(clf._task())[:, 1]
    scores = [f1_score(y, chances > limit) for limit in np.unique(chances)[:-1]]
    assert (
        f1_score(y, chances > clf._task().threshold[1]) > max(scores) - 0.02
    )  # 0.15 less where classes count


def test_labels_keep_their_names_in_a_comparison():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    table = pd.DataFrame({1: X[:, 0] > 1, 0: X[:, 1] > 0}).astype(int)  # whose names are other positions
    low = Classifier("precomputed", threshold={1: 0.02})
    found = compare({"low": low}, X, table, cv=2).rows[0].evaluation.y_pred.sum(axis=0)
    plain = (
        compare({"plain": Classifier("precomputed")}, X, table, cv=2).rows[0].evaluation.y_pred.sum(axis=0)
    )
    assert found[0] > plain[0]
    assert found[1] == plain[1]
    names = [
        [name for name, has in zip(("hat", "wide"), row, strict=True) if has] for row in table.to_numpy()
    ]
    low = Classifier("precomputed", threshold={"hat": 0.02})
    assert not compare({"low": low}, X, names, cv=2).failed


def test_a_data_frame_of_features_is_compared():
    X, y = noise(40, 1)
    assert len(compare({"a": Classifier("precomputed")}, pd.DataFrame(X), y, cv=2).rows) == 1


def test_images_that_nobody_has_labelled_are_no_images_without_labels(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").touch()
    (tmp_path / "t.csv").write_text("path,new_label\n0.png,a;b\n1.png,\n2.png,b\n")
    assert read_table(tmp_path / "t.csv", "new_label").targets.tolist() == [("a", "b"), (), ("b",)]
    paths, found = read_table(tmp_path / "t.csv", "new_label", skip_empty=True)
    assert ([path.name for path in paths], found.tolist()) == (["0.png", "2.png"], [("a", "b"), ("b",)])
    (tmp_path / "t.csv").write_text("path,new_label\n0.png,\n")
    with pytest.raises(InvalidInputError, match="no row with a cell in 'new_label'"):
        read_table(tmp_path / "t.csv", "new_label", skip_empty=True)


def test_proportions_of_a_label_have_intervals_of_proportions():
    true = np.zeros((60, 2), int)
    true[:6, 0] = true[::2, 1] = 1
    found = label_figures(true, true)
    assert found.by_label[0]["recall"].low == pytest.approx(wilson_interval(6, 6)[0])  # 1.0 by a bootstrap
    assert found.by_label[1]["precision"].low == pytest.approx(wilson_interval(30, 30)[0])
    assert found.whole["subset_accuracy"].low == pytest.approx(wilson_interval(60, 60)[0])
    assert label_figures(true, true, groups=np.arange(60)).by_label[0]["recall"].low == 1


# --------------------------------------------------------------------------- evaluations


@pytest.mark.slow
def test_searches_and_pipelines_say_what_they_have_learned_from(caplog):
    X, y = noise(40, 1)
    images, clf = pictures(X), Classifier("scattering", image_size=32, head="linear")
    for model in (make_pipeline(clf), GridSearchCV(clf, {"class_weight": [None, "balanced"]}, cv=2)):
        caplog.clear()
        evaluate(model.fit(images, y), images, y)
        assert "trained on 40 of the 40 images" in caplog.text


def test_a_pipeline_that_makes_images_of_something_else_is_evaluated():
    X, y = noise(30, 1)
    images = pictures(X)
    table = pd.DataFrame({"place": np.arange(30), "more": 1})
    looked_up = FunctionTransformer(lambda rows: [images[place] for place in rows["place"]])
    clf = Classifier("scattering", image_size=32, head="linear")
    assert len(evaluate(make_pipeline(looked_up, clf).fit(table, y), table, y).y_pred) == 30


def test_a_card_takes_no_evaluation_of_another_model():
    X, y = noise(40, 1)
    clf = Classifier("precomputed").fit(X, y)
    clf.card(evaluation=evaluate(clf, X, y))
    other = Classifier("precomputed").fit(X, np.where(y, "u", "v"))
    with pytest.raises(InvalidInputError, match="of classes 0 and 1. Got one of classes 'u' and 'v'"):
        clf.card(evaluation=evaluate(other, X, np.where(y, "u", "v")))
    values = ImageRegressor("precomputed").fit(X, X[:, 0])
    with pytest.raises(InvalidInputError, match="Got one of values"):
        clf.card(evaluation=evaluate(values, X, X[:, 0]))


# --------------------------------------------------------------------------- boxes


def test_boxes_of_other_images_are_refused():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (30, 48, 64, 3)).astype(np.uint8)
    points = rng.uniform(10, 40, (30, 2))
    boxes = np.column_stack([points - 6, points + 6])
    kp = KeypointRegressor("scattering", image_size=32, refine=0)
    with pytest.raises(InvalidInputError, match="row 0.*does not touch its image of 64 x 48 pixels; 30 row"):
        kp.fit(images, points, boxes=20 * boxes + 100)
    with pytest.raises(InvalidInputError, match="is far from all points of its row"):
        kp.fit(images, points, boxes=boxes[::-1])
    kp.fit(images, points, boxes=boxes)
    with pytest.raises(InvalidInputError, match="row 1.*does not touch"):
        kp.predict(images[:2], boxes=[boxes[0], [500, 500, 600, 600]])
    assert kp.predict(images[:2], boxes=boxes[:2]).shape == (2, 2)


@pytest.mark.parametrize("estimator", [Classifier, ImageRegressor])
def test_numbers_beyond_single_precision_are_refused(estimator):
    X, y = noise(40, 1)
    X[3, 5] = 1e39
    with pytest.raises(InvalidInputError, match=r"up to 3.4e\+38. Got 1e\+39. Scale the features"):
        estimator("precomputed", head="linear").fit(X, y)
    model = estimator("precomputed", head="linear").fit(np.delete(X, 3, axis=0), np.delete(y, 3))
    with pytest.raises(InvalidInputError, match="single precision"):
        model.predict(X)

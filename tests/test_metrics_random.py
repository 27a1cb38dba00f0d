"""Every figure on random data is scikit-learn's, for any labels, weights, ties, and missing numbers."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import metrics

from transferkit.errors import InvalidInputError
from transferkit.metrics import (
    Resampling,
    classification_figures,
    label_figures,
    resampled_figures,
    resampled_label_figures,
    resampled_value_figures,
    value_figures,
)
from transferkit.metrics._outcomes import as_outcomes

SEEDS = (0, 1)
KINDS = [
    np.array(["no", "yes"]), np.array([False, True]), np.array([-1, 1]), np.array([0.0, 1.0]),
    np.array([2, 5, 250], np.uint8), np.array(["c", "a", "b", "ü"]),
]  # fmt: skip


def drawn(n, groups, resamples, row):
    """Return the rows of a resample, repeated as often as they were drawn."""
    return np.repeat(np.arange(n), next(iter(Resampling(n, groups=groups, **resamples)))[row].astype(int))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", KINDS, ids=lambda classes: f"{classes.dtype}{len(classes)}")
def test_classes(classes, seed):
    rng = np.random.default_rng(seed)
    n, k = 50, len(classes)
    chances = np.round(rng.dirichlet(np.ones(k), n), 1) + 0.1  # with ties
    chances /= chances.sum(axis=1, keepdims=True)
    true, found = classes[rng.integers(0, k, n)], classes[chances.argmax(axis=1)]
    pos = classes.tolist()[seed % 2] if k == 2 else None
    groups = rng.integers(0, 20, n)
    outcomes = as_outcomes(true, found, chances, classes=classes, pos_label=pos)
    samples = resampled_figures(outcomes, groups)
    rows = drawn(n, groups, {"strata": outcomes.true}, 3)
    figures = classification_figures(true, found, chances, classes=classes, pos_label=pos, n_resamples=2)
    values = {name: figure.value for name, figure in figures.whole.items()}
    for value, at in ((values, np.arange(n)), ({name: one[3] for name, one in samples.items()}, rows)):
        assert value == pytest.approx(expected_of_classes(true[at], found[at], chances[at], classes, pos))


def expected_of_classes(true, found, chances, classes, pos):
    how = {"average": "macro"} if pos is None else {"pos_label": pos}
    places = [classes.tolist().index(one) for one in true.tolist()]
    of = [classes[0], classes[1]] if pos is None else [pos]
    others = [metrics.recall_score(true != one, found != one) for one in (classes if pos is None else of)]
    areas = [
        metrics.roc_auc_score(true == one, chances[:, i])
        for i, one in enumerate(classes)
        if pos in (None, one)
    ]
    squares = np.square(chances - np.eye(len(classes))[places]).sum(axis=1).mean()
    return {
        "accuracy": metrics.accuracy_score(true, found),
        "balanced_accuracy": metrics.balanced_accuracy_score(true, found),
        "error_rate": metrics.zero_one_loss(true, found),
        "sensitivity": metrics.recall_score(true, found, **how),
        "specificity": np.mean(others),
        "precision": metrics.precision_score(true, found, zero_division=0, **how),
        "f1": metrics.f1_score(true, found, **how),
        "mcc": metrics.matthews_corrcoef(true, found),
        "auc": np.mean(areas),
        "log_loss": metrics.log_loss(places, chances, labels=range(len(classes))),
        "brier": squares / (1 if pos is None else 2),
    }


@pytest.mark.parametrize("seed", [0, 4])  # of which 4 draws no image of a label
def test_labels(seed):
    rng = np.random.default_rng(seed)
    n, k = 40, 4
    true = rng.random((n, k)) < [0.5, 0.1, 0.3, 0.7]
    chances = np.round(np.clip(true * 0.3 + rng.random((n, k)) * 0.7, 0, 1), 1)
    found, groups = chances > 0.5, rng.integers(0, 25, n)
    values = {
        name: one.value for name, one in label_figures(true, found, chances, n_resamples=2).whole.items()
    }
    samples = resampled_label_figures(true, found, chances, groups)
    rows = drawn(n, groups, {}, 5)
    for value, at in ((values, np.arange(n)), ({name: one[5] for name, one in samples.items()}, rows)):
        y, said, chance = true[at], found[at], chances[at]
        there = y.any(axis=0)  # a label that no image has is left out of the means,
        used = there | said.any(axis=0)  # but of the precision, where it was predicted
        expected = {
            "subset_accuracy": metrics.accuracy_score(y, said),
            **{
                f"{how}_{name}": getattr(metrics, f"{name}_score")(
                    y[:, cut], said[:, cut], average=how, zero_division=0
                )
                for how, cuts in (("micro", [slice(None)] * 3), ("macro", (used, there, there)))
                for name, cut in zip(("precision", "recall", "f1"), cuts, strict=True)
            },
            "macro_auc": metrics.roc_auc_score(y[:, there], chance[:, there]),
            "macro_average_precision": metrics.average_precision_score(y[:, there], chance[:, there]),
        }  # fmt: skip
        assert value == pytest.approx(expected)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("offset", [0, 1e6])
def test_values(seed, offset):
    rng = np.random.default_rng(seed)
    n, k = 40, 3
    true = rng.normal(offset, [1, 100, 0.01], (n, k))
    found = true + np.round(rng.normal(0, [0.5, 50, 0.01], (n, k)), 2)
    true[rng.random((n, k)) < 0.2] = np.nan
    groups = rng.integers(0, 25, n)
    values = {name: one.value for name, one in value_figures(true, found, n_resamples=2).whole.items()}
    samples = resampled_value_figures(true, found, groups)
    rows = drawn(n, groups, {}, 4)
    for value, at in ((values, np.arange(n)), ({name: one[4] for name, one in samples.items()}, rows)):
        pairs = [
            (y[np.isfinite(y)], said[np.isfinite(y)]) for y, said in zip(true[at].T, found[at].T, strict=True)
        ]
        names = ("r2_score", "mean_absolute_error", "root_mean_squared_error", "median_absolute_error")
        expected = [np.mean([getattr(metrics, name)(*pair) for pair in pairs]) for name in names]
        assert list(value.values()) == pytest.approx(expected, rel=1e-5)


def test_an_output_without_a_number_is_left_out():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(20, 2))
    found = true + rng.normal(size=(20, 2))
    alone = value_figures(true[:, 0], found[:, 0])
    true[:, 1] = np.nan
    figures = value_figures(true, found)
    for name, figure in figures.by_output[1].items():
        assert np.isnan(figure.value)
        assert figure.note == (
            "no image has a number" if name != "r2" else "needs images with different numbers"
        )
        assert figures.whole[name].value == pytest.approx(alone.whole[name].value)
        assert figures.whole[name].note == "mean of the 1 of 2 outputs where it is defined"


def test_precision_of_labels_without_images_or_predictions():
    true, found = [[1, 0, 1], [1, 0, 0]], [[1, 1, 0], [1, 0, 0]]
    whole, by_label = label_figures(true, found, labels=["a", "b", "c"])
    assert [each["precision"].value for each in by_label.values()] == [1, 0, 0]
    assert by_label["c"]["precision"].note.startswith("never predicted, counted as 0")
    assert whole["macro_precision"].value == pytest.approx(1 / 3)
    assert whole["macro_precision"].note.startswith("1 of 3 labels never predicted, counted as 0")
    assert whole["macro_recall"].value == 0.5
    assert whole["macro_recall"].note.startswith("mean of the 2 of 3 labels where it is defined")


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        (([[1], [1, 0]], [[1, 0], [1, 0]]), {}, r"y_true must be numbers of shape \(n, n_labels\): "),
        (([[1, 0]], [["a", "b"]]), {}, "y_pred must be numbers"),
        ((np.ma.array([[1, 0]], mask=[[True, False]]), [[1, 0]]), {}, "y_true must be .* it has masked"),
        (([[1, 0]], [[1, 0]], "ab"), {}, "probabilities must be numbers"),
        (([[1, 0]], [[1, 0]]), {"labels": ["a"]}, "labels must have 2 different names"),
        (([[1, 0]], [[1, 0]]), {"labels": ["a", "a"]}, "labels must have 2 different names"),
    ],
)
def test_labels_that_cannot_be_measured(arrays, options, message):
    with pytest.raises(InvalidInputError, match=message):
        label_figures(*arrays, **options)


def test_labels_may_be_sparse():
    y = np.array([[1, 0], [0, 1], [1, 1]])
    assert label_figures(csr_array(y), csr_array(y)).whole["micro_f1"].value == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([None, "a", "b"], ["a", "a", "b"]), "y_true must not have missing labels"),
        (([1.0, np.nan], [1.0, 0.0]), "y_true must not have missing labels"),
        ((np.ma.array([1, 0], mask=[False, True]), [1, 0]), "y_true has masked labels"),
        (([1, 0], ["1", "0"]), "must have labels of one type. Got 1 and '1'"),
        (([1, 0], [1, 0], [["a", "b"], ["c", "d"]]), "probabilities must be numbers of shape"),
        (([1, 0], [1, 0], [[0.5, 0.5], [1.0]]), "probabilities must be numbers of shape"),
    ],
)
def test_classes_that_cannot_be_measured(arrays, message):
    with pytest.raises(InvalidInputError, match=message):
        classification_figures(*arrays)

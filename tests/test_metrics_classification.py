"""Figures of classifications: scikit-learn's numbers, intervals around them, NaN where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics

from transferkit.errors import InvalidInputError
from transferkit.metrics import CLASSIFICATION_FIGURES, Resampling, classification_figures, wilson_interval
from transferkit.metrics._outcomes import as_outcomes
from transferkit.metrics._weighted import weighted_figures
from transferkit.metrics.classification import resampled_figures


def draw(n, k, seed=0, digits=2):
    """Return labels, predictions and probabilities that are right more often than not; digits make ties."""
    generator = np.random.default_rng(seed)
    true = np.concatenate([np.arange(k), generator.integers(0, k, n - k)])
    chances = generator.dirichlet(np.ones(k), n)
    chances[np.arange(n), true] += 0.3
    chances = np.round(chances / chances.sum(axis=1, keepdims=True), digits)
    chances /= chances.sum(axis=1, keepdims=True)
    return true, chances.argmax(axis=1), chances


def sklearn_figures(true, predicted, chances, k, positive):
    """The same figures by scikit-learn's functions."""
    average = "macro" if positive is None else "binary"
    options = {"average": average, "labels": np.arange(k), "zero_division": 0}
    if positive is not None:
        options = {"average": average, "pos_label": positive}
    specificities = [metrics.recall_score(true != c, predicted != c) for c in range(k)]
    areas = [metrics.roc_auc_score(true == c, chances[:, c]) for c in range(k)]
    pick = np.mean if positive is None else (lambda values: values[positive])
    truth = np.eye(k)[true]
    brier = (
        ((chances - truth) ** 2).sum(axis=1).mean()
        if positive is None
        else (metrics.brier_score_loss(true == positive, chances[:, positive]))
    )
    return {
        "accuracy": metrics.accuracy_score(true, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(true, predicted),
        "error_rate": metrics.zero_one_loss(true, predicted),
        "sensitivity": metrics.recall_score(true, predicted, **options),
        "specificity": pick(specificities),
        "precision": metrics.precision_score(true, predicted, **options),
        "f1": metrics.f1_score(true, predicted, **options),
        "mcc": metrics.matthews_corrcoef(true, predicted),
        "auc": pick(areas),
        "log_loss": metrics.log_loss(true, chances, labels=np.arange(k)),
        "brier": brier,
    }  # fmt: skip


@pytest.mark.parametrize(("k", "positive"), [(2, 1), (2, 0), (3, None), (6, None)])
def test_values_are_those_of_scikit_learn(k, positive):
    true, predicted, chances = draw(150, k, seed=k)
    found = classification_figures(true, predicted, chances, pos_label=positive, n_resamples=20).whole
    expected = sklearn_figures(true, predicted, chances, k, positive)
    assert list(found) == list(CLASSIFICATION_FIGURES)
    for name, figure in found.items():
        assert figure.value == pytest.approx(expected[name], abs=1e-12), name


def test_values_of_each_class_are_those_of_scikit_learn():
    true, predicted, chances = draw(150, 4)
    found = classification_figures(true, predicted, chances, n_resamples=20).by_class
    for c in range(4):
        expected = sklearn_figures(
            (true == c).astype(int), (predicted == c).astype(int),
            np.stack([1 - chances[:, c], chances[:, c]], axis=1), 2, 1,
        )  # fmt: skip
        assert list(found[c]) == ["sensitivity", "specificity", "precision", "f1", "auc"]
        for name, figure in found[c].items():
            assert figure.value == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.parametrize(("k", "positive"), [(2, 1), (3, None)])
def test_a_resample_is_the_figure_of_the_rows_it_drew(k, positive):
    true, predicted, chances = draw(80, k)
    outcomes = as_outcomes(true, predicted, chances, pos_label=positive)
    samples = resampled_figures(outcomes, None, n_resamples=5, seed=3)
    for i, weights in enumerate(next(iter(Resampling(80, strata=true, n_resamples=5, seed=3)))):
        rows = np.repeat(np.arange(80), weights.astype(int))
        expected = sklearn_figures(true[rows], predicted[rows], chances[rows], k, positive)
        for name in CLASSIFICATION_FIGURES:
            assert samples[name][i] == pytest.approx(expected[name], abs=1e-12), name


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.integers(5, 40), st.integers(0, 10**6), st.booleans(), st.floats(0.5, 0.99))
def test_an_interval_holds_its_value(k, n, seed, grouped, confidence):
    true, predicted, chances = draw(n, k, seed)
    groups = np.arange(n) // 3 if grouped else None
    found = classification_figures(
        true, predicted, chances, groups=groups, confidence=confidence, n_resamples=50
    )
    for figure in [*found.whole.values(), *(f for row in found.by_class.values() for f in row.values())]:
        if not np.isnan(figure.low):
            assert figure.low <= figure.value <= figure.high
        elif not np.isnan(figure.value):
            assert figure.note
        else:
            assert figure.note


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 3), st.integers(0, 10**6), st.booleans())
def test_the_order_of_images_does_not_matter(k, seed, grouped):
    true, predicted, chances = draw(40, k, seed)
    groups = np.array([f"person {i % 13}" for i in range(40)]) if grouped else None
    order = np.random.default_rng(seed).permutation(40)
    before = classification_figures(true, predicted, chances, groups=groups, n_resamples=50)
    after = classification_figures(
        true[order], predicted[order], chances[order],
        groups=None if groups is None else groups[order], n_resamples=50,
    )  # fmt: skip
    for name, figure in before.whole.items():
        for end in ("value", "low", "high"):
            expected = getattr(figure, end)
            assert getattr(after.whole[name], end) == pytest.approx(expected, abs=1e-12, nan_ok=True), name


def test_other_names_of_classes_give_the_same_table_in_another_order():
    true, predicted, chances = draw(200, 3)
    names = np.array(["zebra", "ant", "mole"])
    order = np.argsort(names)
    by_number = classification_figures(true, predicted, chances)
    by_name = classification_figures(names[true], names[predicted], chances[:, order], classes=names[order])
    assert list(by_name.by_class) == ["ant", "mole", "zebra"]
    for name, figure in by_number.whole.items():
        assert by_name.whole[name].value == pytest.approx(figure.value), name
    for c, name in enumerate(names):
        for key, figure in by_number.by_class[c].items():
            other = by_name.by_class[name][key]
            assert other.value == pytest.approx(figure.value)
            # Wilson's are the same, those of the bootstrap nearly: images are drawn in another order.
            assert (other.low, other.high) == pytest.approx((figure.low, figure.high), abs=0.02)


def test_the_positive_class_is_the_second_and_can_be_chosen():
    true, predicted, chances = draw(100, 2)
    second, first = (classification_figures(true, predicted, chances, pos_label=p).whole for p in (None, 0))
    assert second["sensitivity"].value == first["specificity"].value != first["sensitivity"].value
    for name in ("accuracy", "mcc", "auc", "log_loss", "brier", "balanced_accuracy"):
        assert second[name].value == pytest.approx(first[name].value)


def test_proportions_have_wilsons_interval_and_groups_a_wider_one():
    true, predicted, chances = draw(300, 2)
    alone = classification_figures(true, predicted, chances).whole
    low, high = binomtest(int((true == predicted).sum()), 300).proportion_ci(0.95, "wilson")
    assert (alone["accuracy"].low, alone["accuracy"].high) == pytest.approx((low, high))
    hits, n = int((predicted[true == 1] == 1).sum()), int((true == 1).sum())
    assert (alone["sensitivity"].low, alone["sensitivity"].high) == pytest.approx(wilson_interval(hits, n))
    # Every image nine times says no more than once: intervals are three times too narrow without groups.
    nine = [np.repeat(array, 9, axis=0) for array in (true, predicted, chances)]
    naive = classification_figures(*nine).whole
    grouped = classification_figures(*nine, groups=np.repeat(np.arange(300), 9)).whole
    for name in ("accuracy", "auc", "mcc"):
        width = {id(f): f[name].high - f[name].low for f in (alone, naive, grouped)}
        assert width[id(grouped)] == pytest.approx(width[id(alone)], rel=0.2), name
        assert width[id(naive)] == pytest.approx(width[id(alone)] / 3, rel=0.2), name


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_is_scipys(confidence):
    for hits, n in ((0, 5), (3, 7), (98, 100)):
        expected = binomtest(hits, n).proportion_ci(confidence, "wilson")
        assert wilson_interval(hits, n, confidence=confidence) == pytest.approx((expected.low, expected.high))


def test_what_is_not_defined_is_nan_and_says_why():
    """And warns of nothing: warnings are errors here."""
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    found = classification_figures(["a"] * 3, ["a", "a", "b"], chances, classes=["a", "b"]).whole
    assert {name: f.note for name, f in found.items() if np.isnan(f.value)} == {
        "sensitivity": "no image is 'b'",
        "f1": "no image is 'b'",
        "mcc": "needs images of two classes",
        "auc": "needs images that are 'b' and images that are not",
    }
    assert found["balanced_accuracy"].value == pytest.approx(2 / 3)
    assert found["balanced_accuracy"].note == "mean of the 1 of 2 classes where it is defined"
    never = classification_figures(["a", "b"], ["a", "a"]).whole
    assert never["precision"].value == 0
    assert np.isnan(never["precision"].low)
    assert never["precision"].note == "no image was predicted as 'b', counted as 0"
    assert never["mcc"].value == never["f1"].value == never["sensitivity"].value == 0
    assert never["auc"].note == never["log_loss"].note == "needs probabilities"
    everything = classification_figures(["b"] * 3, ["b"] * 3, classes=["a", "b"]).whole
    assert everything["specificity"].note == "all images are 'b'"
    three = classification_figures(["a", "b"], ["a", "b"], classes=["a", "b", "c"])
    assert np.isnan(three.by_class["c"]["sensitivity"].value)
    assert three.whole["sensitivity"].value == 1


@pytest.mark.filterwarnings("ignore:Precision is ill-defined")
@pytest.mark.parametrize("groups", [None, [0, 1, 2, 0, 1, 2, 0, 1]])
def test_a_class_that_was_never_predicted_counts_as_in_scikit_learn(groups):
    true, predicted = np.array(list("aabbccdd")), np.array(list("aabbabab"))
    found = classification_figures(true, predicted, classes=list("abcde"), groups=groups)
    for name, function in (("precision", metrics.precision_score), ("f1", metrics.f1_score)):
        figure = found.whole[name]
        assert figure.value == pytest.approx(function(true, predicted, average="macro")), name
        assert figure.low <= figure.value <= figure.high
    assert found.whole["precision"].note == (
        "mean of the 4 of 5 classes where it is defined; 2 of 5 classes never predicted, counted as 0"
    )
    assert found.by_class["c"]["precision"].value == 0
    assert np.isnan(found.by_class["e"]["precision"].value)
    assert found.by_class["e"]["precision"].note == "no image was predicted as 'e'"


def test_one_group_has_no_interval_and_no_errors_are_noted():
    true, predicted, chances = draw(30, 2)
    one = classification_figures(true, predicted, chances, groups=[1] * 30).whole["accuracy"]
    assert np.isnan([one.low, one.high]).all()
    assert one.note == "too few images or groups for an interval"
    perfect = classification_figures(true, true, np.eye(2)[true]).whole["auc"]
    assert (perfect.low, perfect.value, perfect.high) == (1, 1, 1)
    assert perfect.note.startswith("the same in all resamples")


def test_confident_mistakes_cost_no_infinity():
    found = classification_figures([0, 1], [1, 1], [[0.0, 1.0], [0.0, 1.0]]).whole
    assert found["log_loss"].value == pytest.approx(metrics.log_loss([0, 1], [[0.0, 1.0], [0.0, 1.0]]))


def test_equal_weights_do_not_matter():
    outcomes = as_outcomes(*draw(50, 3))
    once, _ = weighted_figures(np.ones((1, 50)), outcomes)
    thrice, _ = weighted_figures(np.full((1, 50), 3.0), outcomes)
    for name in once:
        np.testing.assert_allclose(once[name], thrice[name])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0, 1], [0]), {}, r"shape \(n,\).*Got \(2,\) and \(1,\)"),
        (([], []), {}, "n >= 1"),
        ((["a"], ["a"]), {}, "at least two classes.*Got 'a'"),
        ((["a", "c"], ["a", "a"]), {"classes": ["a", "b"]}, "y_true has labels.*'c'.*are 'a' and 'b'"),
        (([0, 1], [0, 1]), {"pos_label": 2}, "pos_label must be 0 or 1. Got 2"),
        (([0, 1, 2], [0, 1, 2]), {"pos_label": 2}, "pos_label is for two classes"),
        (([0, 1], [0, 1], [[1, 0], [0.4, 0.4]]), {}, "sum to 1.*sums from 0.8 to 1"),
        (([0, 1], [0, 1], [[1, 0]]), {}, r"must have shape \(2, 2\)"),
        (([0, 1], [0, 1]), {"groups": [1]}, r"groups has shape \(1,\) but there are 2 images"),
        (([0, 1], [0, 1]), {"confidence": 95}, "confidence must be between 0 and 1"),
        (([0, 1], [0, 1]), {"n_resamples": 0}, "n_resamples must be a positive integer"),
    ],
)
def test_what_cannot_be_measured(arguments, options, message):
    with pytest.raises(InvalidInputError, match=message):
        classification_figures(*arguments, **options)

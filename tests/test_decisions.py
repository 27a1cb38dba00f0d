"""Thresholds for a purpose, sets with a promise, and what models that had not seen them say of images."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import FixedThresholdClassifier

from transferkit import Classifier, ImageRegressor, decisions, evaluate, load
from transferkit.decisions import HeldOut, choose_threshold, class_sets
from transferkit.decisions._quantiles import conformal_quantile
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.heads import LinearHead, MLPHead
from transferkit.persistence._file import read_model, write_model
from transferkit.tasks import Classes

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, 240)
X = (RNG.normal(size=(240, 12)) + 0.7 * np.eye(12)[Y * 3]).astype(np.float32)
TWO = np.where(Y == 2, "tuberculosis", "healthy")


def fitted(y=TWO, X=X, **parameters):
    groups = parameters.pop("groups", None)
    return Classifier("precomputed", **{"head": "linear"} | parameters).fit(X, y, groups=groups)


# What was held out


def test_held_out_answers_are_those_of_models_without_the_image():
    head = LinearHead(penalty=0.1)
    clf = fitted(head=head)
    held_out = clf.held_out_
    assert (clf.classes_[held_out.targets] == TWO).all()
    without = fitted(TWO[1:], X[1:], head=head)
    # The calibration alone has seen all images, so logits are not equal; their order is that of the scores.
    assert held_out.logits[0, 0] == pytest.approx(without.decision_function(X[:1])[0], abs=0.1)
    assert abs(held_out.logits[0, 0] - clf.decision_function(X[:1])[0]) > 1e-4


def test_held_out_answers_keep_groups_and_weights_and_leave_out_weight_0():
    weight = np.tile([2.0, 1.0, 0.0], 80)
    groups = np.repeat(np.arange(120), 2)
    clf = Classifier("precomputed", head="linear", class_weight="balanced")
    held_out = clf.fit(X, TWO, groups=groups, sample_weight=weight).held_out_
    kept = weight > 0
    np.testing.assert_array_equal(held_out.weight, weight[kept] / 2)  # only their ratios count
    assert len(np.unique(held_out.groups)) == len(np.unique(groups[kept]))
    assert held_out.by_group is not None
    assert fitted().held_out_.by_group is None


@pytest.mark.slow
def test_a_network_keeps_what_it_was_held_out_from_and_nothing_of_validation_data():
    head = MLPHead(hidden=4, epochs=1, patience=None)
    clf = fitted(head=head)
    assert 0 < len(clf.held_out_) < len(X)
    own = Classifier("precomputed", head=head).fit(X, TWO, validation_data=(X[:9], TWO[:9]))
    assert own.held_out_ is None
    with pytest.raises(InvalidInputError, match="^threshold_for needs answers to training images"):
        own.threshold_for(sensitivity=0.9)


def test_of_very_many_images_a_sample_is_kept(monkeypatch):
    monkeypatch.setattr(decisions.held_out, "MOST_VALUES", 300)
    assert len(fitted(Y).held_out_) == 100  # of three classes


# Thresholds


@pytest.mark.parametrize("label", ["healthy", "tuberculosis"])
def test_a_threshold_keeps_what_it_promises_at_least_cost(label):
    clf = fitted()
    chosen = clf.threshold_for(label, sensitivity=0.9)
    chances = clf.held_out_.probabilities(clf.predictor_.task)[:, clf.classes_.tolist().index(label)]
    above = chances[label == TWO]
    assert (above > chosen.value).mean() == chosen.sensitivity.value >= 0.9
    # With the next higher image as the threshold, the promise for a new one would be broken.
    higher = np.sort(above)[(above <= chosen.value).sum()]
    assert ((above > higher).sum()) / (len(above) + 1) < 0.9
    assert chosen.specificity.value == (chances[label != TWO] <= chosen.value).mean()
    assert chosen.sensitivity.low < chosen.sensitivity.value < chosen.sensitivity.high
    assert "sensitivity" in str(chosen)
    assert label in str(chosen)


@pytest.mark.slow
def test_the_promise_of_a_sensitivity_holds_for_the_next_image():
    generator = np.random.default_rng(1)
    kept = []
    for _ in range(400):
        logits = generator.normal(size=(60, 1))
        has = np.arange(60) < 25
        held_out = HeldOut.of(logits + has[:, None], has.astype(int), np.ones(60), np.arange(60))
        value = choose_threshold(held_out, Classes(np.array([0, 1])), sensitivity=0.9).value
        kept.append(1 / (1 + np.exp(-generator.normal() - 1)) > value)
    assert 0.86 < np.mean(kept) < 0.96  # 0.923 is expected: two of 26 positions


def test_a_specificity_and_costs():
    clf = fitted()
    chosen = clf.threshold_for(specificity=0.9)
    assert chosen.label == "tuberculosis"
    assert 0.9 <= chosen.specificity.value < 0.94
    # But for what makes the mean probability the share of the label.
    assert clf.threshold_for(costs=(9, 1)).value == pytest.approx(0.1, abs=0.01)


def test_groups_make_intervals_wider():
    # Four images of each person: as many images as four times, but little more is known.
    people, has = np.repeat(np.arange(60), 4), np.repeat(np.arange(60) % 2, 4)
    logits = np.repeat(RNG.normal(size=60), 4)[:, None] + has[:, None]
    task, weight = Classes(np.array([0, 1])), np.ones(240)
    each, grouped = (
        choose_threshold(HeldOut.of(logits, has, weight, groups), task, sensitivity=0.8)
        for groups in (np.arange(240), people)
    )
    assert each.value == grouped.value
    assert each.specificity.value == grouped.specificity.value
    wide, narrow = grouped.specificity, each.specificity
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_threshold_is_that_of_scikit_learn():
    clf = fitted(threshold=0.2)
    wrapped = FixedThresholdClassifier(Classifier("precomputed", head="linear"), threshold=0.2).fit(X, TWO)
    np.testing.assert_array_equal(clf.predict(X), wrapped.predict(X))
    assert (clf.predict(X) != fitted().predict(X)).any()
    np.testing.assert_array_equal(clf.predict_proba(X), fitted().predict_proba(X))
    assert (
        clf.score(X, TWO) == evaluate(clf, X, TWO).figures["accuracy"].value == (clf.predict(X) == TWO).mean()
    )


@pytest.mark.parametrize(
    ("criterion", "head"),
    [
        ("f1", "linear"),
        ("balanced_accuracy", "linear"),
        pytest.param(
            "f1", MLPHead(hidden=4, epochs=1, patience=None), marks=pytest.mark.slow, id="of a network"
        ),
    ],
)
def test_a_threshold_of_two_classes_may_be_chosen(criterion, head):
    clf = fitted(threshold=criterion, head=head)
    position, value = clf.predictor_.task.threshold
    assert position == 1
    assert 0 < value < 1
    assert value != 0.5


def test_one_of_several_classes_may_have_a_threshold(tmp_path):
    plain = fitted(Y)
    clf = plain.with_threshold({1: 0.2})
    chances = plain.predict_proba(X)
    expected = np.where(chances[:, 1] > 0.2, 1, np.where(chances[:, 0] > chances[:, 2], 0, 2))
    np.testing.assert_array_equal(clf.predict(X), expected)
    np.testing.assert_array_equal(fitted(Y, threshold={1: 0.2}).predict(X), expected)
    assert (plain.predict(X) == chances.argmax(axis=1)).all()  # this one is as it was
    clf.save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert loaded.threshold == {1: 0.2}
    np.testing.assert_array_equal(loaded.predict(X), expected)
    np.testing.assert_array_equal(loaded.held_out_.logits, plain.held_out_.logits)
    np.testing.assert_array_equal(loaded.novelty(X[:5] + 1), plain.novelty(X[:5] + 1))
    assert loaded.threshold_for(1, sensitivity=0.8) == plain.threshold_for(1, sensitivity=0.8)
    assert fitted(Y).set_params(**clf.get_params()).fit(X, Y).predict(X).tolist() == expected.tolist()


def test_several_labels_have_thresholds_for_a_purpose():
    labels = np.column_stack([Y == 0, X[:, 6] > 0]).astype(int)
    clf = fitted(labels)
    chosen = clf.threshold_for(1, sensitivity=0.9)
    above = clf.with_threshold(chosen)
    np.testing.assert_array_equal(above.thresholds_, [0.5, chosen.value])
    np.testing.assert_array_equal(above.predict(X), clf.predict_proba(X) > above.thresholds_)
    again = above.with_threshold({0: 0.3})
    np.testing.assert_array_equal(again.thresholds_, [0.3, chosen.value])
    assert again.threshold == {0: 0.3, 1: chosen.value}
    np.testing.assert_array_equal(again.with_threshold(0.4).thresholds_, [0.4, 0.4])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "^Pass one of sensitivity, specificity and costs. Got none of them"),
        ({"sensitivity": 0.9, "costs": (1, 2)}, "Got 'sensitivity' and 'costs'"),
        ({"sensitivity": 1}, "^sensitivity must be above 0 and below 1"),
        ({"sensitivity": True}, "^sensitivity must be"),
        ({"specificity": "high"}, "^specificity must be"),
        ({"costs": 3}, "^costs must be two positive numbers"),
        ({"costs": (3, 0)}, "^costs must be two positive numbers"),
        ({"label": "measles", "costs": (1, 1)}, "^label must be 'healthy' or 'tuberculosis'. Got 'measles'"),
        (
            {"sensitivity": 0.999},
            r"^sensitivity=0.999 cannot be promised from \d+ held-out .* takes 999 or more",
        ),
    ],
)
def test_purposes_that_cannot_be_met(how, message):
    with pytest.raises(InvalidInputError, match=message):
        fitted().threshold_for(**how)


@pytest.mark.parametrize(
    ("y", "threshold", "message"),
    [
        (Y, 0.4, "^threshold must be 0.5, or a dictionary from one label .* more than two classes"),
        (Y, {0: 0.3, 1: 0.3}, "^threshold must have one label as key"),
        (TWO, {"measles": 0.3}, "^threshold must have labels of y as keys"),
        (TWO, 0, "^threshold must be a number above 0"),
    ],
)
def test_thresholds_of_classes_that_cannot_be_used(y, threshold, message):
    with pytest.raises(InvalidInputError, match=message):
        fitted(y, threshold=threshold)
    with pytest.raises(InvalidInputError, match=message):
        fitted(y).with_threshold(threshold)
    with pytest.raises(InvalidInputError, match="^threshold must be a number, a dictionary, or what"):
        fitted(y).with_threshold("f1")


# Sets


@given(st.integers(1, 60), st.floats(0.05, 0.95), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_conformal_quantile_is_the_position_that_was_promised(n, share, seed):
    scores = np.random.default_rng(seed).normal(size=n)
    position = int(np.ceil((n + 1) * share * (1 - 1e-9)))
    expected = np.sort(scores)[position - 1] if position <= n else np.inf
    assert conformal_quantile(scores, np.full(n, 3.0), np.arange(n), share) == expected


def test_weights_count_as_images_in_a_quantile():
    scores, weight, each = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0, 5.0]), np.arange(4)
    assert conformal_quantile(scores, weight, each, 0.5) == 4.0
    assert conformal_quantile(scores, np.ones(4), each, 0.5) == 3.0


def test_a_group_counts_as_one_in_a_quantile():
    scores = np.concatenate([np.full(97, 5.0), [1.0, 2.0, 3.0]])
    groups = np.concatenate([np.zeros(97, int), [1, 2, 3]])
    assert conformal_quantile(scores, np.ones(100), groups, 0.5) == 3.0  # not 5, which most images have
    assert conformal_quantile(scores, np.ones(100), groups, 0.9) == np.inf  # of four groups


@pytest.mark.slow
def test_the_promise_holds_for_images_of_new_groups():
    generator = np.random.default_rng(2)
    kept = []
    for _ in range(300):
        people = np.arange(12).repeat(10)
        own = generator.normal(size=12)[people] * 2
        logits = (own + generator.normal(size=120) * 0.2)[:, None]
        held_out = HeldOut.of(logits, np.ones(120, int) - (people == 11), np.ones(120), people)
        value = choose_threshold(held_out, Classes(np.array([0, 1])), sensitivity=0.8).value
        kept.append(1 / (1 + np.exp(-2 * generator.normal() - 0.2 * generator.normal())) > value)
    assert np.mean(kept) > 0.78
    with pytest.raises(
        InvalidInputError, match="from 110 held-out images with 1, which are of 11 groups .*: .* 19"
    ):
        choose_threshold(held_out, Classes(np.array([0, 1])), sensitivity=0.95)


def test_of_few_groups_little_is_known():
    has = np.repeat([1, 0], [25, 250])
    held_out = HeldOut.of(has[:, None] * 4.0 - 2, has, np.ones(275), np.repeat(np.arange(11), 25))
    chosen = choose_threshold(held_out, Classes(np.array([0, 1])), costs=(1, 1))
    assert chosen.sensitivity.value == 1 == chosen.sensitivity.high
    assert chosen.sensitivity.low < 0.3  # of one person
    assert 0.6 < chosen.specificity.low < 0.8  # of ten


def test_copies_of_an_image_count_as_one_in_a_promise():
    """A rare class that was enlarged by copying its files is as rare as before."""
    rare = np.flatnonzero(TWO == "tuberculosis")[:3]
    rows = np.concatenate([np.flatnonzero(TWO == "healthy"), rare.repeat(20)])
    clf = fitted(TWO[rows], X[rows])
    assert len(np.unique(clf.held_out_.groups)) == len(rows) - 57
    with pytest.raises(
        InvalidInputError, match=r"from 60 held-out images .*which are of 3 groups \(copies are"
    ):
        clf.threshold_for("tuberculosis", sensitivity=0.95)
    assert clf.predict_set(X, coverage=0.9, by_class=True)[:, 1].all()  # nothing can be promised
    people = np.arange(len(rows)) % 100  # groups that share copies are one
    assert len(np.unique(fitted(TWO[rows], X[rows], groups=people).held_out_.groups)) < 80


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_costs_know_of_class_weights(class_weight):
    generator = np.random.default_rng(0)

    def draw(n):
        y = (generator.random(n) < 0.1).astype(int)
        return generator.normal(size=(n, 6)) + 1.5 * np.eye(6)[y], y

    rows, y = draw(800)
    clf = Classifier("precomputed", head="linear", class_weight=class_weight).fit(rows, y)
    new, truth = draw(4000)
    found = clf.with_threshold(clf.threshold_for(costs=(5, 1))).predict(new)
    cost = (5 * (truth & ~found & 1) + (found & ~truth & 1)).mean()
    best = min(
        (5 * (truth == 1) * (chances <= t) + (truth == 0) * (chances > t)).mean()
        for chances in [clf.predict_proba(new)[:, 1]]
        for t in np.linspace(0, 1, 101)
    )
    assert cost < 1.1 * best


def test_sets_hold_the_right_class_as_often_as_promised():
    generator = np.random.default_rng(3)

    def draw(n):
        y = generator.integers(0, 3, n)
        return (generator.normal(size=(n, 12)) + 0.7 * np.eye(12)[y * 3]).astype(np.float32), y

    shares = []
    for _ in range(20):
        (train, y), (test, truth) = draw(80), draw(200)
        sets = fitted(y, train).predict_set(test, coverage=0.8)
        assert sets.any(axis=1).all()
        shares.append(sets[np.arange(200), truth].mean())
    assert 0.77 < np.mean(shares) < 0.86


def test_sets_of_each_class_keep_the_promise_for_rare_ones_too():
    task = Classes(np.array(["common", "rare"]))
    logits = np.concatenate([np.full(90, -3.0), np.linspace(-2, 2, 30)])[:, None]
    held_out = HeldOut.of(logits, np.repeat([0, 1], [90, 30]), np.ones(120), np.arange(120))
    chances = held_out.probabilities(task)
    both = class_sets(chances, held_out, task, 0.9)
    each = class_sets(chances, held_out, task, 0.9, by_class=True)
    rare = np.arange(90, 120)
    assert both[rare, 1].mean() < 0.8 < 0.9 <= each[rare, 1].mean()
    # Of too few images nothing can be promised: each class is in each set.
    few = replace(held_out, **{name: part[::40] for name, part in held_out.tensors().items()})
    assert class_sets(chances, few, task, 0.9).all()


def test_sets_that_cannot_be_had():
    with pytest.raises(InvalidInputError, match="(?s)by_class must be.*coverage must be above 0 and below 1"):
        fitted().predict_set(X, coverage=1, by_class="yes")
    with pytest.raises(InvalidInputError, match="^predict_set is for one label for each image"):
        fitted(np.column_stack([Y == 0, Y == 1])).predict_set(X)


# In files


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("held_out.logits", lambda array: array[:-1]),
        ("held_out.logits", lambda array: array.astype(np.float64)),
        ("held_out.targets", lambda array: array + 1),
        ("held_out.weight", lambda array: array * 0),
        ("held_out.groups", lambda array: array.astype(np.int64)),
        ("held_out.groups", None),
        ("novelty.distances", lambda array: array[::-1].copy()),
        ("novelty.vectors", lambda array: array[:-1]),
        ("novelty.vectors", None),
    ],
)
def test_a_file_with_answers_that_do_not_belong_together_is_refused(tmp_path, name, change):
    path = tmp_path / "model.safetensors"
    fitted().save(path)
    tensors, document = read_model(path)
    tensors = dict(tensors)
    assert name in tensors
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name])
    write_model(path, tensors, document)
    with pytest.raises(ModelFileError):
        load(path)


def test_values_have_no_held_out_classes(tmp_path):
    path = tmp_path / "model.safetensors"
    ImageRegressor("precomputed").fit(X, X[:, 0]).save(path)
    tensors, document = read_model(path)
    assert not any(name.startswith("held_out") for name in tensors)
    fitted().save(tmp_path / "other.safetensors")
    others, _ = read_model(tmp_path / "other.safetensors")
    extra = {name: array for name, array in others.items() if name.startswith("held_out")}
    write_model(path, dict(tensors) | extra, document | {"held_out": {}})
    with pytest.raises(ModelFileError):
        load(path)

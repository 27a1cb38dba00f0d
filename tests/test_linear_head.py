"""The linear head is what it says: exact ridge, exact cross-validation, calibrated, and no TensorFlow."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge as SklearnRidge

from transferkit.errors import InvalidInputError
from transferkit.heads import LinearHead, TrainingData, _reduction
from transferkit.heads._reduction import Reduction
from transferkit.heads._ridge import PENALTIES, Ridge, patterns
from transferkit.heads.linear import FittedLinear
from transferkit.tasks import Classes, Values


def task_of(targets, n_classes):
    return Values(np.shape(targets)[1]) if n_classes is None else Classes(np.arange(n_classes))


def training(maps, targets, n_classes=None, *, weight=None, groups=None, seed=0, calibrate="auto"):
    n = len(targets)
    return TrainingData(
        [np.asarray(array, dtype=np.float32) for array in maps],
        np.asarray(targets),
        task_of(targets, n_classes),
        np.ones(n) if weight is None else np.asarray(weight, dtype=float),
        np.arange(n) if groups is None else np.asarray(groups),
        random_state=seed,
        progress=False,
        calibrate=calibrate,
    )


def toy_maps(n, shapes=((2, 2, 3), (1, 1, 5)), seed=0):
    """Maps of several layers: offsets and scales differ by channel, as those of a backbone do."""
    rng = np.random.default_rng(seed)
    maps = []
    for shape in shapes:
        scale, offset = np.exp(rng.normal(size=shape[-1])), rng.normal(size=shape[-1]) * 3
        maps.append((rng.normal(size=(n, *shape)) * scale + offset).astype(np.float32))
    return maps


def scaled_columns(maps, weight=None):
    """The documented scaling: centred columns, equal variance of channels and layers, mean squared norm 1."""
    columns = []
    for array in maps:
        array = np.asarray(array, dtype=np.float64)
        centred = array - np.average(array, axis=0, weights=weight)
        places = tuple(range(array.ndim - 2)) if array.ndim > 2 else ()
        variance = np.average(np.square(centred), axis=0, weights=weight).mean(axis=places)
        if not variance.any():
            columns.append(np.zeros((len(array), array[0].size)))
            continue
        centred /= np.sqrt(np.maximum(variance, 1e-3 * variance.mean()))
        flat = centred.reshape(len(array), -1)
        norm = np.average(np.square(flat).sum(axis=1), weights=weight)
        columns.append(flat / np.sqrt(norm * len(maps)))
    return np.concatenate(columns, axis=1)


def direct(rows, targets, penalty, weight=None):
    """Ridge by scikit-learn; its alpha weighs the sum of squared errors, ours their mean."""
    weight = np.ones(len(rows)) if weight is None else weight * len(rows) / weight.sum()
    return SklearnRidge(alpha=penalty * len(rows), solver="svd").fit(rows, targets, sample_weight=weight)


def level(weight):
    return weight * len(weight) / weight.sum()


# Ridge


@pytest.mark.parametrize(("n", "r"), [(40, 7), (7, 40), (12, 12)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [1e-4, 0.1, 10.0])
def test_solve_is_ridge_regression(n, r, weighted, penalty):
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(n, r)) + 5, rng.normal(size=(n, 3)) - 2
    weight = level(rng.uniform(0.1, 3, n)) if weighted else np.ones(n)
    coefficients, intercept = Ridge.decompose(rows, weight).solve(targets, penalty)
    expected = direct(rows, targets, penalty, weight)
    np.testing.assert_allclose(coefficients, expected.coef_.T, atol=1e-9)
    np.testing.assert_allclose(intercept, expected.intercept_, atol=1e-8)


GROUPS = {
    "rows": np.arange(24),
    "pairs": np.arange(24) // 2,
    "views": np.tile(np.arange(12), 2),
    "mixed": np.repeat([5, 1, 9, 2, 7], [1, 4, 4, 12, 3])[np.random.default_rng(0).permutation(24)],
}


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("r", [5, 60])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [1e-4, 0.03, 10.0])
def test_held_out_equals_fitting_again_without_each_group(groups, r, weighted, penalty):
    rng = np.random.default_rng(1)
    n = len(groups)
    rows, targets = rng.normal(size=(n, r)) + 1, rng.normal(size=(n, 2)) + 3
    weight = level(rng.uniform(0.2, 3, n)) if weighted else np.ones(n)
    expected = np.empty_like(targets)
    for group in np.unique(groups):
        out = groups == group
        # The penalty stays that of the whole sum: it weighs n rows, also when some are left out.
        model = SklearnRidge(alpha=penalty * n, solver="svd")
        model.fit(rows[~out], targets[~out], sample_weight=weight[~out])
        expected[out] = model.predict(rows[out])
    held = Ridge.decompose(rows, weight).held_out(targets, penalty, groups)
    np.testing.assert_allclose(held, expected, atol=1e-8)


def test_held_out_of_orthogonal_rows_takes_the_shortcut_and_is_exact(monkeypatch):
    rng = np.random.default_rng(2)
    rows = np.linalg.svd(rng.normal(size=(30, 30)) - 1)[0]
    rows = np.linalg.qr(rows - rows.mean(axis=0))[0][:, :20] * np.linspace(0.1, 3, 20)
    rows -= rows.mean(axis=0)
    turn = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    targets = rng.normal(size=(30, 2))
    turned = Ridge.decompose(rows @ turn, np.ones(30)).held_out(targets, 0.01, np.arange(30))
    monkeypatch.setattr("transferkit.heads._ridge.np.linalg.eigh", None)
    straight = Ridge.decompose(rows, np.ones(30))
    monkeypatch.undo()
    np.testing.assert_allclose(straight.held_out(targets, 0.01, np.arange(30)), turned, atol=1e-10)


def test_patterns_are_the_columns_that_miss_the_same_rows():
    targets = np.zeros((3, 4))
    targets[1, [0, 2]] = np.nan
    targets[:, 3] = np.nan
    found = {tuple(columns): tuple(present) for columns, present in patterns(targets)}
    assert found == {(0, 2): (0, 2), (1,): (0, 1, 2), (3,): ()}


# Reduction


@pytest.mark.parametrize(
    ("n", "shapes"),
    [(9, ((2, 2, 3), (1, 1, 5))), (9, ((3, 3, 4), (20,))), (50, ((2, 2, 3), (5,))), (17, ((2, 2, 3), (5,)))],
    ids=["gram", "gram_flat", "columns", "as_many"],
)
def test_reduction_keeps_inner_products_and_scales_as_documented(n, shapes):
    maps = toy_maps(n, shapes)
    rows = Reduction.fit(maps).rows
    columns = scaled_columns(maps)
    np.testing.assert_allclose(rows @ rows.T, columns @ columns.T, atol=2e-5)
    assert np.square(rows).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    assert rows.shape[1] <= min(n, columns.shape[1])


@pytest.mark.parametrize("n", [12, 80], ids=["gram", "columns"])
@pytest.mark.parametrize("penalty", [1e-3, 0.1])
def test_expanded_weights_are_ridge_on_the_scaled_columns(n, penalty):
    maps = toy_maps(n, ((2, 2, 3), (1, 1, 5), (6,)))
    targets = np.random.default_rng(3).normal(size=(n, 2)) + 7
    fitted = LinearHead(penalty=penalty).fit(training(maps, targets))
    columns = scaled_columns(maps)
    expected = direct(columns, targets, penalty).predict(columns)
    np.testing.assert_allclose(fitted.predict(maps), expected, atol=2e-5)


def test_new_rows_are_predicted_as_by_ridge_on_the_scaled_columns():
    maps = toy_maps(60, ((3, 3, 8), (10,)))
    train, new = [m[:40] for m in maps], [m[40:] for m in maps]
    targets = np.random.default_rng(3).normal(size=(40, 2))
    together = [np.concatenate([a, b]) for a, b in zip(train, new, strict=True)]
    means = [m.astype(float).mean(axis=0) for m in train]
    gains = np.concatenate([reduction_gain(m, len(train)) for m in train])
    flat = np.concatenate(
        [(m - mean).reshape(60, -1) for m, mean in zip(together, means, strict=True)], axis=1
    )
    expected = direct(flat[:40] * gains, targets, 0.01).predict(flat[40:] * gains)
    fitted = LinearHead(penalty=0.01).fit(training(train, targets))
    np.testing.assert_allclose(fitted.predict(new), expected, atol=2e-5)


def reduction_gain(array, n_layers):
    """One factor for each column, from the documented scaling of a single layer."""
    column = np.asarray(array, dtype=float).reshape(len(array), -1)
    centred = column - column.mean(axis=0)
    scaled = scaled_columns([array])
    return np.sqrt(np.square(scaled).sum(axis=0) / np.square(centred).sum(axis=0) / n_layers)


def test_dead_and_nearly_dead_channels_do_no_harm():
    maps = toy_maps(30, ((2, 2, 6), (4,)))
    maps[0][..., 0] = 0
    maps[0][..., 1] = 7.25
    maps[0][..., 2] = 0
    maps[0][3, 0, 0, 2] = 1e-3
    maps.append(np.full((30, 2, 2, 3), 5.0, dtype=np.float32))
    reduction = Reduction.fit(maps)
    assert np.isfinite(reduction.rows).all()
    columns = scaled_columns(maps)
    np.testing.assert_allclose(reduction.rows @ reduction.rows.T, columns @ columns.T, atol=2e-5)
    targets = np.random.default_rng(0).normal(size=(30, 1))
    fitted = LinearHead(penalty=0.1).fit(training(maps, targets))
    assert np.isfinite(fitted.weights).all()
    shifted = [array.copy() for array in maps]
    shifted[-1] += 3  # a layer that never varied says nothing
    np.testing.assert_allclose(fitted.predict(shifted), fitted.predict(maps), atol=1e-5)


def test_landmarks_lose_nothing_where_they_span_the_rows(monkeypatch):
    rng = np.random.default_rng(0)
    # 6 dimensions in 80 columns; 30 landmarks span them.
    maps = [(rng.normal(size=(60, 6)) @ rng.normal(size=(6, 80)) + 2).astype(np.float32)]
    targets = rng.normal(size=(60, 2))
    exact = LinearHead(penalty=0.01).fit(training(maps, targets)).predict(maps)
    monkeypatch.setattr(_reduction, "EXACT_ROWS", 30)
    monkeypatch.setattr(_reduction, "LANDMARKS", 30)
    near = LinearHead(penalty=0.01).fit(training(maps, targets))
    assert Reduction.fit(maps).rows.shape[1] == 6
    np.testing.assert_allclose(near.predict(maps), exact, atol=1e-4)


def test_landmarks_are_nearly_as_accurate_where_they_do_not(monkeypatch):
    maps, labels = blobs(600, 100, separation=0.35)
    train, test = slice(0, 400), slice(400, 600)
    data = training([maps[0][train]], labels[train], 2)

    def accuracy():
        logits = LinearHead().fit(data).predict([maps[0][test]])[:, 0]
        return np.mean((logits > 0) == labels[test])

    exact = accuracy()
    monkeypatch.setattr(_reduction, "EXACT_ROWS", 60)
    monkeypatch.setattr(_reduction, "LANDMARKS", 60)
    assert exact > 0.8
    assert accuracy() > exact - 0.1
    assert Reduction.fit(data.maps, 0).rows.shape[1] <= 60
    other = Reduction.fit(data.maps, 1).rows
    assert not np.array_equal(Reduction.fit(data.maps, 0).rows, other)


# Classes


def blobs(n, d, n_classes=2, separation=0.5, seed=0):
    """Rows of normal noise around one centre for each class; the first n_classes rows have one each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_classes, d))
    centres *= separation * np.sqrt(d / 10) / np.linalg.norm(centres, axis=1, keepdims=True) * 5
    labels = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    return [(rng.normal(size=(n, d)) + centres[labels]).astype(np.float32)], labels


def as_probabilities(logits):
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_it_learns_classes(n_classes):
    maps, labels = blobs(400, 30, n_classes, separation=0.6)
    fitted = LinearHead().fit(training([maps[0][:200]], labels[:200], n_classes))
    logits = fitted.predict([maps[0][200:]])
    assert logits.shape == (200, 1 if n_classes == 2 else n_classes)
    assert np.mean(as_probabilities(logits).argmax(axis=1) == labels[200:]) > 0.85


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("d", [8, 500], ids=["narrow", "wide"])
def test_probabilities_are_calibrated_on_new_rows(n_classes, d):
    """Labels drawn from known probabilities; a wide head that saw its answers would be far too sure."""
    rng = np.random.default_rng(5)
    n_train, n_test = 400, 4000
    x = rng.normal(size=(n_train + n_test, d))
    truth = as_probabilities(1.2 * x[:, : n_classes if n_classes > 2 else 1])
    draws = (rng.uniform(size=(len(x), 1)) > truth.cumsum(axis=1)).sum(axis=1)
    labels = np.minimum(draws, n_classes - 1)
    fitted = LinearHead().fit(training([x[:n_train]], labels[:n_train], n_classes))
    found = as_probabilities(fitted.predict([x[n_train:].astype(np.float32)]))
    answers = labels[n_train:]
    errors = []
    for k in range(n_classes):
        for rows in np.array_split(np.argsort(found[:, k]), 10):
            errors.append(abs(found[rows, k].mean() - np.mean(answers[rows] == k)))
    assert np.mean(errors) < 0.06
    loss = -np.log(found[np.arange(n_test), answers]).mean()
    prior = np.bincount(labels[:n_train]) / n_train
    assert loss < -np.log(prior[answers]).mean() + 0.02


def test_sample_weight_is_the_same_as_repeated_rows():
    maps, labels = blobs(40, 6, 3, separation=0.3)
    counts = np.random.default_rng(0).integers(1, 4, 40)
    again = np.repeat(np.arange(40), counts)
    weighted, repeated = (Ridge.decompose(*args) for args in [
        (maps[0].astype(float), level(counts.astype(float))),
        (maps[0][again].astype(float), np.ones(len(again))),
    ])  # fmt: skip
    codes = np.eye(3)[labels]
    for a, b in zip(weighted.solve(codes, 0.1), repeated.solve(codes[again], 0.1), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    held = weighted.held_out(codes, 0.1, np.arange(40))
    twin = repeated.held_out(codes[again], 0.1, again)
    np.testing.assert_allclose(held[again], twin, atol=1e-8)


def test_sample_weight_moves_the_decision_and_its_scale_does_not():
    maps, labels = blobs(200, 5, 2, separation=0.15)
    plain = LinearHead().fit(training(maps, labels, 2)).predict(maps)
    weight = np.where(labels == 1, 9.0, 1.0)
    heavy = LinearHead().fit(training(maps, labels, 2, weight=weight)).predict(maps)
    assert np.mean(heavy > 0) > np.mean(plain > 0) + 0.1
    same = LinearHead(penalty=0.1).fit(training(maps, labels, 2, weight=np.full(200, 7.0))).predict(maps)
    np.testing.assert_allclose(
        same, LinearHead(penalty=0.1).fit(training(maps, labels, 2)).predict(maps), rtol=0.02, atol=0.02
    )


@pytest.mark.parametrize("n_classes", [None, 2, 3])
def test_the_penalty_is_the_best_of_its_own_history(n_classes):
    maps, labels = blobs(80, 60, n_classes or 2, separation=0.3)
    targets = labels if n_classes else labels[:, None] + np.random.default_rng(0).normal(size=(80, 2))
    fitted = LinearHead().fit(training(maps, targets, n_classes))
    error = "squared_error" if n_classes else "absolute_error"
    assert [row["penalty"] for row in fitted.history] == list(PENALTIES)
    errors = [row[error] for row in fitted.history]
    assert fitted.penalty == PENALTIES[int(np.argmin(errors))]
    assert min(errors) < errors[0]
    assert min(errors) < errors[-1]


def test_the_history_is_that_of_the_held_out_predictions():
    maps, labels = blobs(50, 8, 2, separation=0.2)
    history = LinearHead(penalty=0.1).fit(training(maps, labels, 2)).history
    columns = scaled_columns(maps)
    held = np.empty(50)
    for i in range(50):
        rest = np.arange(50) != i
        model = SklearnRidge(alpha=0.1 * 50).fit(columns[rest], 2.0 * labels[rest] - 1)
        held[i] = model.predict(columns[i : i + 1])[0]
    (row,) = history
    assert row["squared_error"] == pytest.approx(np.mean((held - (2 * labels - 1)) ** 2), abs=1e-5)
    assert row["accuracy"] == pytest.approx(np.mean((held > 0) == labels))


@pytest.mark.parametrize("n_classes", [None, 2])
def test_groups_keep_copies_out_of_the_choice_of_the_penalty(n_classes):
    """With two copies of each row in different folds, learning by heart looks perfect."""
    maps, labels = blobs(60, 200, 2, separation=0, seed=2)
    noise = np.random.default_rng(1).normal(size=(60, 1))
    targets = labels if n_classes else noise
    twice = [np.concatenate([m, m]) for m in maps]
    both = np.concatenate([targets, targets])
    groups = np.tile(np.arange(60), 2)
    alone = LinearHead().fit(training(maps, targets, n_classes)).penalty
    grouped = LinearHead().fit(training(twice, both, n_classes, groups=groups)).penalty
    parted = LinearHead().fit(training(twice, both, n_classes)).penalty
    assert grouped == alone
    assert parted < grouped / 100


def test_labels_without_any_signal_get_no_confidence():
    """Held-out scores lean against a row's own class; calibration must not take that for a signal."""
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(60, 300)).astype(np.float32), np.arange(60) % 2
    new = rng.normal(size=(500, 300)).astype(np.float32)
    found = as_probabilities(LinearHead().fit(training([x], labels, 2)).predict([new]))
    assert np.abs(found - 0.5).mean() < 0.15


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_training_rows_of_weak_signal_are_never_turned_around(seed, n_classes):
    maps, labels = blobs(4 * n_classes, 50, n_classes, separation=0.1, seed=seed)
    found = LinearHead().fit(training(maps, labels, n_classes)).predict(maps)
    assert np.mean(as_probabilities(found).argmax(axis=1) == labels) >= 0.5


# Regression with missing values


@pytest.mark.parametrize("n", [15, 80], ids=["gram", "columns"])
def test_each_column_learns_from_the_rows_it_has(n):
    maps = toy_maps(n, ((2, 2, 6), (8,)))
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(n, 4)) + np.array([0, 5, -3, 1])
    targets[rng.uniform(size=n) < 0.4, 1] = np.nan
    targets[rng.uniform(size=n) < 0.4, 2] = np.nan
    found = LinearHead(penalty=0.02).fit(training(maps, targets)).predict(maps)
    columns = scaled_columns(maps)
    for k in range(4):
        present = np.isfinite(targets[:, k])
        alone = direct(columns[present], targets[present, k], 0.02).predict(columns)
        np.testing.assert_allclose(found[:, k], alone, atol=2e-5)


def test_columns_that_miss_values_do_not_change_the_others():
    maps = toy_maps(30)
    targets = np.random.default_rng(0).normal(size=(30, 3))
    full = LinearHead(penalty=0.1).fit(training(maps, targets)).predict(maps)
    targets[::3, 1] = np.nan
    holes = LinearHead(penalty=0.1).fit(training(maps, targets)).predict(maps)
    np.testing.assert_allclose(holes[:, [0, 2]], full[:, [0, 2]], atol=1e-5)
    assert np.abs(holes[:, 1] - full[:, 1]).max() > 1e-3


def test_a_column_with_one_value_predicts_it():
    maps = toy_maps(10)
    targets = np.random.default_rng(0).normal(size=(10, 2))
    targets[:, 1] = np.nan
    targets[4, 1] = 12.5
    found = LinearHead().fit(training(maps, targets)).predict(maps)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 1], 12.5, atol=1e-6)


def test_weights_count_in_a_regression_too():
    maps = toy_maps(40)
    rng = np.random.default_rng(0)
    targets, weight = rng.normal(size=(40, 2)), rng.uniform(0.1, 5, 40)
    targets[3, 0] = np.nan
    found = LinearHead(penalty=0.1).fit(training(maps, targets, weight=weight)).predict(maps)
    columns = scaled_columns(maps, weight)
    for k in range(2):
        present = np.isfinite(targets[:, k])
        alone = direct(columns[present], targets[present, k], 0.1, weight[present]).predict(columns)
        np.testing.assert_allclose(found[:, k], alone, atol=2e-5)


# Sample weights


def weighted_cases():
    """Maps in each branch of the reduction, with targets, and weights 0, 1 and 2."""
    rng = np.random.default_rng(4)
    for n, shapes in ((30, ((2, 2, 6), (40,))), (60, ((2, 2, 3), (5,)))):
        maps = toy_maps(n, shapes)
        values = rng.normal(size=(n, 3))
        values[2, 1] = values[5] = np.nan
        labels = rng.permutation(np.arange(n) % 3)
        maps[0][..., :3] += 2 * np.eye(3, dtype=np.float32)[labels][:, None, None]
        for targets, n_classes in ((values, None), (labels, 3), (labels % 2, 2)):
            yield maps, targets, n_classes


@pytest.mark.parametrize("case", list(weighted_cases()))
@pytest.mark.parametrize("penalty", [0.05, None])
def test_a_row_of_weight_zero_is_as_if_left_out(case, penalty):
    maps, targets, n_classes = case
    n = len(targets)
    out = np.arange(n) % 7 == 3
    spoiled = [np.where(out.reshape(n, *[1] * (m.ndim - 1)), 1 - 2 * m, m).astype(np.float32) for m in maps]
    groups = np.arange(n) // 2
    weighted = LinearHead(penalty).fit(
        training(spoiled, targets, n_classes, weight=np.where(out, 0.0, 1.0), groups=groups)
    )
    without = LinearHead(penalty).fit(
        training([m[~out] for m in maps], targets[~out], n_classes, groups=groups[~out])
    )
    assert weighted.penalty == without.penalty
    answers = (lambda outputs: outputs) if n_classes is None else as_probabilities
    found, expected = (answers(fitted.predict(maps)) for fitted in (weighted, without))
    # Tiny penalties, which may be chosen for few rows, magnify the rounding of float32.
    atol = 1e-6 if penalty else 1e-4
    np.testing.assert_allclose(found, expected, atol=atol)
    np.testing.assert_allclose(weighted.held_out[~out], without.held_out, atol=atol)


@pytest.mark.parametrize("case", list(weighted_cases()))
@pytest.mark.parametrize("penalty", [0.05, None])
def test_a_row_of_weight_two_is_as_if_doubled(case, penalty):
    maps, targets, n_classes = case
    n = len(targets)
    weight = np.where(np.arange(n) % 7 == 3, 2.0, 1.0)
    again = np.repeat(np.arange(n), weight.astype(int))
    weighted, doubled = [], []
    for calibrate in (None, "auto"):
        settings = {"n_classes": n_classes, "calibrate": calibrate}
        weighted.append(LinearHead(penalty).fit(training(maps, targets, weight=weight, **settings)))
        twice = training([m[again] for m in maps], targets[again], groups=again, **settings)
        doubled.append(LinearHead(penalty).fit(twice))
    assert weighted[0].penalty == doubled[0].penalty
    np.testing.assert_allclose(weighted[0].held_out[again], doubled[0].held_out, atol=1e-6)
    found, expected = ([head.predict(maps) for head in heads] for heads in (weighted, doubled))
    if n_classes is None:
        np.testing.assert_allclose(found, expected, atol=1e-6)
        return
    # Not exact: the prior of the calibration counts as one row, and the others as one each on average,
    # since only the ratios of weights count.
    np.testing.assert_allclose(as_probabilities(found[0]), as_probabilities(expected[0]), atol=0.005)
    # The prior of the temperature counts the more, the fewer rows there are: 35 are here for 40.
    np.testing.assert_allclose(as_probabilities(found[1]), as_probabilities(expected[1]), atol=0.015)


def test_a_row_of_weight_zero_has_a_held_out_prediction():
    maps, targets = toy_maps(30), np.random.default_rng(0).normal(size=(30, 2))
    weight = np.where(np.arange(30) < 4, 0.0, 1.0)
    fitted = LinearHead(penalty=0.1).fit(training(maps, targets, weight=weight))
    np.testing.assert_allclose(fitted.held_out[:4], fitted.predict(maps)[:4], atol=1e-5)
    assert np.abs(fitted.held_out - targets).min() > 1e-6


def test_the_penalty_of_a_regression_is_the_best_for_the_weighted_error():
    maps, targets = toy_maps(50), np.random.default_rng(0).normal(size=(50, 2))
    targets[:3, 1] = np.nan
    weight = np.random.default_rng(1).uniform(0, 3, 50)
    targets[:, 1] *= 1000  # each has a unit of its own
    fitted = LinearHead().fit(training(maps, targets, weight=weight))
    gaps = np.abs(fitted.held_out - targets)
    present = np.isfinite(gaps)
    for gap, column, there in zip(gaps.T, targets.T, present.T, strict=True):
        mean = np.average(column[there], weights=weight[there])
        gap /= np.sqrt(np.average((column[there] - mean) ** 2, weights=weight[there]))
    expected = np.average(gaps[present], weights=np.repeat(weight[:, None], 2, axis=1)[present])
    best = min(fitted.history, key=lambda row: row["absolute_error"])
    assert best["penalty"] == fitted.penalty
    assert best["absolute_error"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_classes", [None, 2, 3])
def test_equal_weights_of_any_size_change_nothing(n_classes):
    maps, labels = blobs(60, 20, n_classes or 2, separation=0.3)
    targets = labels if n_classes else labels[:, None] + np.random.default_rng(0).normal(size=(60, 2))
    plain = LinearHead().fit(training(maps, targets, n_classes))
    equal = LinearHead().fit(training(maps, targets, n_classes, weight=np.full(60, 0.3)))
    for one, two in zip(plain.history, equal.history, strict=True):
        assert two == pytest.approx(one, rel=1e-12)
    np.testing.assert_allclose(equal.predict(maps), plain.predict(maps), atol=1e-12)


def test_a_column_whose_rows_weigh_nothing_is_as_if_missing():
    maps, targets = toy_maps(12), np.random.default_rng(0).normal(size=(12, 2))
    targets[3:, 1] = np.nan
    weight = np.where(np.arange(12) < 3, 0.0, 1.0)
    found = LinearHead().fit(training(maps, targets, weight=weight)).predict(maps)
    np.testing.assert_array_equal(found[:, 1], 0)


# What holds always


@pytest.mark.parametrize("n_classes", [None, 2, 3])
def test_two_fits_are_equal_and_a_prediction_does_not_depend_on_its_batch(n_classes):
    maps, labels = blobs(90, 300, n_classes or 2)
    targets = labels if n_classes else labels[:, None] * [1.0, 2.0]
    data = training(maps, targets, n_classes)
    one, two = LinearHead().fit(data), LinearHead().fit(data)
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.intercept, two.intercept)
    assert one.history == two.history
    whole = one.predict(maps)
    for size in (1, 7, 32):
        parts = [one.predict([maps[0][i : i + size]]) for i in range(0, 90, size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-5)
    assert one.predict([maps[0][:0]]).shape == (0, whole.shape[1])


def test_the_callers_arrays_are_left_alone():
    maps, labels = blobs(20, 50)
    before = maps[0].copy()
    LinearHead().fit(training(maps, labels, 2)).predict(maps)
    assert np.array_equal(maps[0], before)


factors = st.floats(1e-3, 1e3)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(6, 24), factor=factors, offset=st.floats(-10, 10), kind=st.sampled_from([None, 2, 3]),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_scaling_or_shifting_a_layer_changes_no_prediction(n, factor, offset, kind, seed):
    maps = toy_maps(n, ((2, 2, 3), (4,)), seed)
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(n, 2)) if kind is None else rng.permutation(np.arange(n) % kind)
    other = [maps[0] * np.float32(factor), maps[1] + np.float32(offset)]
    found = LinearHead(penalty=0.1).fit(training(maps, targets, kind)).predict(maps)
    again = LinearHead(penalty=0.1).fit(training(other, targets, kind)).predict(other)
    np.testing.assert_allclose(again, found, rtol=1e-3, atol=2e-3)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(n=st.integers(6, 40), kind=st.sampled_from([None, 2, 3]), seed=st.integers(0, 99))
def test_the_order_of_rows_and_the_numbers_of_groups_mean_nothing(n, kind, seed):
    maps = toy_maps(n, ((2, 2, 3), (4,)), seed)
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(n, 2)) if kind is None else rng.permutation(np.arange(n) % kind)
    groups = rng.integers(0, n, n)
    weight = rng.uniform(0.5, 2, n)
    order = rng.permutation(n)
    data = training(maps, targets, kind, weight=weight, groups=groups)
    mixed = training(
        [m[order] for m in maps], targets[order], kind, weight=weight[order], groups=(7 * groups + 3)[order]
    )
    found = LinearHead(penalty=0.1).fit(data).predict(maps)
    np.testing.assert_allclose(LinearHead(penalty=0.1).fit(mixed).predict(maps), found, rtol=1e-3, atol=2e-3)


# Edges


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("width", [1, 40])
def test_one_row_for_each_class_is_enough_to_find_it_again(n_classes, width):
    maps = [(10.0 * np.eye(n_classes, width) if width > 1 else 3.0 * np.arange(n_classes)[:, None])]
    maps = [np.asarray(maps[0], dtype=np.float32)]
    logits = LinearHead().fit(training(maps, np.arange(n_classes), n_classes)).predict(maps)
    assert np.isfinite(logits).all()
    found = as_probabilities(logits).argmax(axis=1)
    assert found.tolist() == list(range(n_classes)) if width > 1 or n_classes == 2 else len(set(found)) > 1


def test_one_row_in_a_class():
    maps, labels = blobs(40, 10, 2, separation=1)
    labels = np.zeros(40, dtype=int)
    maps[0][0] += 8
    labels[0] = 1
    logits = LinearHead().fit(training(maps, labels, 2)).predict(maps)
    assert np.isfinite(logits).all()
    assert logits[:, 0].argmax() == 0


@pytest.mark.parametrize("unit", [1e-25, 1e-20, 1e20, 1e30])
@pytest.mark.parametrize("weight", [None, np.arange(40) % 3 + 1.0], ids=["equal", "weights"])
def test_features_in_any_unit_are_learned(unit, weight):
    """Their squares have no place in single precision."""
    (features,), labels = blobs(40, 6)
    fitted = LinearHead().fit(training([features], labels, 2, weight=weight))
    other = LinearHead().fit(training([features * np.float32(unit)], labels, 2, weight=weight))
    assert other.penalty == fitted.penalty
    found, expected = other.predict([features * np.float32(unit)]), fitted.predict([features])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("large", [1e3, 1e6])
def test_a_column_in_another_unit_hides_no_others(large):
    (features,), labels = blobs(60, 30)
    mixed = features * np.where(np.arange(30) == 0, large, 1).astype(np.float32)
    expected = LinearHead().fit(training([features], labels, 2)).predict([features])
    found = LinearHead().fit(training([mixed], labels, 2)).predict([mixed])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_a_channel_that_is_nearly_always_0_is_not_amplified():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 10)).astype(np.float32)
    features[:, 0] = 0
    features[7, 0] = 0.01
    reduced = Reduction.fit([features]).rows
    assert np.abs(reduced[7, 0]) < 0.2 * np.abs(reduced[:, 1:]).max()


@pytest.mark.parametrize("n_classes", [None, 2, 3])
@pytest.mark.parametrize("width", [3, 100])
def test_constant_features_predict_the_average(n_classes, width):
    maps = [np.full((30, width), 4.0, dtype=np.float32)]
    labels = np.concatenate([np.zeros(20, dtype=int), np.arange(10) % (n_classes or 2)])
    targets = labels if n_classes else np.arange(30.0)[:, None]
    found = LinearHead().fit(training(maps, targets, n_classes)).predict(maps)
    if n_classes is None:
        np.testing.assert_allclose(found, 14.5, atol=1e-6)
    else:
        shares = np.bincount(labels) / 30
        np.testing.assert_allclose(as_probabilities(found), np.tile(shares, (30, 1)), atol=0.05)


def test_two_rows_of_a_regression():
    maps = toy_maps(2)
    found = LinearHead().fit(training(maps, np.array([[1.0], [3.0]]))).predict(maps)
    assert np.isfinite(found).all()
    assert 1 - 1e-3 <= found[0, 0] <= found[1, 0] <= 3 + 1e-3


@pytest.mark.parametrize("n_classes", [None, 2])
def test_one_group_of_all_rows_still_gives_a_model(n_classes):
    maps, labels = blobs(30, 50)
    targets = labels if n_classes else labels[:, None].astype(float)
    fitted = LinearHead().fit(training(maps, targets, n_classes, groups=np.zeros(30, dtype=int)))
    assert np.isfinite(fitted.predict(maps)).all()


def test_a_class_that_counts_nothing_is_no_error():
    maps, labels = blobs(30, 5)
    fitted = LinearHead().fit(training(maps, labels, 2, weight=np.where(labels == 0, 1.0, 0.0)))
    assert np.isfinite(fitted.predict(maps)).all()


@pytest.mark.parametrize(
    "penalty", [0, -1, float("nan"), float("inf"), "small", True, [0.1]], ids=lambda value: repr(value)
)
def test_what_cannot_be_a_penalty_is_refused(penalty):
    with pytest.raises(InvalidInputError, match="penalty must be positive, or None") as caught:
        LinearHead(penalty=penalty)
    assert repr(penalty) in str(caught.value)


def test_numpy_numbers_are_penalties():
    assert LinearHead(penalty=np.float64(0.1)) == LinearHead(penalty=0.1)


@pytest.mark.slow
def test_no_warning_and_no_tensorflow():
    code = (
        "import sys, numpy as np\n"
        "from transferkit.heads import LinearHead, TrainingData\n"
        "x = np.random.default_rng(0).normal(size=(20, 30)).astype('f')\n"
        "from transferkit.tasks import Classes\n"
        "task = Classes(np.arange(2))\n"
        "data = TrainingData([x], np.arange(20) % 2, task, np.ones(20), np.arange(20))\n"
        "LinearHead().fit(data).predict([x])\n"
        "print([m for m in ('tensorflow', 'keras', 'torch', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_separable_classes_give_no_warning():
    maps, labels = blobs(100, 400, 4, separation=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = LinearHead().fit(training(maps, labels, 4))
    assert (fitted.predict(maps).argmax(axis=1) == labels).all()


def test_layers_have_their_shares_in_the_products_of_rows():
    generator = np.random.default_rng(0)
    maps = [
        generator.normal(size=(40, 3, 3, 20)).astype(np.float32),
        generator.normal(size=(40, 500)).astype(np.float32),
    ]
    products = [_reduction.products_of(array) for array in maps]
    assert [np.trace(product) for product in products] == pytest.approx([40, 40], rel=1e-4)
    for shares in ((0.5, 0.5), (0.9, 0.1)):
        rows = _reduction.Reduction.fit(maps, 0, shares).rows
        expected = sum(share * product for share, product in zip(shares, products, strict=True))
        np.testing.assert_allclose(rows @ rows.T, expected, atol=1e-4)
        again, _ = _reduction.rows_of(expected)
        np.testing.assert_allclose(again @ again.T, expected, atol=1e-6)
    np.testing.assert_array_equal(
        _reduction.Reduction.fit(maps).rows, _reduction.Reduction.fit(maps, 0, (0.5, 0.5)).rows
    )


@pytest.mark.parametrize("n", [1, 8, 9])
def test_few_rows_are_multiplied_in_parts(n):
    """Their weights are converted to double precision a part at a time."""
    rng = np.random.default_rng(0)
    weights, intercept = rng.normal(size=(1200, 136)).astype(np.float32), rng.normal(size=136)
    fitted = FittedLinear(weights, intercept, penalty=1.0)
    maps = [rng.normal(size=(n, 2, 2, 250)).astype(np.float32), rng.normal(size=(n, 200)).astype(np.float32)]
    rows = np.concatenate([array.reshape(n, -1) for array in maps], axis=1).astype(np.float64)
    np.testing.assert_allclose(
        fitted.predict(maps), rows @ weights.astype(np.float64) + intercept, rtol=1e-10
    )

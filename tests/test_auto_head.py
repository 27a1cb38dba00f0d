"""AutoHead: the layers that carry the signal, found on training rows alone."""

from dataclasses import replace

import numpy as np
import pytest

from transferkit.heads import AutoHead, LinearHead, TrainingData, sample_rows
from transferkit.heads import auto as auto_module
from transferkit.tasks import Classes, Values


def make(n=300, signal=1, n_classes=2, seed=0):
    """Four layers of noise, one of which carries the class."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, n_classes, n)
    maps = [generator.normal(size=(n, 3, 3, 40)).astype(np.float32) for _ in range(4)]
    maps[signal][:, 1, 1, :6] += np.eye(n_classes)[targets][:, np.arange(6) % n_classes]
    return TrainingData(maps, targets, Classes(np.arange(n_classes)), np.ones(n), np.arange(n))


def chosen(fitted):
    """Return the row of what was fitted, which is one."""
    (row,) = [row for row in fitted.history if row["chosen"]]
    return row


@pytest.mark.parametrize("signal", [0, 1, 2, 3])
def test_the_layer_with_the_signal_is_found(signal):
    data = make(signal=signal)
    fitted = AutoHead().fit(data)
    row = chosen(fitted)
    shares = dict(zip(row["layers"], row["shares"], strict=True))
    assert shares[signal] > 0.75
    assert sum(shares.values()) == pytest.approx(1)
    # Nearly as good as that layer alone, on other rows.
    new = make(signal=signal, seed=9)
    alone = LinearHead().fit(replace(data, maps=[data.maps[signal]]))
    right = [
        (head.predict(maps).argmax(axis=1) == new.targets).mean()
        for head, maps in ((fitted, new.maps), (alone, [new.maps[signal]]))
    ]
    assert right[0] >= right[1] - 0.03


def test_what_is_fitted_is_the_last_row_and_has_its_shares():
    data = make(n=120, seed=1)
    data.maps[1][:] = np.random.default_rng(3).normal(size=data.maps[1].shape)  # nothing but noise
    fitted = AutoHead().fit(data)
    row = chosen(fitted)
    assert len(fitted.history) == 17
    assert row is fitted.history[-1]
    assert row["why"] == "the mean of the 3 with the least error"
    best = sorted(fitted.history[:-1], key=lambda each: each["squared_error"])[:3]
    for layer, share in zip(row["layers"], row["shares"], strict=True):
        shares = [dict(zip(each["layers"], each["shares"], strict=True)).get(layer, 0.0) for each in best]
        assert share == pytest.approx(np.mean(shares))
    part = replace(data, maps=[data.maps[i] for i in row["layers"]])
    expected = LinearHead().fit(part, shares=row["shares"])
    np.testing.assert_allclose(fitted.predict(data.maps), expected.predict(part.maps), atol=1e-5)


def test_all_layers_where_all_carry_some():
    data = make(seed=1)
    generator = np.random.default_rng(2)
    data.maps[1][:] = generator.normal(size=data.maps[1].shape)
    for layer in data.maps:
        layer[:, 0, 0, :2] += generator.normal(0.6, 0.1) * (2 * data.targets[:, None] - 1)
    fitted = AutoHead().fit(data)
    assert chosen(fitted)["layers"] == (0, 1, 2, 3)
    assert np.any(fitted.weights.reshape(4, 360, -1), axis=(1, 2)).all()


def test_selection_takes_a_sample_with_every_class(monkeypatch):
    data = make(n=400, n_classes=3)
    monkeypatch.setattr(auto_module, "_SELECTION_ROWS", 60)
    rows = sample_rows(data, 60)
    assert 55 <= len(rows) <= 65
    assert len(np.unique(data.targets[rows])) == 3
    grouped = TrainingData(data.maps, data.targets, data.task, data.sample_weight, np.arange(400) // 2)
    rows = sample_rows(grouped, 60)
    counts = np.bincount(grouped.groups[rows])
    assert set(counts) <= {0, 2}  # groups come whole
    assert AutoHead().fit(data).weights.shape == (4 * 360, 3)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_rows_of_weight_zero_have_no_part_in_the_choice(kind):
    """The other half of the rows has its signal in another layer."""
    one, two = make(n=150, signal=1), make(n=150, signal=3, seed=1)
    maps = [np.concatenate(pair) for pair in zip(one.maps, two.maps, strict=True)]
    targets = np.concatenate([one.targets, two.targets])
    data = TrainingData(maps, targets, one.task, np.ones(300), np.arange(300))
    if kind == "values":
        data, one = (
            replace(part, targets=part.targets[:, None].astype(float), task=Values(1)) for part in (data, one)
        )
    weight = np.repeat([1.0, 0.0], 150)
    weighted, alone = AutoHead().fit(replace(data, sample_weight=weight)), AutoHead().fit(one)
    for row, expected in zip(weighted.history, alone.history, strict=True):
        assert row["chosen"] == expected["chosen"]
        assert row["gain"] == pytest.approx(expected["gain"], abs=1e-6)
        assert row["standard_error"] == pytest.approx(expected["standard_error"], abs=1e-6)
    np.testing.assert_allclose(weighted.predict(maps), alone.predict(maps), atol=1e-4)


def test_the_sample_has_no_rows_of_weight_zero():
    data = make(n=400)
    weight = np.where(np.arange(400) < 200, 0.0, 1.0)
    rows = sample_rows(replace(data, sample_weight=weight), 60)
    assert 55 <= len(rows) <= 65
    assert rows.min() >= 200


def test_one_layer_and_values():
    data = make()
    one = TrainingData(data.maps[:1], data.targets, data.task, data.sample_weight, data.groups)
    np.testing.assert_array_equal(AutoHead().fit(one).weights, LinearHead().fit(one).weights)
    targets = data.maps[2][:, 1, 1, :2].astype(float)
    values = TrainingData(data.maps, targets, Values(2), data.sample_weight, data.groups)
    fitted = AutoHead().fit(values)
    row = chosen(fitted)
    assert dict(zip(row["layers"], row["shares"], strict=True))[2] > 0.75


def test_the_sample_is_of_rows_with_a_target():
    """Of 300 images with 40 numbers, 60 random ones had eight to choose layers by."""
    data = make()
    targets = np.where(np.arange(300)[:, None] < 40, np.arange(300.0)[:, None], np.nan)
    rows = sample_rows(replace(data, targets=targets, task=Values(1)), 60)
    assert np.array_equal(rows, np.arange(40))

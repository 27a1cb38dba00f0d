"""Heads that are Keras networks: they learn, mask, stop and repeat as they say."""

from __future__ import annotations

import functools
import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transferkit import Classifier, KeypointRegressor
from transferkit.errors import InvalidInputError
from transferkit.heads import (
    HEADS,
    AutoHead,
    ConvHead,
    KeypointMapHead,
    LinearHead,
    MLPHead,
    ScoreMapHead,
    TrainingData,
    Validation,
    _network,
    _training,
    get_head,
    head_from_dict,
    head_to_dict,
)
from transferkit.tasks import Classes, Points, Values

CONV = ConvHead(filters=4, hidden=8, dropout=0.2, epochs=3, batch_size=16, patience=None)
MLP = MLPHead(hidden=8, dropout=0.2, epochs=3, batch_size=16, patience=None)
SMALL = {"conv": CONV, "mlp": MLP, "mlp_all": replace(MLP, batch_norm=True, l2=0.01, pool=False)}

# Keras compiles for seconds before each fit: the quick form is one pair of head and task. Networks do not
# depend on the loss, nor losses on the network: the slow form has each with one or two of the others.
PAIRS = {
    ("mlp_all", 2): (),
    ("mlp_all", None): pytest.mark.slow,
    ("conv", None): pytest.mark.slow,
    ("conv", 3): pytest.mark.slow,
    ("mlp", 2): pytest.mark.slow,
}
pairs = pytest.mark.parametrize(
    ("name", "n_classes"),
    [
        pytest.param(name, n_classes, marks=PAIRS.get((name, n_classes), pytest.mark.full))
        for name in SMALL
        for n_classes in (None, 2, 3)
    ],
)


def toy(n=48, n_classes=2, *, shape=(4, 4, 6), seed=0, missing=False, **more):
    """Maps in which a few channels tell the answer."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(n, *shape)).astype(np.float32)
    if n_classes is None:
        targets = rng.uniform(-1, 1, size=(n, 2))
        maps[..., :2] += 3 * targets[:, None, None]
        targets = targets * 4 + [5, -2]
        targets = np.where(rng.uniform(size=targets.shape) < 0.2, np.nan, targets) if missing else targets
    else:
        targets = rng.permutation(np.arange(n) % n_classes)
        maps[..., :n_classes] += 2 * np.eye(n_classes, dtype=np.float32)[targets][:, None, None]
    values = {"sample_weight": np.ones(n), "groups": np.arange(n), "progress": False} | more
    task = Values(2) if n_classes is None else Classes(np.arange(n_classes))
    return TrainingData([maps * 3 + 1], targets, task, **values)


def weights_equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one.weights, two.weights, strict=True))


def scale_constants(fitted):
    return [*fitted.scales[0], np.asarray(fitted.target_scale[0]), np.asarray(fitted.target_scale[1])]


@functools.cache
def fitted_alone(name, n_classes):
    """One fit without validation rows, shared by the tests that compare others with it."""
    return SMALL[name].fit(toy(48, n_classes, random_state=3))


# Learning


@pytest.mark.parametrize(
    ("name", "n_classes"),
    [
        *(
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in [("conv", 3), ("conv", None), ("mlp", 2), ("mlp", None)]
        ),
        *(pytest.param(*pair, marks=pytest.mark.full) for pair in [("conv", 2), ("mlp", 3)]),
    ],
)
def test_it_learns(name, n_classes):
    head = replace(SMALL[name], epochs=12, learning_rate=0.02)
    fitted = head.fit(toy(96, n_classes, missing=True))
    new = toy(60, n_classes, seed=1)
    found = fitted.predict(new.maps)
    assert found.dtype == np.float64
    if n_classes is None:
        spread = np.abs(new.targets - np.median(new.targets, axis=0)).mean()
        assert np.abs(found - new.targets).mean() < 0.5 * spread
    else:
        guess = (found[:, 0] > 0).astype(int) if n_classes == 2 else found.argmax(axis=1)
        assert found.shape == (60, 1 if n_classes == 2 else n_classes)
        assert np.mean(guess == new.targets) > 0.9


@pytest.mark.parametrize("n_classes", [2, pytest.param(None, marks=pytest.mark.slow)])
def test_the_history_is_a_list_of_rows(n_classes):
    data = toy(48, n_classes)
    held = toy(20, n_classes, seed=1)
    fitted = MLP.fit(replace(data, validation=Validation(held.maps, held.targets)))
    names = {"epoch", "loss", "val_loss", "seconds"}
    names |= {"accuracy", "val_accuracy"} if n_classes else set()
    assert [row["epoch"] for row in fitted.history] == [1, 2, 3]
    for row in fitted.history:
        assert set(row) == names
        assert all(type(value) in (int, float) and np.isfinite(value) for value in row.values())


@pytest.mark.parametrize("n_classes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_accuracy_in_the_history_is_that_of_the_predictions(n_classes):
    """Keras's own accuracy of two classes would compare logits with 0.5."""
    data, held = toy(48, n_classes), toy(200, n_classes, seed=1)
    for maps in (data.maps, held.maps):
        maps[0] *= 0.1  # so that logits are small and many lie between 0 and 0.5
    head = replace(MLP, scaling="none", epochs=1)
    fitted = head.fit(replace(data, validation=Validation(held.maps, held.targets)))
    found = fitted.predict(held.maps)
    guess = (found[:, 0] > 0).astype(int) if n_classes == 2 else found.argmax(axis=1)
    assert fitted.history[-1]["val_accuracy"] == pytest.approx(np.mean(guess == held.targets), abs=1e-6)


@pytest.mark.slow
def test_sample_weight_counts():
    data = toy(60, 2)
    flipped = data.targets.copy()
    flipped[:30] = 1 - flipped[:30]
    weight = np.concatenate([np.zeros(30), np.ones(30)])
    head = replace(MLP, epochs=15, learning_rate=0.02, dropout=0.0)
    fitted = head.fit(replace(data, targets=flipped, sample_weight=weight))
    assert np.mean((fitted.predict(data.maps)[:, 0] > 0) == data.targets) > 0.9


@pytest.mark.slow
def test_validation_rows_of_weight_zero_do_not_count():
    data, held = toy(48, 2), toy(20, 2, seed=1)
    weight = np.where(np.arange(20) < 8, 0.0, 1.0)
    few = Validation([held.maps[0][8:]], held.targets[8:])
    weighted, without = (
        MLP.fit(replace(data, validation=part)).history
        for part in (Validation(held.maps, held.targets, weight), few)
    )
    for row, expected in zip(weighted, without, strict=True):
        assert row["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)
        assert row["val_accuracy"] == pytest.approx(expected["val_accuracy"], rel=1e-5)


# Missing values


def test_the_loss_leaves_missing_values_out_exactly():
    rng = np.random.default_rng(0)
    truth, found = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    truth[0, 1] = truth[1, :3] = truth[2, :] = np.nan
    loss = np.asarray(_training._masked_absolute_error(truth, found))
    gaps = np.abs(truth - found)
    expected = [gaps[0, [0, 2, 3]].mean(), gaps[1, 3], 0, gaps[3].mean(), gaps[4].mean()]
    np.testing.assert_allclose(loss, expected, rtol=1e-12)


def test_the_gradient_leaves_missing_values_out_exactly():
    import tensorflow as tf

    truth = tf.constant([[1.0, np.nan], [np.nan, np.nan]])
    found = tf.Variable([[3.0, 2.0], [1.0, 1.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(_training._masked_absolute_error(truth, found))
    assert np.array_equal(tape.gradient(loss, found), [[1, 0], [0, 0]])


@pytest.mark.slow
def test_a_missing_value_changes_nothing_whatever_its_column_held():
    """Rows without a value and rows that were never there teach a column the same."""
    data = toy(32, None, missing=True)
    data.targets[5] = np.nan
    fitted = MLP.fit(data)
    assert all(np.isfinite(weight).all() for weight in fitted.weights)
    assert np.isfinite([row["loss"] for row in fitted.history]).all()
    present = np.isfinite(data.targets)
    np.testing.assert_allclose(fitted.target_scale[0], np.nanmean(data.targets, axis=0))
    np.testing.assert_allclose(fitted.target_scale[1], np.nanstd(data.targets, axis=0))  # a unit for each
    points = MLP.fit(replace(data, task=Points(1)))  # one unit for both
    gaps = (data.targets - fitted.target_scale[0])[present]
    assert points.target_scale[1] == pytest.approx(np.sqrt(np.mean(gaps**2)))


# The same again

_FIT = """
import sys
sys.path.insert(0, {tests!r})
from test_network_heads import fitted_alone, digest
print(digest(fitted_alone("conv", None)))
"""


def digest(fitted):
    return hashlib.sha256(b"".join(np.ascontiguousarray(w).tobytes() for w in fitted.weights)).hexdigest()


@pairs
def test_the_same_seed_gives_the_same_bits_and_another_does_not(name, n_classes):
    one = fitted_alone(name, n_classes)
    random.seed(99)
    np.random.seed(99)
    again = SMALL[name].fit(toy(48, n_classes, random_state=3))
    assert weights_equal(one, again)
    assert [row["loss"] for row in one.history] == [row["loss"] for row in again.history]
    begun = [replace(one, weights=[], seed=seed, _model=None).model().get_weights() for seed in (3, 3, 4)]
    assert all(map(np.array_equal, begun[0], begun[1]))
    assert not all(map(np.array_equal, begun[0], begun[2]))


@pytest.mark.slow
def test_another_process_gives_the_same_bits():
    code = _FIT.format(tests=str(Path(__file__).parent))
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [digest(fitted_alone("conv", None))], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [None, 3])
def test_wide_networks_are_the_same_bits_too(n_classes):
    """Wide enough for every operation to be spread over threads; more rows are more of the same batches."""
    data = toy(128, n_classes, shape=(8, 8, 256), random_state=3)
    for head in (
        ConvHead(filters=128, epochs=2, patience=None),
        MLPHead(pool=False, epochs=2, patience=None),
    ):
        first = head.fit(data)
        for _ in range(3):
            assert weights_equal(first, head.fit(data))


@pytest.mark.slow
def test_global_random_states_are_untouched():
    import keras

    random.seed(5)
    np.random.seed(5)
    keras.utils.set_random_seed(5)
    expected = random.random(), np.random.random(), float(keras.random.uniform(()))
    keras.utils.set_random_seed(5)
    MLP.fit(toy(32)).predict(toy(8).maps)
    assert (random.random(), np.random.random(), float(keras.random.uniform(()))) == expected


def test_determinism_is_not_switched_on_for_the_user():
    from tensorflow.python.framework import config

    MLP.fit(toy(16))
    assert not config.is_op_determinism_enabled()


# Validation rows


@pairs
def test_validation_rows_change_no_number_without_patience(name, n_classes):
    head, data = SMALL[name], toy(48, n_classes, random_state=3)
    held = toy(20, n_classes, seed=1)
    alone = fitted_alone(name, n_classes)
    seen = head.fit(replace(data, validation=Validation([held.maps[0] * 50 + 9], held.targets)))
    assert weights_equal(alone, seen)
    assert [row["loss"] for row in seen.history] == [row["loss"] for row in alone.history]
    assert "val_loss" in seen.history[0]


@pytest.mark.slow
def test_validation_rows_change_no_scaling_even_with_patience():
    data, held = toy(48, None, random_state=3), toy(20, None, seed=1)
    one = fitted_alone("conv", None)
    two = replace(CONV, patience=1).fit(
        replace(data, validation=Validation([held.maps[0] * 50], held.targets * 7))
    )
    for a, b in zip(scale_constants(one), scale_constants(two), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    "patience", [pytest.param(2, marks=pytest.mark.slow), 50], ids=["stopped", "ran_to_the_end"]
)
def test_early_stopping_keeps_the_weights_of_the_best_epoch(patience):
    data = toy(24, 2)
    held = toy(40, 2, seed=1)
    noise = np.random.default_rng(0).permutation(held.targets)
    validation = Validation(held.maps, np.where(np.arange(40) < 30, noise, held.targets))
    head = replace(MLP, epochs=14, patience=patience, learning_rate=0.03)
    fitted = head.fit(replace(data, validation=validation, calibrate=None))
    losses = [row["val_loss"] for row in fitted.history]
    best = int(np.argmin(losses)) + 1
    assert best < len(losses)
    assert len(losses) == (best + patience if patience == 2 else 14)
    short = replace(head, epochs=best, patience=None).fit(data)
    assert weights_equal(fitted, short)
    assert np.array_equal(fitted.predict(held.maps), short.predict(held.maps))


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_the_best_epoch_is_that_of_the_monitored_figure(monitor):
    """Logits grow and accuracy stands still here, so the two figures choose different epochs."""
    data = toy(24, 2)
    held = toy(60, 2, seed=1)
    noise = np.random.default_rng(0).permutation(held.targets)
    validation = Validation(held.maps, np.where(np.arange(60) < 20, noise, held.targets))
    head = replace(MLP, epochs=8, patience=50, learning_rate=0.03, monitor=monitor)
    fitted = head.fit(replace(data, validation=validation, calibrate=None))
    losses = [row["val_loss"] for row in fitted.history]
    accuracies = [row["val_accuracy"] for row in fitted.history]
    best = {"loss": int(np.argmin(losses)), "accuracy": int(np.argmax(accuracies))}
    assert best["loss"] != best["accuracy"]
    found = (fitted.predict(held.maps)[:, 0] > 0) == validation.targets
    logits = fitted.predict(held.maps)[:, 0]
    loss = np.mean(np.logaddexp(0, np.where(validation.targets == 1, -logits, logits)))
    assert found.mean() == pytest.approx(accuracies[best[monitor]], abs=1e-6)
    assert loss == pytest.approx(losses[best[monitor]], rel=1e-4)


def test_keypoints_have_no_accuracy_to_monitor():
    with pytest.raises(InvalidInputError, match="monitor='accuracy' needs classes"):
        replace(CONV, monitor="accuracy").fit(toy(16, None))


def test_the_learning_rate_decays_from_epoch_to_epoch():
    head = replace(MLP, epochs=3, learning_rate=1e-5 * 0.99**100, learning_rate_decay=0.99)
    rates = [row["learning_rate"] for row in head.fit(toy(16)).history]
    assert rates == pytest.approx([1e-5 * 0.99 ** (epoch + 100) for epoch in range(3)], rel=1e-5)


# Scaling


def scaled_by(scaling, data):
    """The features as the first layer sees them, without training."""
    scales = [_training.learn_scale(array, scaling) for array in data.maps]
    head = replace(MLP, scaling=scaling)
    return _network.FittedNetwork(head, [], 1, False, scales, (np.zeros(1), 1.0)).scale(data.maps)


def test_scaling_max_is_the_tutorials():
    data = toy(20)
    (scaled,) = scaled_by("max", data)
    np.testing.assert_allclose(scaled, data.maps[0] / np.abs(data.maps[0]).max(), rtol=1e-6)


def test_scaling_standard_levels_channels_and_spares_dead_ones():
    data = toy(40)
    data.maps[0][..., 5] = 2.5
    (scaled,) = scaled_by("standard", data)
    np.testing.assert_allclose(scaled[..., :5].mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[..., :5].std(axis=(0, 1, 2)), 1, rtol=1e-4)
    np.testing.assert_allclose(scaled[..., 5], 0, atol=1e-4)


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
def test_scaling_standard_takes_features_of_any_unit(unit):
    array = np.random.default_rng(0).normal(size=(50, 30)).astype(np.float32)
    shift, gain = _training.learn_scale(array * np.float32(unit), "standard")
    np.testing.assert_allclose(((array * np.float32(unit) - shift) * gain).std(axis=0), 1, rtol=1e-4)
    array[:, 0] *= 1e6  # a column in another unit
    shift, gain = _training.learn_scale(array, "standard")
    np.testing.assert_allclose(((array - shift) * gain).std(axis=0), 1, rtol=1e-4)


def test_scaling_none_leaves_features_alone():
    data = toy(20)
    (scaled,) = scaled_by("none", data)
    assert np.array_equal(scaled, data.maps[0])


def test_a_sigmoid_learns_targets_as_they_are_and_stays_in_its_range():
    data = toy(32, None)
    head = replace(CONV, output_activation="sigmoid")
    fitted = head.fit(replace(data, targets=(data.targets + 10) / 20))
    assert fitted.target_scale[1] == 1
    assert (fitted.predict([data.maps[0] * 100]) >= 0).all()
    assert (fitted.predict([data.maps[0] * 100]) <= 1).all()


# Shapes


@pytest.mark.slow
def test_several_layers_stand_side_by_side():
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(20, *shape)).astype(np.float32) for shape in [(4, 4, 3), (2, 2, 5), (7,)]]
    data = TrainingData(
        maps, np.arange(20) % 3, Classes(np.arange(3)), np.ones(20), np.arange(20), progress=False
    )
    fitted = MLP.fit(data)
    assert fitted.weights[0].shape == (15, 8)
    again = MLP.rebuild(fitted.tensors(), fitted.facts())
    assert np.array_equal(again.predict(maps), fitted.predict(maps))
    with pytest.raises(InvalidInputError, match="one layer"):
        CONV.fit(data)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 7])
def test_the_convolution_fits_any_map(side):
    model = replace(CONV, filters=(3, 2)).build([(side, side, 4)], 1)
    assert model(np.zeros((8, side, side, 4), dtype=np.float32)).shape == (8, 1)


@pytest.mark.parametrize("side", [2, 5, 20])
@pytest.mark.parametrize("padding", ["valid", "same", ("same", "valid")])
@pytest.mark.parametrize("pool_size", [1, 3, (2, 1)])
def test_blocks_have_the_weights_that_they_say(side, padding, pool_size):
    head = replace(CONV, filters=(3, 2), padding=padding, pool_size=pool_size)
    model = head.build([(side, side + 1, 4)], 2)
    assert [weight.shape for weight in model.get_weights()] == head.weight_shapes([(side, side + 1, 4)], 2)
    kernels = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    if side == 9:
        assert tuple(layer.padding for layer in kernels) == (padding if len(padding) == 2 else (padding,) * 2)


def test_the_network_of_the_tutorials_has_their_parameters():
    assert ConvHead(filters=512, hidden=128).build([(8, 8, 512)], 1).count_params() == 2_949_889


# Fields


@pytest.mark.parametrize(
    ("kind", "fields", "names"),
    [
        (
            ConvHead,
            {"filters": (3, 0), "hidden": 0, "epochs": 1.5, "batch_size": True, "dropout": 1, "patience": -1,
             "learning_rate": float("nan"), "scaling": "min", "output_activation": "relu",
             "padding": ("same", "full"), "pool_size": (2, 2, 2), "monitor": "auc",
             "learning_rate_decay": 1.1, "validation_fraction": 1},
            "filters hidden epochs batch_size dropout patience learning_rate scaling output_activation "
            "padding pool_size monitor learning_rate_decay validation_fraction",
        ),
        (
            MLPHead,
            {"l2": -1, "batch_norm": "yes", "pool": 1, "dropout": "a", "learning_rate": "b", "hidden": None,
             "output_batch_norm": 1, "hidden_dropout": 1},
            "l2 batch_norm pool dropout learning_rate hidden output_batch_norm hidden_dropout",
        ),
        (MLPHead, {"dropout": float("nan"), "learning_rate": float("inf"), "patience": "a"},
         "dropout learning_rate patience"),
    ],
)  # fmt: skip
def test_all_bad_fields_are_named_at_once(kind, fields, names):
    with pytest.raises(InvalidInputError) as caught:
        kind(**fields)
    assert sorted(text.split()[0] for text in caught.value.problems) == sorted(names.split())


@pytest.mark.parametrize("n_blocks", [1, 3, 4])
def test_there_is_one_value_for_all_blocks_or_one_for_each(n_blocks):
    with pytest.raises(InvalidInputError) as caught:
        ConvHead(filters=(8,) * n_blocks, padding=("same", "valid"), pool_size=(2, 1))
    assert [text.split()[0] for text in caught.value.problems] == ["padding", "pool_size"]


@pytest.mark.parametrize("filters", [0, -1, (), (4, "a"), "many", None, 2.0, True])
def test_filters_must_be_counts(filters):
    with pytest.raises(InvalidInputError, match="filters must be one or more positive integers"):
        ConvHead(filters=filters)


def test_one_number_of_filters_and_a_tuple_of_it_are_the_same_head():
    assert ConvHead(filters=(8,)) == ConvHead(filters=8)


OLD = {  # as models saved before there were more fields
    "conv": {"name": "conv", "hidden": 8, "dropout": 0.5, "output_activation": "linear", "epochs": 20,
             "batch_size": 32, "learning_rate": 0.001, "patience": 5, "scaling": "max", "filters": 4},
    "mlp": {"name": "mlp", "hidden": 8, "dropout": 0.5, "output_activation": "linear", "epochs": 20,
            "batch_size": 32, "learning_rate": 0.001, "patience": 5, "scaling": "standard", "l2": 0.0,
            "batch_norm": True, "pool": True},
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_heads_saved_before_there_were_more_fields_are_the_same_network(name):
    head = head_from_dict(OLD[name])
    expected = {
        "conv": [(3, 3, 6, 4), (4,), (36, 8), (8,), (8, 1), (1,)],
        "mlp": [*[(6,)] * 4, (6, 8), (8,), *[(8,)] * 4, (8, 1), (1,)],
    }[name]
    assert head.validation_fraction == 0.1
    assert head.weight_shapes([(8, 8, 6)], 1) == expected
    assert [weight.shape for weight in head.build([(8, 8, 6)], 1).get_weights()] == expected


CHANGED = {
    "auto": AutoHead(),
    "linear": LinearHead(penalty=0.25),
    "mlp": MLPHead(
        hidden=3,
        l2=0.5,
        batch_norm=True,
        output_batch_norm=True,
        pool=False,
        dropout=0.0,
        hidden_dropout=0.1,
        patience=None,
        learning_rate_decay=0.9,
        monitor="accuracy",
    ),
    "conv": ConvHead(
        filters=(4, 2),
        padding=("same", "valid"),
        pool_size=(2, 1),
        epochs=7,
        scaling="max",
        output_activation="sigmoid",
        patience=0,
        validation_fraction=0.25,
    ),
    "keypoint_map": KeypointMapHead(
        steps=2, channels=5, hidden=7, epochs=3, batch_size=4, learning_rate=0.01
    ),
    "score_map": ScoreMapHead(penalty=0.1, spread=0.1),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_json_data(name):
    import json

    for head in (HEADS[name](), CHANGED[name]):
        data = json.loads(json.dumps(head_to_dict(head)))
        assert data["name"] == name
        assert head_from_dict(data) == head
    assert get_head(name) == HEADS[name]()
    assert get_head(CHANGED[name]) is CHANGED[name]


@pytest.mark.parametrize("name", HEADS)
def test_fields_of_another_version_are_refused(name):
    data = head_to_dict(HEADS[name]())
    for bad in (data | {"momentum": 1}, data | {"name": "other"}, data | {"name": ["linear"]}, {}):
        with pytest.raises(InvalidInputError, match="Unknown head"):
            head_from_dict(bad)


@pytest.mark.parametrize("bad", ["forest", None, LinearHead, 3, ["linear"]])
def test_what_is_no_head_is_refused(bad):
    with pytest.raises(
        InvalidInputError,
        match="head must be 'auto', 'linear', 'mlp', 'conv', 'keypoint_map' or 'score_map', or",
    ):
        get_head(bad)


@pytest.mark.slow
def test_a_convolution_learns_positions_from_large_sparse_maps():
    """As activations of a backbone are: units that die in the first steps leave the mean."""
    generator = np.random.default_rng(0)
    places = generator.uniform(1, 12, (160, 2))
    rows, columns = np.meshgrid(np.arange(14), np.arange(14), indexing="ij")
    square = (rows - places[:, :1, None]) ** 2 + (columns - places[:, 1:, None]) ** 2
    blobs = 30 * np.exp(-square / 4)[..., None] * generator.uniform(0, 1, 24)
    maps = np.maximum(blobs + generator.normal(-1, 1, blobs.shape), 0).astype(np.float32)
    data = TrainingData(
        [maps],
        places / 14,
        Values(2),
        np.ones(160),
        np.arange(160),
        validation=Validation([maps], places / 14),
        progress=False,
    )
    fitted = ConvHead(filters=16, hidden=64, dropout=0.2, epochs=8).fit(data)
    error = np.abs(fitted.predict([maps]) - places / 14).mean()
    assert error < 0.4 * np.abs(places / 14 - places.mean(axis=0) / 14).mean()


@pytest.mark.slow
def test_validation_rows_of_feature_arrays():
    """They say nothing of how many features or values there are."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    head = MLPHead(hidden=4, epochs=1)
    clf = Classifier("precomputed", head=head)
    clf.fit(X, X[:, 0] > 0, validation_data=(X[:6], X[:6, 0] > 0))
    assert "val_loss" in clf.history_[0]
    kp = KeypointRegressor("precomputed", head=replace(head, validation_fraction=0.0))
    kp.fit(X, X[:, :2], validation_data=(X[:6], X[:6, :2]))
    assert "val_loss" in kp.history_[0]
    with pytest.raises(ValueError, match="X of validation_data has 2 features, but Classifier is"):
        clf.fit(X, X[:, 0] > 0, validation_data=(X[:6, :2], X[:6, 0] > 0))
    with pytest.raises(
        ValueError, match="X of validation_data has 2 features, but KeypointRegressor is expecting 3"
    ):
        kp.fit(X, X[:, :2], validation_data=(X[:6, :2], X[:6, :2]))
    with pytest.raises(InvalidInputError, match="y of validation_data has 3 values in a row but the y of"):
        kp.fit(X, X[:, :2], validation_data=(X[:6], X[:6]))

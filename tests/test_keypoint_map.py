"""The network that reads maps at points: it samples right, learns, and survives saving."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from transferkit.errors import InvalidInputError
from transferkit.estimators.refinement import _network
from transferkit.estimators.refinement._network import Sample
from transferkit.foundation.maps import sample_maps
from transferkit.heads import KeypointMapHead, TrainingData, Validation
from transferkit.heads._keypoint_training import AdamW, Schedule
from transferkit.keypoints import frames_around, mean_shape
from transferkit.tasks import Classes, Points, Values

QUICK = KeypointMapHead(hidden=32, channels=8, epochs=30, batch_size=16, learning_rate=5e-3)


def bumps(n, seed=0, k=3, side=14):
    """Return maps with two slopes around each point, and the points as fractions of the square.

    The coarse map is a noisy mean of the fine one.
    """
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.3, 0.7, (n, 1, 2)) + rng.uniform(-0.15, 0.15, (n, k, 2))
    centres = (np.arange(side) + 0.5) / side
    across = np.exp(-(((centres - points[..., :1]) / 0.1) ** 2))
    down = np.exp(-(((centres - points[..., 1:]) / 0.1) ** 2))
    slope_x, slope_y = centres - points[..., :1], centres - points[..., 1:]
    slopes = [
        np.einsum("nkx,nky->nyxk", slope_x * across, down),
        np.einsum("nkx,nky->nyxk", across, slope_y * down),
    ]
    fine = np.concatenate(slopes, axis=-1).astype(np.float16)
    coarse = fine.reshape(n, 7, side // 7, 7, side // 7, 2 * k).mean((2, 4), dtype=np.float32)
    coarse += rng.normal(0, 0.3 * coarse.std(), coarse.shape)
    return [fine, coarse.astype(np.float16)], points.reshape(n, -1)


def data_of(maps, targets, **more):
    n = len(targets)
    task = Points(targets.shape[1] // 2)
    return TrainingData(maps, targets, task, np.ones(n), np.arange(n), progress=False, **more)


@pytest.fixture(scope="module")
def learned():
    return QUICK.fit(data_of(*bumps(160)))


def test_a_map_is_read_at_points_as_outside_the_graph():
    keras = pytest.importorskip("keras")
    from transferkit.heads._keypoint_network import read_at

    rng = np.random.default_rng(0)
    for shape in ((5, 7, 9, 4), (3, 1, 6, 2), (2, 1, 1, 3)):
        maps = rng.normal(size=shape).astype(np.float32)
        points = rng.uniform(-0.3, 1.3, (shape[0], 6, 2))
        read = read_at(keras.ops.convert_to_tensor(maps), points.reshape(len(points), -1).astype("float32"))
        expected = sample_maps(maps, points)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(read), expected, atol=1e-5)


@pytest.mark.slow
def test_points_are_found_and_each_correction_helps(learned):
    maps, points = bumps(60, seed=1)
    errors = np.abs(learned.predict(maps) - points).mean()
    assert errors < 0.3 * np.abs(points - learned.mean).mean()
    model = learned.model()
    steps = np.asarray(model([np.asarray(array) for array in maps], training=False))
    gaps = np.abs(steps - points[:, None]).mean(axis=(0, 2))
    assert gaps[-1] < 0.8 * gaps[0], gaps


@pytest.mark.slow
def test_predictions_are_those_of_the_keras_model(learned):
    maps, _ = bumps(9, seed=4)
    outputs = learned.model()([array.astype(learned.dtype) for array in maps], training=False)
    assert np.allclose(np.asarray(outputs)[:, -1], learned.predict(maps), atol=2e-6)


@pytest.mark.slow
def test_heads_of_older_versions_predict_as_before_with_zero_for_negative_values(learned):
    facts = {name: learned.facts()[name] for name in ("shapes", "seed", "dtype")}
    older = QUICK.rebuild(learned.tensors(), facts)
    assert older.facts() == facts  # and earlier versions can read them when they are saved again
    maps, _ = bumps(9, seed=4)
    model = older.model()
    assert older.slope == 0
    outputs = np.asarray(model([array.astype(older.dtype) for array in maps], training=False))
    assert np.allclose(outputs[:, -1], older.predict(maps), atol=2e-6)
    assert not np.allclose(learned.predict(maps), older.predict(maps), atol=1e-3)
    pickled = pickle.loads(pickle.dumps(older))
    del pickled.__dict__["slope"]  # as pickled by an older version
    np.testing.assert_array_equal(pickled.predict(maps), older.predict(maps))


def test_predicting_needs_no_keras(learned, tmp_path):
    maps, _ = bumps(3, seed=5)
    np.savez(tmp_path / "maps.npz", *maps)
    (tmp_path / "head.pickle").write_bytes(pickle.dumps(learned))
    program = (
        "import pickle, sys, numpy as np; head = pickle.load(open('head.pickle', 'rb'));"
        "points = head.predict(list(np.load('maps.npz').values())); np.save('points.npy', points);"
        "assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert np.allclose(np.load(tmp_path / "points.npy"), learned.predict(maps), rtol=0, atol=1e-6)


def test_the_loss_leaves_missing_points_out():
    keras = pytest.importorskip("keras")
    from transferkit.heads._keypoint_network import distance_loss

    truth = np.array([[0, 0, np.nan, np.nan], [0, 0, 3, 4]], dtype=np.float32)
    found = np.array([[[3, 4, 9, 9], [0, 0, 9, 9]], [[0, 0, 0, 0], [0, 0, 3, 4]]], dtype=np.float32)
    loss = keras.ops.convert_to_numpy(distance_loss(keras.ops.convert_to_tensor(truth), found))
    np.testing.assert_allclose(loss, [2.5, 1.25], atol=1e-5)


@pytest.mark.parametrize("coarse", [1, 2])
def test_gradients_are_those_of_keras(coarse):
    """Of a batch with missing points and coordinates, and rows of other weights, without noise."""
    import keras
    import tensorflow as tf

    from transferkit.heads._keypoint_gradient import Network, mean_distances
    from transferkit.heads._keypoint_network import build_network, distance_loss, weight_shapes

    head, rng = KeypointMapHead(steps=2, channels=5, hidden=7), np.random.default_rng(0)
    shapes = [(9, 8, 6), (3, 4, 5), (1, 1, 4)][: 1 + coarse]
    maps = [rng.normal(2, 3, (11, *shape)).astype(np.float32) for shape in shapes]
    scales = [
        (rng.normal(size=shape[-1]).astype("f4"), rng.uniform(0.5, 2, shape[-1]).astype("f4"))
        for shape in shapes
    ]
    mean, targets = rng.uniform(0.2, 0.8, 6), rng.uniform(0, 1, (11, 6)).astype(np.float32)
    targets[2, 4:], targets[3, 1], targets[4] = np.nan, np.nan, np.nan
    weight = rng.uniform(0.5, 2, 11).astype(np.float32)
    network = Network(weight_shapes(head, shapes, 6), mean, scales, coarse, 2)
    network.start(rng)
    for array in network.weights:  # also of those that are zero, or nearly, before training
        array += rng.normal(0, 0.1, array.shape).astype(np.float32)
    gradient = np.zeros_like(network.values)
    loss = network.learn(maps, targets, weight / 11, gradient, None)
    model = build_network(head, shapes, mean, scales, 0)
    model.set_weights(network.weights)
    with tf.GradientTape() as tape:
        found = model(maps, training=False)
        losses = distance_loss(keras.ops.convert_to_tensor(targets), found)
        total = tf.reduce_mean(losses * weight)
    expected = tape.gradient(total, model.trainable_variables)
    assert loss == pytest.approx(float(total), rel=1e-5)
    for ours, theirs in zip(network._parts(gradient), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=1e-6)
    ours = np.mean([mean_distances(targets, shape) for shape in np.asarray(found).swapaxes(0, 1)], axis=0)
    np.testing.assert_allclose(ours, losses, rtol=1e-5)


def test_the_optimizer_is_that_of_keras():
    import keras

    values = np.random.default_rng(0).normal(size=50_000).astype(np.float32)
    variable = keras.Variable(values)
    theirs = keras.optimizers.AdamW(0.01, weight_decay=0.01)
    parts = np.zeros((2, len(values)), np.float32)
    with ThreadPoolExecutor(2) as pool:
        ours = AdamW(values, parts, pool)
        for step in range(4):
            parts[:] = np.random.default_rng(step).normal(size=parts.shape)
            theirs.apply([keras.ops.convert_to_tensor(parts.sum(axis=0))], [variable])
            ours.step(0.01)
    np.testing.assert_allclose(values, variable.numpy(), rtol=1e-6, atol=1e-6)


def test_moments_of_dead_units_become_zero_instead_of_subnormal():
    values, parts = np.ones(9, np.float32), np.zeros((2, 9), np.float32)
    with ThreadPoolExecutor(2) as pool:
        ours = AdamW(values, parts, pool)
        for step in range(900):
            parts[0, :8] = np.logspace(-12, 3, 8) if step == 0 else 0
            parts[0, 8] = 1
            ours.step(0.0)
            assert (ours._first[ours._first < 1e-28] == 0).all()
    assert ours._first.tolist() == [0.0] * 8 + [pytest.approx(10)]


def test_each_batch_has_its_own_gradient(monkeypatch):
    """Of 2 and of 1 row: a thread that has no row must not leave what it found before."""
    from transferkit.heads import _keypoint_training as training

    maps, targets = bumps(3)
    seen, learned = [], {}
    monkeypatch.setattr(AdamW, "step", lambda self, rate: seen.append(self._gradients.sum(axis=0)))
    learn = training.Network.learn

    def spy(self, maps, targets, weight, gradient, generator):
        loss = learn(self, maps, targets, weight, gradient, generator)
        learned[len(seen), targets.tobytes()] = gradient.copy()
        return loss

    monkeypatch.setattr(training.Network, "learn", spy)
    KeypointMapHead(hidden=4, channels=2, epochs=2, batch_size=2).fit(data_of(maps, targets))
    assert len(seen) == 4
    for step, total in enumerate(seen):
        own = [gradient for (number, _), gradient in learned.items() if number == step]
        assert len(own) == (2, 1)[step % 2]
        np.testing.assert_allclose(total, np.sum(own, axis=0), atol=1e-7)


def test_rates_grow_for_a_twentieth_and_fall_as_a_cosine():
    schedule = Schedule(1, 1, 2.0)
    rates = [schedule.rate(step, 100) for step in range(100)]
    assert rates[:6] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2.0])
    assert rates[52] == pytest.approx(1.0, abs=0.02)
    assert 0 < rates[99] < 0.001
    assert schedule.rate(0, 1) == 2.0


@pytest.mark.slow
def test_training_needs_no_keras():
    program = (
        "import sys; from tests.test_keypoint_map import *;"
        "QUICK.fit(data_of(*bumps(20))); assert 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_missing_points_teach_nothing():
    maps, points = bumps(40)
    points[:20, 2:4] = np.nan
    found = QUICK.fit(data_of(maps, points)).predict(maps)
    assert np.isfinite(found).all()


@pytest.mark.slow
def test_a_fit_is_the_same_twice_and_a_row_does_not_depend_on_its_batch(learned):
    again = QUICK.fit(data_of(*bumps(160)))
    maps, _ = bumps(20, seed=2)
    np.testing.assert_array_equal(again.predict(maps), learned.predict(maps))
    alone = np.concatenate([learned.predict([array[i : i + 1] for array in maps]) for i in range(20)])
    np.testing.assert_allclose(alone, learned.predict(maps), atol=2e-6)


def test_single_precision_of_what_half_holds_gives_the_same(learned):
    maps, _ = bumps(8, seed=3)
    wide = [array.astype(np.float32) for array in maps]
    np.testing.assert_array_equal(learned.predict(wide), learned.predict(maps))


@pytest.mark.slow
def test_validation_rows_change_nothing_that_is_learned(learned):
    others = Validation(*bumps(30, seed=4))
    checked = QUICK.fit(data_of(*bumps(160), validation=others))
    maps, _ = bumps(8, seed=3)
    np.testing.assert_array_equal(checked.predict(maps), learned.predict(maps))
    assert all("val_loss" in row for row in checked.history)


@pytest.mark.slow
def test_validation_rows_of_weight_zero_do_not_count():
    maps, points = bumps(30, seed=4)
    weight = np.where(np.arange(30) < 10, 0.0, 1.0)
    head, data = replace(QUICK, epochs=1), data_of(*bumps(40))
    few = Validation([array[10:] for array in maps], points[10:])
    losses = [
        head.fit(replace(data, validation=held)).history[0]["val_loss"]
        for held in (Validation(maps, points, weight), few)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_it_is_saved_whole_and_what_does_not_fit_is_refused(learned):
    tensors, facts = learned.tensors(), json.loads(json.dumps(learned.facts()))
    maps, _ = bumps(8, seed=3)
    np.testing.assert_array_equal(QUICK.rebuild(tensors, facts).predict(maps), learned.predict(maps))
    for change in (
        {"shapes": facts["shapes"][:1]},
        {"shapes": [[14, 14, 4], facts["shapes"][1]]},
        {"shapes": [*facts["shapes"], [28, 28, 6]]},
        {"seed": 0.0},
        {"seed": 10**30},
        {"dtype": "int8"},
        {"slope": 2.0},
        {"slope": -0.1},
        {"slope": "0.1"},
        {"slope": float("nan")},
        {"more": 1},
    ):
        with pytest.raises((ValueError, KeyError)):
            QUICK.rebuild(tensors, facts | change)
    for name in tensors:
        with pytest.raises((ValueError, KeyError)):
            QUICK.rebuild(tensors | {name: tensors[name][:-1]}, facts)


def test_weights_are_saved_in_half_precision_and_those_of_older_files_stay_as_they_are(learned):
    tensors, facts = learned.tensors(), learned.facts()
    weights = [name for name in tensors if name.startswith("weight.")]
    assert all(tensors[name].dtype == np.float16 for name in weights)
    older = tensors | {name: tensors[name].astype(np.float32) * np.float32(1.0001) for name in weights}
    loaded = QUICK.rebuild(older, facts | {"dtype": "float16"})
    maps, _ = bumps(8, seed=3)
    np.testing.assert_allclose(loaded.predict(maps), learned.predict(maps), atol=0.02)
    again = loaded.tensors()
    assert again.keys() == older.keys()
    for name in older:
        np.testing.assert_array_equal(again[name], older[name])


@pytest.mark.slow
def test_one_map_serves_for_both_and_a_vector_is_a_map_of_one_cell():
    (fine, coarse), points = bumps(30)
    quick = KeypointMapHead(epochs=1)
    assert np.isfinite(quick.fit(data_of([fine], points)).predict([fine])).all()
    maps = [coarse.mean((1, 2)), fine]
    fitted = quick.fit(data_of(maps, points))
    assert np.isfinite(fitted.predict(maps)).all()


def test_what_has_no_points_or_no_map_is_refused():
    maps, points = bumps(10)
    flat = data_of([maps[0].mean((1, 2))], points)
    values = replace(data_of(maps, points), task=Values(6))
    classes = replace(values, targets=np.arange(10) % 2, task=Classes(np.arange(2)))
    for data in (classes, values, flat):
        with pytest.raises(InvalidInputError, match="KeypointMapHead"):
            QUICK.fit(data)


def test_targets_in_pixels_are_refused():
    maps, points = bumps(10)
    with pytest.raises(InvalidInputError, match="must be fractions of the map.* Got values about 1"):
        QUICK.fit(data_of(maps, points * 200))


def test_a_training_that_diverges_says_what_to_do():
    maps, points = bumps(40)
    data = data_of(maps, points, validation=Validation(maps, points))
    with pytest.raises(InvalidInputError, match="diverged.*smaller learning_rate"):
        KeypointMapHead(hidden=8, epochs=2, learning_rate=1e30).fit(data)


def test_what_half_precision_cannot_hold_does_not_spoil_other_rows(learned):
    maps = [array.astype(np.float32) for array in bumps(8, seed=3)[0]]
    before = learned.predict(maps)
    maps[0][2] = 1e5
    after = learned.predict(maps)
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(np.delete(after, 2, 0), np.delete(before, 2, 0))


def test_maps_of_another_shape_are_refused(learned):
    (fine, coarse), _ = bumps(4)
    with pytest.raises(InvalidInputError, match="was trained on maps of"):
        learned.predict([fine[:, :7], coarse])


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 0},
        {"channels": 1.5},
        {"hidden": None},
        {"epochs": 0},
        {"learning_rate": -1},
        {"validation_fraction": 1.0},
    ],
)
def test_fields_are_checked(fields):
    with pytest.raises(InvalidInputError, match=next(iter(fields))):
        KeypointMapHead(**fields)


# --- squares to learn from ------------------------------------------------------------------------------


def shapes_of(n, seed=0):
    rng = np.random.default_rng(seed)
    mean = np.array([[0, 0], [40, 0], [20, 30], [20, 15.0]])
    turned = []
    for _ in range(n):
        angle, scale = rng.normal(0, 0.3), rng.uniform(0.5, 2)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned.append(scale * mean @ turn + rng.uniform(50, 100, 2) + rng.normal(0, 1, mean.shape))
    return np.array(turned)


def test_moved_squares_are_spread_about_true_ones_whatever_their_angle():
    frames = np.tile([[100.0, 50.0, 80.0, 30.0]], (4000, 1))
    moved = _network.moved_frames(frames, np.random.default_rng(0))
    spread = _network._SPREAD * [80, 80, 1, 1]
    np.testing.assert_allclose(moved[:, [0, 1, 3]].mean(0), [100, 50, 30], atol=0.5)
    np.testing.assert_allclose(moved[:, [0, 1, 3]].std(0), spread[[0, 1, 3]], rtol=0.1)
    np.testing.assert_allclose(np.log(moved[:, 2] / 80).std(), spread[2], rtol=0.1)


@pytest.mark.parametrize(("mirror", "n", "flipped"), [(True, 9, "0101"), (True, 11, "01"), (False, 11, "00")])
def test_many_images_are_mirrored_in_one_of_two_squares(monkeypatch, mirror, n, flipped):
    monkeypatch.setattr(_network, "_MANY", 10)
    frames = np.tile([[100.0, 50.0, 80.0, 30.0]], (n, 1))
    views = _network.training_views(frames, mirror, ((0, 1),), np.random.default_rng(0))
    assert "".join(str(int(view.mirror)) for view in views) == flipped
    assert all(view.pairs == ((0, 1),) for view in views)
    assert not (views[0].frames == views[-1].frames).all(axis=1).any()


def test_a_square_lies_around_the_shape_found_where_too_few_points_are_known():
    points, found = shapes_of(5), shapes_of(5, seed=1)
    whole, mean = points.copy(), mean_shape(points)
    points[1, 3] = np.nan  # three of four are left
    points[2, 2:] = np.nan
    frames = _network.true_frames(Sample([None] * 5, points, found, np.ones(5), np.arange(5)), mean)
    around = [frames_around(shapes, mean, _network.MARGIN) for shapes in (whole, found)]
    np.testing.assert_allclose(frames[[0, 3, 4]], around[0][[0, 3, 4]])
    np.testing.assert_allclose(frames[1], around[0][1], atol=8)
    np.testing.assert_allclose(frames[2], around[1][2])

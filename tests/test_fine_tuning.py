"""Fine-tuning: a backbone learns with its head, and nothing that is decided rests on what it has seen."""

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from sklearn.base import clone

from tests.conftest import make_triangles
from transferkit import (
    Classifier,
    FeatureCache,
    FineTuned,
    ImageRegressor,
    KeypointRegressor,
    compare,
    evaluate,
    export,
    fine_tune,
    load,
    register_backbone,
    set_config,
)
from transferkit.backbones.registry import preserved
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.estimators import _closer, hold_out_images
from transferkit.estimators.refinement import CloserLook, WideLook
from transferkit.estimators.saved_model import load_without_estimator
from transferkit.finetuning import _training
from transferkit.finetuning._checkpoint import Checkpoint, State
from transferkit.finetuning._squares import Squares
from transferkit.finetuning._tune import _key
from transferkit.heads import KeypointMapHead, MLPHead, TrainingData, get_head, joint_head
from transferkit.persistence import keep_weights
from transferkit.tasks import Classes, Points, Values

BLOCKS = ((8, 2), (16, 2), (16, 2))
FEW = {"epochs": 3, "batch_size": 16, "learning_rate": 1e-2}


def build(include_top=False, weights=None, input_shape=(32, 32, 3)):
    """Return a small network with normalisation, the same at each call."""
    import keras
    from keras import layers

    seeds = iter(range(100))
    x = pixels = keras.Input(input_shape)
    for number, (channels, strides) in enumerate(BLOCKS):
        start = keras.initializers.HeNormal(seed=next(seeds))
        x = layers.Conv2D(
            channels,
            3,
            strides=strides,
            padding="same",
            kernel_initializer=start,
            name=f"block_{number}_conv",
        )(x)
        x = layers.BatchNormalization(name=f"block_{number}_bn")(x)
        x = layers.ReLU(name=f"block_{number}_relu")(x)
    return keras.Model(pixels, x)


def scale(pixels):
    return pixels / 127.5 - 1


def register_small():
    """Register a backbone that trains in a second, and run it quietly."""
    set_config(progress=False, engine="keras")
    layers = ("block_1_relu", "last")
    register_backbone("small_net", build, scale, 16, image_size=32, layers=layers, grid=(4, 2))


@pytest.fixture(autouse=True)
def small():
    with preserved():
        register_small()
        yield


def steadily_better(patch):
    """Let each epoch count as better than the one before, whatever a short training brings."""
    losses = iter(np.linspace(1, 0.1, 100))
    patch.setattr(_training, "held_out_loss", lambda *_: float(next(losses)))


def stripes(n, seed=0):
    """Return pictures of coarse and fine stripes in any direction."""
    rng = np.random.default_rng(seed)
    images, labels = [], np.where(np.arange(n) % 2, "fine", "coarse")
    for label in labels:
        wave = np.sin(np.arange(32) * (1.4 if label == "fine" else 1.2) + rng.uniform(0, 6.28))
        pixels = 128 + 60 * np.tile(wave[:, None], (1, 32))
        pixels = pixels.T if rng.integers(2) else pixels
        noise = rng.normal(0, 45, (32, 32, 3))
        images.append(np.clip(pixels[..., None] + noise, 0, 255).astype(np.uint8))
    return images, labels


@pytest.fixture
def better(monkeypatch):
    steadily_better(monkeypatch)


@pytest.mark.slow
def test_training_brings_what_the_frozen_backbone_cannot(tmp_path):
    images, labels = stripes(200)
    others, truth = stripes(200, seed=1)
    clf = Classifier("small_net")
    frozen = clf.fit(images, labels).score(others, truth)
    tuned = fine_tune(clf, images, labels, epochs=15, batch_size=16, learning_rate=1e-2)
    done = tuned.fine_tuning_
    assert done.best_loss < done.loss
    assert 1 <= done.best_epoch <= done.epochs == 15
    assert (done.first_layer, done.n_trained) == ("block_0_conv", done.n_parameters - 2 * (8 + 16 + 16))
    assert tuned.score(others, truth) > frozen + 0.05
    assert clf.fine_tuning_ is None  # the one passed stays as it is


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A classifier whose last block was trained, its images and labels, and which of them were held out."""
    images, labels = stripes(100)
    where = {"groups": np.arange(100) // 2}
    with pytest.MonkeyPatch.context() as patch, preserved():
        patch.setenv("TRANSFERKIT_CACHE", str(tmp_path_factory.mktemp("tuned")))
        register_small()
        steadily_better(patch)
        clf = Classifier("small_net")
        split = hold_out_images(clf, images, labels, **where, fraction=0.25)
        model = fine_tune(clf, images, labels, layers="block_2:", validation_fraction=0.25, **where, **FEW)
    return model, images, labels, split.held


@pytest.mark.slow
def test_what_is_saved_answers_the_same_where_its_weights_are_unknown(tuned, tmp_path):
    model, images, _, _ = tuned
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")  # the folder of the cache is another here
    assert Path(again.weights).parent.parent == FeatureCache().folder
    np.testing.assert_allclose(again.predict_proba(images), model.predict_proba(images), atol=1e-6)
    assert again.fine_tuning_.facts() == model.fine_tuning_.facts()
    assert "Fine-tuning" in str(again.card())


@pytest.mark.slow
def test_lower_layers_stay_as_they_are(tuned):
    model = tuned[0]
    assert model.fine_tuning_.first_layer == "block_2_conv"
    before, after = build(), model.extractor_.settings().network().model
    for one, other in zip(before.weights, after.weights, strict=True):
        same = np.array_equal(one.numpy(), other.numpy())
        assert same == (not one.path.startswith("block_2") or "moving" in one.path), one.path


def test_all_decisions_rest_on_images_that_were_held_out(tuned):
    model, images, labels, held = tuned
    assert len(held) == model.training_.n_held_out == 26  # of 50 groups of two, 13
    logits = model.decision_function([images[row] for row in held])
    np.testing.assert_allclose(model.held_out_.logits, logits[:, None], atol=1e-4)
    np.testing.assert_array_equal(model.classes_[model.held_out_.targets], labels[held])
    assert len(model.predictor_.novelty.vectors) == len(held)


@pytest.mark.slow
def test_a_fit_on_tuned_weights_says_that_they_know_the_labels(tuned, caplog):
    model, images, labels, _ = tuned
    assert "were fine-tuned on" not in caplog.text
    Classifier("small_net", weights=model.weights).fit(images, labels)
    assert "the weights were fine-tuned on 74 of these 100 images, and know their labels" in caplog.text
    caplog.clear()
    Classifier("small_net", weights=model.weights).fit(*stripes(60, seed=1))
    assert "were fine-tuned on" not in caplog.text
    # Features of the frozen backbone lie in another space.
    frozen = Classifier("small_net").fit(images, labels)
    assert frozen.extractor_.describe()["backbone"] != model.extractor_.describe()["backbone"]


@pytest.mark.slow
@pytest.mark.parametrize("head", [MLPHead(hidden=8, epochs=2), "linear"])
def test_other_heads_and_tasks(better, head):
    images, labels = stripes(60)
    several = np.column_stack([labels == "fine", np.arange(60) % 3 == 0]).astype(int)
    for estimator, y in (
        (Classifier("small_net", head=head), np.where(np.arange(60) % 3 == 0, "other", labels)),
        (Classifier("small_net", head=head, threshold="f1"), several),
        (ImageRegressor("small_net", head=head), np.arange(60) % 7 + 0.5),
    ):
        tuned = fine_tune(estimator, images, y, **(FEW | {"epochs": 1}))
        assert tuned.fine_tuning_.best_epoch == 1
        assert len(tuned.predict(images)) == 60


@pytest.mark.parametrize(
    ("head", "kind"),
    [("linear", "classes"), (MLPHead(hidden=8, epochs=1), "values"), (KeypointMapHead(epochs=1), "points")],
)
def test_the_head_begins_and_ends_with_the_answers_of_what_is_fitted(head, kind):
    import keras

    rng = np.random.default_rng(0)
    maps = [rng.normal(3, 2, shape).astype(np.float32) for shape in ((40, 8, 8, 6), (40, 4, 4, 5))]
    tasks = {"classes": Classes(np.array(["a", "b", "c"])), "values": Values(2), "points": Points(3)}
    shape = {"classes": 40, "values": (40, 2), "points": (40, 6)}[kind]
    targets = rng.integers(0, 3, shape) if kind == "classes" else rng.uniform(0.2, 0.8, shape)
    data = TrainingData(maps, targets, tasks[kind], np.ones(40), np.arange(40), progress=False)
    fitted = get_head(head).fit(data)
    joint = joint_head(fitted, tasks[kind], maps)
    inputs = [keras.Input(array.shape[1:]) for array in maps]
    model = keras.Model(inputs, joint.call(inputs))
    answers = keras.ops.convert_to_numpy(model(maps, training=False))
    if kind == "points":  # the shapes of all steps
        answers = answers[:, -1]
    if kind == "values":  # a network learns them in units of their deviations
        answers = answers * fitted.target_scale[1] + fitted.target_scale[0]
    np.testing.assert_allclose(answers, fitted.predict(maps), atol=1e-4)
    again = joint.finished([keras.ops.convert_to_numpy(variable) for variable in joint.weights])
    np.testing.assert_allclose(again.predict(maps), fitted.predict(maps), atol=1e-4)


@pytest.fixture(scope="module")
def tuned_look(tmp_path_factory):
    """Keypoints whose closer look was trained, with its images and points."""
    images, points, _ = make_triangles(40)
    with pytest.MonkeyPatch.context() as patch, preserved():
        patch.setenv("TRANSFERKIT_CACHE", str(tmp_path_factory.mktemp("tuned_look")))
        register_small()
        steadily_better(patch)
        keeps = CloserLook._keeps
        patch.setattr(CloserLook, "_keeps", lambda look, judged: keeps(look, judged) or True)
        patch.setattr(_closer, "fit_wide_look", lambda predictor, judged, found: (WideLook(0.3), found))
        head = KeypointMapHead(epochs=2)
        kp = KeypointRegressor("small_net", head=head, refine=1, mirror_pairs=[(0, 1)], random_state=0)
        model = fine_tune(kp, images, points, **(FEW | {"epochs": 1}))
    return model, images, points


@pytest.mark.slow
def test_a_first_look_keeps_the_frozen_backbone(tuned_look, caplog):
    model, images, points = tuned_look
    (look,) = model.refinements_
    assert model.fine_tuning_.of_closer_look
    assert model.weights == "imagenet"
    assert model.wide_look_ == WideLook(0.3)  # as its first look has, which is of many images
    frozen = KeypointRegressor("small_net", head=KeypointMapHead(epochs=2), refine=0, mirror_pairs=[(0, 1)])
    held = hold_out_images(frozen, images, points, fraction=0.15).held
    learned = np.setdiff1d(np.arange(len(images)), held)
    of = [images[row] for row in learned], points[learned]
    frozen.fit(*of, validation_data=([images[row] for row in held], points[held]))
    assert model.extractor_.describe() == frozen.extractor_.describe()
    for name, array in frozen.fitted_head_.tensors().items():
        np.testing.assert_array_equal(model.fitted_head_.tensors()[name], array, err_msg=name)
    assert look.extractor.settings().weights.digest != model.extractor_.settings().weights.digest
    caplog.clear()
    clone(model).set_params(refine=0).fit(images, points)  # frozen weights have seen none of the labels
    assert "fine-tuned on" not in caplog.text


@pytest.mark.slow
def test_saved_closer_looks_bring_their_weights_along(tuned_look, tmp_path):
    model, images, _ = tuned_look
    expected = model.predict(images[:6])
    assert np.abs(expected - model.predictor_.first_look([], model.extract(images[:6]))[0]).max() > 0.1
    path = tmp_path / "model.safetensors"
    model.save(path)
    data = pickle.dumps(model)
    kept = Path(model.refinements_[0].extractor.weights)
    content = kept.read_bytes()
    kept.unlink()
    try:
        for again in (load(path), load_without_estimator(path), pickle.loads(data)):
            np.testing.assert_array_equal(again.predict(images[:6]), expected)
            looks = getattr(again, "predictor_", None) or again.predictor
            assert Path(looks.refinements[0].extractor.weights) != kept
        assert load(path).fine_tuning_.of_closer_look
    finally:
        kept.write_bytes(content)


@pytest.mark.slow
def test_an_exported_file_has_the_weights_of_both_looks(tuned_look, tmp_path):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model, images, _ = tuned_look
    export(model, tmp_path / "model.onnx", tolerance=1)
    names = {each.name for each in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert any(name.startswith("network.") for name in names)
    assert any(name.startswith("closer_network.") for name in names)  # converters name weights by number
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (found,) = session.run(None, {"image": np.stack(images[:6])})
    assert np.abs(found - model.predict(images[:6]).reshape(found.shape)).max() < 1


@pytest.mark.slow
def test_keypoints_with_a_closer_look(better):
    images, points, _ = make_triangles(80)
    kp = KeypointRegressor("small_net", head=KeypointMapHead(epochs=2), refine=1, mirror_pairs=[])
    tuned = fine_tune(kp, images, points, **(FEW | {"epochs": 1}))
    assert tuned.fine_tuning_.best_epoch == 1
    assert tuned.predict(images, return_error=True)[1].shape == (80, 3)
    assert [one.number for one in tuned.rounds_] == [0, 1]
    whole = fine_tune(
        KeypointRegressor("small_net", head="linear", refine=0), images, points, **(FEW | {"epochs": 1})
    )
    assert not whole.refinements_
    assert np.isfinite(whole.predict(images)).all()


@pytest.mark.slow
def test_boxes_and_missing_points(better):
    images, points, hidden = make_triangles(60)
    points[hidden, 2] = np.nan
    boxes = np.tile([1.0, 1.0, 78.0, 62.0], (60, 1))
    kp = KeypointRegressor("small_net", head=KeypointMapHead(epochs=2), refine=0)
    tuned = fine_tune(kp, images, points, boxes=boxes, **(FEW | {"epochs": 1}))
    assert tuned.boxed_
    assert np.isfinite(tuned.predict(images, boxes)).all()


@pytest.mark.slow
def test_where_the_frozen_backbone_wins_it_is_used(monkeypatch, caplog):
    losses = iter(np.linspace(0.1, 1, 100))
    monkeypatch.setattr(_training, "held_out_loss", lambda *_: float(next(losses)))
    images, labels = stripes(60)
    clf = Classifier("small_net")
    tuned = fine_tune(clf, images, labels, **FEW)
    assert "no epoch was better on 9 held-out images than the frozen backbone" in caplog.text
    assert tuned.fine_tuning_ is None
    assert tuned.weights == "imagenet"
    np.testing.assert_array_equal(tuned.predict_proba(images), clf.fit(images, labels).predict_proba(images))


@pytest.mark.slow
def test_compare_trains_anew_in_each_fold(better, caplog):
    images, labels = stripes(60)
    clf = Classifier("small_net")
    found = compare(
        {"frozen": clf, "tuned": FineTuned(clf, epochs=1, batch_size=16)},
        images, labels, groups=np.arange(60) // 2, cv=2, n_timed=0, progress=False,
    )  # fmt: skip
    assert {row.name for row in found.rows} == {"frozen", "tuned"}
    assert not found.failed
    assert "were fine-tuned on" not in caplog.text


@pytest.mark.slow
def test_fine_tuned_is_an_estimator_of_scikit_learn(better):
    from sklearn.base import clone, is_classifier, is_regressor

    images, labels = stripes(60)
    model = clone(FineTuned(Classifier("small_net"), epochs=1, batch_size=16))
    assert is_classifier(model)
    assert is_regressor(FineTuned(ImageRegressor()))
    with pytest.raises(ValueError, match="not fitted yet"):
        model.predict(images)
    assert model.fit(images, labels).predict_proba(images).shape == (60, 2)
    assert set(model.classes_) == {"coarse", "fine"}
    assert not hasattr(FineTuned(ImageRegressor()), "predict_proba")


def interrupted_fit(head, seen):
    """Train, pass each epoch and the history to `seen` once they are kept, and return the answers."""
    images, labels = stripes(60)
    write = Checkpoint.write

    def counted(self, model, state):
        write(self, model, state)
        seen(state.epoch, state.history)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "write", counted)
        clf = Classifier("small_net", head=MLPHead(epochs=5) if head == "mlp" else head)
        tuned = fine_tune(clf, images, labels, epochs=4, batch_size=16, learning_rate=1e-2)
    return tuned.predict_proba(images)


RUN = """
import os, sys
from tests.test_fine_tuning import *
register_small()
interrupted_fit(os.environ["HEAD"], lambda epoch, history: print(epoch, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(tmp_path, monkeypatch, head):
    """Only what is killed has a process of its own; another one goes on with it."""
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "whole"))
    whole, resumed = {}, {}
    expected = interrupted_fit(head, whole.__setitem__)
    assert sorted(whole) == [0, 1, 2, 3, 4]
    environment = os.environ | {"TRANSFERKIT_CACHE": str(tmp_path / "cut"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["HEAD"] = head
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, env=environment) as process:
        while process.stdout.readline() != b"2\n":
            assert process.poll() is None
        process.kill()
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "cut"))
    answers = interrupted_fit(head, resumed.__setitem__)
    assert sorted(resumed) in ([3, 4], [4])  # it may have been killed after the third
    for row, other in zip(whole[4], resumed[4], strict=True):
        assert row["held_out"] == pytest.approx(other["held_out"], rel=1e-4)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_copies_under_other_groups_are_held_out_together():
    images, labels = stripes(60)
    X, y = [*images, *(image.copy() for image in images[:20])], np.r_[labels, labels[:20]]
    groups = np.r_[np.arange(60) // 2, 100 + np.arange(20) // 2]
    split = hold_out_images(Classifier("small_net"), X, y, groups=groups, fraction=0.25)
    digests = np.array(split.digests)
    assert len(split.held) > 10
    assert not set(digests[split.held]) & set(digests[split.train])
    assert not set(groups[split.held]) & set(groups[split.train])


def test_images_that_are_held_out_show_all_classes_and_labels():
    images, _ = stripes(60)
    alone = np.array(["a"] * 50 + ["b"] * 10)
    with pytest.raises(InvalidInputError, match="images to hold out, of all classes or labels"):
        fine_tune(Classifier("small_net"), images, alone, groups=np.r_[np.arange(50), [99] * 10])
    rare = np.zeros((60, 2), int)
    rare[::2, 0] = 1
    rare[[1, 5, 11, 21], 1] = 1
    split = hold_out_images(Classifier("small_net"), images, rare, fraction=0.25)
    assert np.ptp(rare[split.held], axis=0).all()
    assert np.ptp(rare[split.train], axis=0).all()


def test_what_weights_know_is_known_to_whatever_is_fitted_on_them(tuned, caplog):
    model, images, labels, _ = tuned
    head = Classifier("small_net", weights=model.weights).fit(*stripes(60, seed=1))
    evaluate(head, images, labels)
    assert "74 of these 100 images" in caplog.text or "74 of the 100" in caplog.text
    with pytest.raises(InvalidInputError, match="weights must not know the images.*74 of these 100"):
        fine_tune(Classifier("small_net", weights=model.weights), images, labels, **FEW)


def test_pickles_bring_their_weights_along(tuned):
    model, images, _, _ = tuned
    path, data = Path(model.weights), pickle.dumps(model)
    kept = path.read_bytes()
    expected = model.predict_proba(images[:8])
    path.unlink()
    try:
        again = pickle.loads(data)
        assert Path(again.weights) != path
        np.testing.assert_allclose(again.predict_proba(images[:8]), expected, atol=1e-6)
    finally:
        path.write_bytes(kept)
    damaged = FeatureCache().folder / "tuned" / path.name
    damaged.write_bytes(bytes(len(kept)))
    assert keep_weights(model.fine_tuning_.weights).read_bytes() == kept


def test_trainings_that_nobody_went_on_with_are_forgotten():
    for name in ("old", "new"):
        with Checkpoint(name) as checkpoint:
            (checkpoint._folder / "last-1.weights.h5").write_bytes(b"weights")
    old = checkpoint._folder.with_name("old")
    for path in (old, *old.iterdir()):
        os.utime(path, (0, 0))
    with Checkpoint("another"):
        assert {path.name for path in old.parent.iterdir()} == {"new", "another"}


def test_where_the_cache_cannot_be_written_a_training_is_saved_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for found in (False, True):  # and found there
        with Checkpoint("one") as checkpoint:
            assert checkpoint.best(1).is_file() == found
            checkpoint.best(1).write_bytes(b"weights")


def key_of(start=None, head=None):
    """Return the key of the checkpoint of a training that differs from others in these alone."""
    squares = SimpleNamespace(seed=0, mirror=True, pairs=None, targets=np.zeros(3), frames=None)
    subject = SimpleNamespace(extractor=SimpleNamespace(describe=dict), squares=squares, head=head)
    given = SimpleNamespace(head="a head", weight=np.ones(3))
    data = SimpleNamespace(digests=[], given=given, train=np.arange(2), held=np.arange(2, 3))
    return _key(start, subject, data, SimpleNamespace(to_dict=dict), "f")


def test_a_checkpoint_is_of_a_head_with_the_same_activations():
    """Two versions may give the same head other activations, for which the weights of one are wrong."""
    heads = [SimpleNamespace(), *(SimpleNamespace(slope=each) for each in (0.0, 0.1))]
    keys = [key_of(head=head) for head in heads]
    assert len(set(keys)) == 3
    assert key_of(head=SimpleNamespace(slope=0.1)) == keys[2]


def test_a_checkpoint_is_of_an_estimator_with_the_same_views():
    """The head on the frozen backbone, with which a training begins, has learned from all of them."""
    starts = [
        Classifier(augment="mirror"),
        Classifier(augment="strong"),
        ImageRegressor(augment="mirror"),
        Classifier(augment="mirror", threshold=0.3),  # which a training does not depend on
    ]
    first, *others, again = map(key_of, starts)
    assert len({first, *others}) == 3
    assert again == first


def test_checkpoints(monkeypatch):
    import keras

    dropout = keras.layers.Dropout(0.5, seed=3)
    model = keras.Sequential([keras.Input((2,)), dropout, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    start = model.get_weights()
    dropout.seed_generator.state.assign([3, 17])
    with Checkpoint("one") as checkpoint:
        assert checkpoint.read(model) is None
        for epoch in (1, 2):
            model.set_weights([array + epoch for array in start])
            checkpoint.write(model, State(epoch, 1, [{"held_out": 1.0}]))
        with monkeypatch.context() as patch:  # another process, while this one runs
            patch.setattr(os, "getpid", lambda: 1)
            with Checkpoint("one") as other:
                assert other.best(1).parent != checkpoint.best(1).parent
    model.set_weights(start)
    dropout.seed_generator.state.assign([3, 0])
    assert checkpoint.read(model).epoch == 2
    assert dropout.seed_generator.state.numpy().tolist() == [3, 17]  # goes on where it was
    np.testing.assert_array_equal(model.get_weights()[0], start[0] + 2)
    model.set_weights(start)
    last = checkpoint.best(1).with_name("last-2.weights.h5")
    last.write_bytes(bytes(last.stat().st_size))
    assert checkpoint.read(model) is None  # and the model is as it was, not as in the best epoch
    np.testing.assert_array_equal(model.get_weights()[0], start[0])


@pytest.mark.slow
def test_a_checkpoint_of_a_process_whose_number_is_taken_is_found(tmp_path):
    """As after a crash in a container, where numbers are few."""
    with Checkpoint("one") as checkpoint:
        folder = checkpoint.best(1).parent
    (folder / "process").write_text(str(os.getppid()))
    with Checkpoint("one") as again:
        assert again.best(1).parent == folder
        code = (
            "from transferkit.finetuning._checkpoint import *; print(Checkpoint('one').__enter__().best(1))"
        )
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert Path(other.stdout.strip()).parent.name.startswith(f"{folder.name}-")  # it is ours meanwhile


@pytest.mark.slow
def test_a_training_that_diverges_ends_with_the_best_epoch_before(caplog):
    images, labels = stripes(60)
    model = fine_tune(Classifier("small_net"), images, labels, epochs=2, batch_size=16, learning_rate=1e9)
    assert "diverged in epoch" in caplog.text
    assert model.fine_tuning_ is None


@pytest.mark.slow
@pytest.mark.parametrize("change", ["removed", "replaced"])
def test_a_file_that_changes_during_the_training_is_told_by_name(tmp_path, monkeypatch, change):
    images, labels = stripes(60)
    paths = [tmp_path / f"{number}.png" for number in range(60)]
    for path, image in zip(paths, images, strict=True):
        PIL.Image.fromarray(image).save(path)
    draw, changed, numbers = Squares.drawn, [], iter(range(1000))

    def drawn(squares, row, epoch):
        if epoch == 1 and next(numbers) == 70:  # in the third batch: Keras asks for two before it begins
            changed.append(squares.items[row])
            if change == "removed":
                changed[0].unlink()
            else:
                PIL.Image.fromarray(255 - images[paths.index(changed[0])]).save(changed[0])
        return draw(squares, row, epoch)

    monkeypatch.setattr(Squares, "drawn", drawn)
    text = "does not exist" if change == "removed" else "is another one since the training began"
    with pytest.raises(BadImageError, match=text) as caught:
        fine_tune(Classifier("small_net"), paths, labels, **FEW)
    assert str(caught.value.path) == str(changed[0])


@pytest.mark.slow
def test_the_loss_is_of_images_that_have_targets(monkeypatch):
    images, _ = stripes(60)
    values = np.linspace(0, 1, 60)
    values[::2] = np.nan
    losses, train = [], _training.train

    def kept(*arguments, **named):
        found = train(*arguments, **named)
        losses.append(found.history[0]["held_out"])
        return found

    monkeypatch.setattr("transferkit.finetuning._tune.train", kept)
    regressor = ImageRegressor("small_net", head="linear")
    fine_tune(regressor, images, values, epochs=1, batch_size=16)
    split = hold_out_images(regressor, images, values, fraction=0.15)
    regressor.fit([images[i] for i in split.train], values[split.train])
    errors = np.abs(regressor.predict([images[i] for i in split.held]) - values[split.held])
    assert losses[0] == pytest.approx(np.nanmean(errors), rel=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layers": "block_2"}, "layers must end with a colon: 'block_2:' trains this layer"),
        (
            {"layers": "blok_2:"},
            "layers must name a layer of 'small_net'.*Got 'blok_2:'. Did you mean 'block_2",
        ),
        ({"layers": 3}, "layers must be 'all', or the first layer"),
        ({"epochs": 0}, "epochs must be a positive integer. Got 0"),
        ({"learning_rate": -1}, "learning_rate must be positive. Got -1"),
        ({"validation_fraction": 0.7}, r"validation_fraction must be in \(0, 0.5\]. Got 0.7"),
        ({"precision": "int8"}, "precision must be"),
    ],
)
def test_wrong_parameters(wrong, message):
    images, labels = stripes(40)
    with pytest.raises(InvalidInputError, match=message):
        fine_tune(Classifier("small_net"), images, labels, **wrong)


@pytest.mark.slow
def test_what_cannot_be_tuned():
    images, labels = stripes(40)
    with pytest.raises(InvalidInputError, match="estimator must be a Classifier.* Got str"):
        fine_tune("small_net", images, labels)
    with pytest.raises(InvalidInputError, match="precomputed.*no network to train"):
        fine_tune(Classifier("precomputed"), np.zeros((40, 3)), labels)
    with pytest.raises(InvalidInputError, match="backbone must be a Keras model whose weights are one file"):
        fine_tune(Classifier("scattering", image_size=32), images, labels)
    with pytest.raises(
        InvalidInputError, match="images to hold out.* 7 different images or groups.*Got 40 images in 2"
    ):
        fine_tune(Classifier("small_net"), images, labels, groups=np.arange(40) % 2)
    points = make_triangles(40)
    with pytest.raises(InvalidInputError, match="cascade of regressions.*head='keypoint_map', or refine=0"):
        fine_tune(KeypointRegressor("small_net", head="linear", refine=1), *points[:2])
    with pytest.raises(InvalidInputError, match="y has 39 rows but X has 40 images"):
        fine_tune(Classifier("small_net"), images, labels[:-1])


@pytest.mark.slow
def test_half_precision_trains(better):
    images, labels = stripes(60)
    tuned = fine_tune(Classifier("small_net"), images, labels, precision="float16", **(FEW | {"epochs": 1}))
    weights = tuned.extractor_.settings().network().model.get_weights()
    assert {weight.dtype.name for weight in weights} == {"float32"}
    assert not np.array_equal(weights[0], build().get_weights()[0])


def test_squares_are_drawn_anew_in_each_epoch_and_the_same_again(tiny):
    images, points, _ = make_triangles(4)
    kp = KeypointRegressor(**tiny, refine=0, head="linear").fit(images * 5, np.tile(points, (5, 1, 1)))
    for frames in (None, np.tile([40.0, 32.0, 60.0, 5.0], (4, 1))):
        squares = Squares(
            images, points, Points(3), kp.extractor_, True, None, frames, np.tile([80, 64], (4, 1)), 0
        )
        first, again, other = squares.drawn(0, 1), squares.drawn(0, 1), squares.drawn(0, 2)
        np.testing.assert_array_equal(first[0], again[0])
        assert not np.array_equal(first[0], other[0])
        # the point of the red blob is where its square is red, in whatever way it was moved
        for epoch in range(5):
            pixels, target = squares.drawn(2, epoch)
            x, y = target[:2] * len(pixels)
            if min(x, y) >= 1 and max(x, y) < len(pixels) - 1:
                red = pixels[..., 0].astype(float) - pixels[..., 1]
                assert red[int(y), int(x)] > 0.6 * red.max()

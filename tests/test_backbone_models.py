"""From rows to models: weights, names of layers, and what stands for a user's network in a cache key."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transferkit.backbones import (
    Backbone,
    KerasNetwork,
    Weights,
    build_network,
    get_backbone,
    list_layers,
    resolve_weights,
)
from transferkit.errors import InvalidInputError, WeightsError
from transferkit.identity import describe_backbone, feature_differences

SIZE = 32
RANDOM = Weights("random", None, "random:0")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)


def features(row, model, pixels):
    return np.asarray(model(row.preprocess(pixels), training=False))


def build_model(row, weights, size):
    return build_network(row, weights, size).model


def closeness(a, b):
    return float(np.abs(a - b).max() / a.std())


@pytest.fixture(scope="module")
def trained(keras, tmp_path_factory):
    """A MobileNet whose weights differ from those of every fresh one, and its file."""
    model = build_model(get_backbone("mobilenet"), RANDOM, SIZE)
    generator = np.random.default_rng(1)
    model.set_weights([w * generator.uniform(1, 2, w.shape).astype(w.dtype) for w in model.get_weights()])
    path = tmp_path_factory.mktemp("weights") / "trained.weights.h5"
    model.save_weights(path)
    return model, path


def test_random_weights_are_the_same_in_every_build_and_leave_python_random_alone(keras):
    row = get_backbone("mobilenet")
    random.seed(123)
    state = random.getstate()
    first = build_model(row, RANDOM, SIZE)
    assert random.getstate() == state
    random.seed(456)
    second = build_model(row, RANDOM, SIZE)
    pairs = list(zip(first.get_weights(), second.get_weights(), strict=True))
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert any(a.std() > 0 for a, _ in pairs)
    assert first.trainable_weights == []
    assert first.input_shape == (None, SIZE, SIZE, 3)


def test_python_random_is_given_back_when_the_constructor_fails():
    def fail(**_):
        raise RuntimeError("no")

    random.seed(123)
    state = random.getstate()
    with pytest.raises(RuntimeError, match="no"):
        build_model(Backbone("failing", fail, fail, 32), RANDOM, SIZE)
    assert random.getstate() == state


@pytest.mark.slow
def test_a_saved_file_gives_the_features_of_the_model_that_saved_it(trained, pixels):
    model, path = trained
    row = get_backbone("mobilenet")
    again = build_model(row, resolve_weights(row, path), SIZE)
    np.testing.assert_array_equal(features(row, again, pixels), features(row, model, pixels))
    assert (
        closeness(features(row, again, pixels), features(row, build_model(row, RANDOM, SIZE), pixels)) > 0.1
    )
    assert again.trainable_weights == []


def test_a_file_found_by_name_is_loaded(trained, pixels, tmp_path, monkeypatch):
    model, path = trained
    row = get_backbone("mobilenet")
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(tmp_path))
    (tmp_path / "mobilenet.weights.h5").write_bytes(path.read_bytes())
    again = build_model(row, resolve_weights(row, "imagenet"), SIZE)
    np.testing.assert_array_equal(features(row, again, pixels), features(row, model, pixels))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Skipping nested container")  # Keras, before it raises
@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg16"])
def test_the_file_of_another_network_is_refused(trained, name):
    row = get_backbone(name)
    with pytest.raises(WeightsError, match=rf"does not hold weights of '{name}' without its top") as caught:
        build_model(row, resolve_weights(row, trained[1]), SIZE)
    assert (caught.value.name, caught.value.path) == (name, str(trained[1]))


@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_a_damaged_file_is_refused(trained, tmp_path, damage):
    content = trained[1].read_bytes()
    path = tmp_path / "damaged.weights.h5"
    path.write_bytes(
        {"empty": b"", "text": b"<html>" * 99, "truncated": content[: len(content) // 2]}[damage]
    )
    row = get_backbone("mobilenet")
    with pytest.raises(WeightsError, match="does not hold weights"):
        build_model(row, resolve_weights(row, path), SIZE)


@pytest.mark.slow
def test_efficientnet_from_kerass_file_equals_kerass_own_imagenet_graph(keras, tmp_path, pixels, monkeypatch):
    from keras.src.applications import efficientnet

    row = dataclasses.replace(get_backbone("efficientnet_b0"), weights_hash=None)
    donor = build_model(row, RANDOM, SIZE)
    donor.trainable = True
    normalization = next(layer for layer in donor.layers if type(layer).__name__ == "Normalization")
    normalization.set_weights([np.float32([0.4, 0.5, 0.6]), np.float32([0.3, 0.2, 0.1]), np.int32(0)])
    path = tmp_path / row.weights_file
    donor.save(path)  # the format of Keras's files: older than .weights.h5

    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *_, **__: str(path))
    by_keras = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(SIZE, SIZE, 3)
    )
    weights = resolve_weights(row, path)
    assert weights.kind == "imagenet"
    expected = features(row, by_keras, pixels)
    assert closeness(expected, features(row, build_model(row, weights, SIZE), pixels)) < 1e-4
    by_keras.save_weights(tmp_path / "mine.weights.h5")
    mine = build_model(row, resolve_weights(row, tmp_path / "mine.weights.h5"), SIZE)
    assert closeness(expected, features(row, mine, pixels)) < 1e-4
    # The trap: what is in the file, in the graph that Keras builds without weights.
    assert closeness(expected, features(row, donor, pixels)) > 0.01


@pytest.fixture
def rescaled(keras):
    """A small row whose ImageNet graph has one more layer, as that of EfficientNet, and that graph."""

    def constructor(include_top=False, weights=None, input_shape=None):
        inputs = keras.Input(input_shape)
        x = keras.layers.Rescaling(1 / 255)(inputs)
        x = keras.layers.Normalization(mean=[0.4] * 3, variance=[0.3] * 3)(x)
        if weights == "imagenet":
            x = keras.layers.Rescaling([2.0, 3.0, 4.0])(x)
        return keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv")(x))

    def finish(model):
        conv = model.get_layer("conv")
        kernel, bias = conv.get_weights()
        conv.set_weights([kernel * np.reshape([2.0, 3.0, 4.0], (3, 1)), bias])

    fields = {"weights_file": "published_notop.h5", "finish": finish, "lost_layer": "rescaling_1"}
    row = Backbone("rescaled", constructor, lambda x: x, SIZE, image_size=SIZE, **fields)
    return row, constructor(weights="imagenet", input_shape=(SIZE, SIZE, 3))


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
@pytest.mark.parametrize("place", ["folder", "file"])
def test_weights_are_finished_by_what_is_in_the_file(rescaled, pixels, tmp_path, monkeypatch, ending, place):
    row, original = rescaled
    path = tmp_path / f"mine{ending}"
    if place == "folder":
        monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(tmp_path))
        path = tmp_path / ("rescaled.weights.h5" if ending == ".weights.h5" else row.weights_file)
    asked = "imagenet" if place == "folder" else path
    save = original.save_weights if ending == ".weights.h5" else original.save
    save(path)
    weights = resolve_weights(row, asked)
    plain = build_model(row, weights, SIZE)
    assert closeness(features(row, original, pixels), features(row, plain, pixels)) < 1e-5
    if path.name == row.weights_file:
        return  # it is held to be the one that was published
    save = plain.save_weights if ending == ".weights.h5" else plain.save  # as after fine-tuning
    save(path)
    again = build_model(row, resolve_weights(row, asked), SIZE)
    assert closeness(features(row, original, pixels), features(row, again, pixels)) < 1e-5


def test_the_published_file_is_finished_under_any_name(rescaled, tmp_path):
    path = tmp_path / "renamed.h5"
    path.write_bytes(b"as published")
    row = dataclasses.replace(rescaled[0], weights_hash=hashlib.md5(b"as published").hexdigest())
    found = resolve_weights(row, path)
    assert (found.kind, found.finish) == ("file", True)
    assert describe_backbone(get_backbone("efficientnet_b0"), found)["finish"] == "True"  # old rows are wrong
    assert "finish" not in describe_backbone(get_backbone("vgg16"), found)
    assert not resolve_weights(rescaled[0], path).finish


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        pytest.param("convnext_tiny", 32, "add", marks=pytest.mark.slow),
        # Of layers that Keras names, the quick form is in tests/test_registered_networks.py.
        pytest.param("inception_v3", 75, "activation", marks=pytest.mark.full),
    ],
)
def test_layer_names_do_not_depend_on_what_was_built_before(keras, name, size, layer):
    row = get_backbone(name)
    keras.backend.clear_session()
    first = build_network(row, RANDOM, size)
    shapes = {name: tensor.shape for name, tensor in first.tensors.items()}
    inputs = keras.Input((8, 8, 3))
    keras.layers.Activation("relu")(keras.layers.Conv2D(2, 3)(inputs) + 1)
    second = build_network(row, RANDOM, size)
    assert second.layer_names() == first.layer_names()
    assert {name: tensor.shape for name, tensor in second.tensors.items()} == shapes
    assert {layer, f"{layer}_1", f"{layer}_5", "last", *row.layers} <= set(shapes)
    # Keras's own counters went on as if nothing had been built in between.
    assert keras.layers.Activation("relu").name == "activation_1"
    assert second.layer_names()[-1] == "last"


def test_taps_of_convnext_are_the_last_sums_of_their_stages():
    network = build_network(get_backbone("convnext_tiny"), RANDOM, 64)
    shapes = {name: network.tensors[name].shape[1:] for name in ("add_5", "add_10", "add_14", "last")}
    assert shapes == {"add_5": (8, 8, 192), "add_10": (4, 4, 384), "add_14": (4, 4, 384), "last": (2, 2, 768)}


@pytest.mark.parametrize(
    "name",
    ["vgg16", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mobilenet_v2", "resnet50_v2"))],
)
def test_taps_go_from_stride_8_to_32(name):
    row = get_backbone(name)
    network = build_network(row, RANDOM, 64)
    assert [network.tensors[layer].shape[1] for layer in row.layers] == [8, 4, 4, 2]


def test_a_tap_is_the_activation_of_its_layer(trained, pixels):
    row, (model, _) = get_backbone("mobilenet"), trained
    layers = ("last", "conv_pw_5_relu", "conv_pw_13_relu")
    last, middle, same = KerasNetwork(model).tap(layers)(row.preprocess(pixels))
    np.testing.assert_array_equal(np.asarray(last), features(row, model, pixels))
    np.testing.assert_array_equal(np.asarray(same), np.asarray(last))
    assert middle.shape == (2, 4, 4, 256)


def test_unknown_layers_say_what_was_meant(trained):
    network = KerasNetwork(trained[0])
    with pytest.raises(InvalidInputError) as caught:
        network.tap(("last", "conv_pw_5_rely", "nothing"))
    near = "'conv_pw_5_relu', 'conv_pw_9_relu' or 'conv_pw_8_relu'"
    assert str(caught.value) == (
        f"layers must name layers of the backbone. Got 'conv_pw_5_rely' and 'nothing'. Did you mean {near}? "
        f"Call transferkit.list_layers() for all {len(network.tensors)}."
    )
    with pytest.raises(InvalidInputError, match=r"Got 'qqq'\. Call transferkit\.list_layers"):
        network.tap(("qqq",))


def test_list_layers_goes_from_the_input_to_last():
    names = list_layers("VGG-16", image_size=32)
    assert names[-3:] == ["block5_conv3", "block5_pool", "last"]
    assert names[1] == "block1_conv1"
    assert len(names) == 20


CUSTOM = '''
import keras
from transferkit.backbones import Backbone


def network(filters=4, skip=1, activation="relu", shift=0.0, twice=True):
    """A network with unnamed layers, one inside another, and a choice of wiring that moves no weight."""

    def constructor(include_top, weights, input_shape):
        inputs = keras.Input(input_shape)
        layers = [keras.layers.Conv2D(filters, 3, padding="same")(inputs)]
        layers.append(keras.layers.Activation(activation)(layers[0]))
        layers.append(keras.layers.Dropout(0.5)(layers[1]))
        layers.append(keras.layers.Activation(activation)(layers[2]))
        inner = keras.Sequential([keras.layers.Conv2D(filters, 1), keras.layers.ReLU()])
        x = inner(layers[3]) + layers[skip]
        if twice:
            x = x * 2.0
        model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(keepdims=True)(x))
        model.set_weights([w + shift for w in model.get_weights()])
        return model

    return constructor


def preprocess_input(x):
    return x / 127.5 - 1


def row(preprocess_input=preprocess_input, **choices):
    return Backbone("custom", network(**choices), preprocess_input, 32)
'''


@pytest.fixture(scope="module")
def custom(keras, tmp_path_factory):
    """The module of a user's backbone, which another process can load too."""
    path = tmp_path_factory.mktemp("custom") / "custom_backbone.py"
    path.write_text(CUSTOM)
    spec = importlib.util.spec_from_file_location("custom_backbone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def description(row):
    return describe_backbone(row, RANDOM, build_network(row, RANDOM, SIZE))


def test_description_of_our_rows_needs_no_model():
    weights = Weights("imagenet", None, "abc")
    assert describe_backbone(get_backbone("vgg16"), weights) == {
        "name": "vgg16",
        "version": "1",
        "weights": "abc",
    }


def test_description_of_a_users_row_is_the_same_when_it_is_built_again(custom):
    first = description(custom.row())
    assert set(first) == {"name", "version", "weights", "graph", "preprocess_input", "probe"}
    assert [description(custom.row()) for _ in range(2)] == [first] * 2


@pytest.mark.slow
def test_description_of_a_users_row_is_the_same_in_another_process(custom):
    code = """
import json, custom_backbone
from transferkit.backbones import Weights, build_network
from transferkit.identity import describe_backbone
row, weights = custom_backbone.row(), Weights("random", None, "random:0")
print(json.dumps(describe_backbone(row, weights, build_network(row, weights, 32))))
"""
    folder = str(Path(custom.__file__).parent)
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join([folder, *sys.path])}
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
    )
    assert json.loads(result.stdout.splitlines()[-1]) == description(custom.row())


@pytest.mark.parametrize(
    ("choices", "changed"),
    [
        ({"skip": 0}, {"graph"}),
        ({"skip": 3}, {"graph"}),  # from another layer of the same kind
        ({"activation": "tanh"}, {"graph"}),
        ({"twice": False}, {"graph"}),
        ({"filters": 5}, {"graph", "weights"}),
        ({"shift": 0.25}, {"weights"}),
        ({"preprocess_input": lambda x: x / 127.5}, {"preprocess_input"}),
        ({"preprocess_input": lambda x: x[..., ::-1] / 127.5 - 1}, {"preprocess_input"}),
    ],
)
def test_description_of_a_users_row_follows_what_it_does(custom, choices, changed):
    first, second = description(custom.row()), description(custom.row(**choices))
    assert {key for key in first if first[key] != second[key]} - {"probe"} == changed
    assert feature_differences(first, second)


def test_description_of_a_users_row_carries_its_version(custom):
    first = description(custom.row())
    assert description(dataclasses.replace(custom.row(), version="2")) == {**first, "version": "2"}


@pytest.mark.slow
def test_description_of_our_row_with_another_preprocessing_is_not_ours(keras):
    row = get_backbone("mobilenet")
    changed = dataclasses.replace(row, preprocess_input=lambda x: x)
    assert description(changed) != description(row)
    assert "preprocess_input" in description(changed)


def test_only_kerass_own_file_is_finished(custom, tmp_path):
    finished = []
    row = dataclasses.replace(custom.row(), weights_file="published.weights.h5", finish=finished.append)
    donor = build_model(row, RANDOM, SIZE)
    assert finished == []
    for name, count in (("mine.weights.h5", 0), ("published.weights.h5", 1)):
        donor.save_weights(tmp_path / name)
        model = build_model(row, resolve_weights(row, tmp_path / name), SIZE)
        assert finished == [model] * count


def test_a_sequential_network_can_be_tapped(keras, pixels):
    def constructor(include_top, weights, input_shape):
        return keras.Sequential([keras.Input(input_shape), keras.layers.Conv2D(4, 3), keras.layers.ReLU()])

    row = Backbone("sequential", constructor, lambda x: x, 32)
    network = build_network(row, RANDOM, SIZE)
    assert network.layer_names() == ["conv2d", "re_lu", "last"]
    convolved, last = network.tap(("conv2d", "last"))(pixels)
    np.testing.assert_array_equal(np.maximum(np.asarray(convolved), 0), np.asarray(last))


def test_a_network_without_known_inputs_is_refused(keras):
    class Opaque(keras.Model):
        def call(self, x):
            return x

    row = Backbone("opaque", lambda **_: Opaque(), lambda x: x, 32)
    with pytest.raises(InvalidInputError, match=r"'opaque' must return a keras\.Model .* Got Opaque"):
        build_model(row, RANDOM, SIZE)

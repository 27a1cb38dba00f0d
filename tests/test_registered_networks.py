"""Networks of users: models are left alone, and an edit of their code is never answered from the cache."""

from __future__ import annotations

import base64
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from transferkit import Backbone, Classifier, FeatureExtractor, list_layers, load
from transferkit.backbones import (
    KerasNetwork,
    Source,
    Weights,
    build_network,
    check_backbone,
    get_backbone,
)
from transferkit.datasets import make_faces
from transferkit.engines import has_openvino
from transferkit.errors import BackboneCheckError, InvalidInputError, ModelFileError, WeightsError
from transferkit.identity import describe_backbone
from transferkit.identity._probe import answer, difference, probe_images

SIZE = 32
RANDOM = Weights("random", None, "random:0")
ENGINES = ["keras", pytest.param("openvino", marks=pytest.mark.skipif(not has_openvino(), reason="extra"))]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def images():
    return make_faces(12).images


def identity(pixels):
    return pixels


def row(model, preprocess_input=identity, **details):
    """Return a backbone of a model that lives, or of a function that builds one."""

    def constructor(include_top=False, weights=None, input_shape=None):
        return model(input_shape) if callable(model) and not hasattr(model, "layers") else model

    return Backbone("mine", constructor, preprocess_input, SIZE, image_size=SIZE, **details)


def convolutions(keras, *names):
    """Return a model with a convolution for each name; None leaves the name to Keras."""
    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((SIZE, SIZE, 3))
    for name in names:
        x = keras.layers.Conv2D(3, 3, strides=2, name=name)(x)
    return keras.Model(inputs, x)


def train(model):
    """Change the weights of a model as training does."""
    for variable in model.trainable_variables:
        variable.assign(variable + 0.1)


# Live models.


@pytest.fixture
def model(keras):
    return convolutions(keras, "first", "second")


def test_a_model_of_the_user_is_left_alone(keras, model, images, tmp_path):
    donor = convolutions(keras, "first", "second")
    train(donor)
    donor.save_weights(tmp_path / "other.weights.h5")
    before = model.get_weights()
    for weights in (None, "imagenet", tmp_path / "other.weights.h5"):
        FeatureExtractor(row(model), weights=weights).transform(images)
    assert model.trainable
    assert all(layer.trainable for layer in model.layers)
    for earlier, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(earlier, now)


@pytest.mark.parametrize(
    "make",
    ["itself", *(pytest.param(name, marks=pytest.mark.slow) for name in ("without its top", "cached"))],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_later_training_needs_a_new_fit(keras, model, images, make, engine):
    made = {
        "itself": row(model),
        "without its top": row(lambda shape: keras.Model(model.input, model.get_layer("first").output)),
        "cached": row(lambda shape, known=[model]: known[0]),
    }[make]  # fmt: skip
    extractor = FeatureExtractor(made, weights=None, engine=engine).fit()
    fresh = FeatureExtractor(made, weights=None, engine=engine, cache=False).transform(images)
    some = extractor.transform(images[:4])
    train(model)
    np.testing.assert_array_equal(extractor.transform(images), fresh)
    np.testing.assert_array_equal(some, fresh[:4])
    now = FeatureExtractor(made, weights=None, engine=engine, cache=False).transform(images)
    assert not np.allclose(now, fresh)
    np.testing.assert_array_equal(FeatureExtractor(made, weights=None, engine=engine).transform(images), now)
    np.testing.assert_array_equal(extractor.fit().transform(images), now)


def test_a_model_that_was_trained_on_is_refused_where_a_copy_or_a_file_is_read(
    keras, model, images, tmp_path
):
    from transferkit import register_backbone

    register_backbone("mine", row(model).constructor, identity, SIZE, image_size=SIZE)
    clf = Classifier("mine", weights=None).fit(images, [0, 1] * 6)
    clf.save(tmp_path / "model.tkit")
    sent = pickle.dumps(clf)
    labels = pickle.loads(sent).predict(images)
    np.testing.assert_array_equal(load(tmp_path / "model.tkit").predict(images), labels)
    train(model)
    np.testing.assert_array_equal(clf.predict(images), labels)  # it has the copy of its fit
    with pytest.raises(WeightsError, match="weights was"):
        pickle.loads(sent).predict(images)
    with pytest.raises(ModelFileError, match="weights was"):
        load(tmp_path / "model.tkit")


def test_a_model_that_cannot_be_copied_says_what_to_do(keras, images):
    class Scale(keras.layers.Layer):
        def __init__(self, by):
            super().__init__()
            self.by = by
            self.kernel = self.add_weight(shape=())

        def call(self, x):
            return x * self.by + self.kernel

        def get_config(self):
            return super().get_config()

    inputs = keras.Input((SIZE, SIZE, 3))
    live = keras.Model(inputs, Scale(2.0)(inputs))
    with pytest.raises(InvalidInputError, match=r"cannot be copied: TypeError.*get_config"):
        FeatureExtractor(row(live), weights=None).fit()
    anew = row(lambda shape: keras.Model(inputs, Scale(2.0)(inputs)))
    assert FeatureExtractor(anew, weights=None, grid="full").transform(images).shape == (12, SIZE * SIZE * 3)


def test_a_copy_with_other_outputs_is_refused(keras):
    class Scale(keras.layers.Layer):
        by = 1.0

        def build(self, shape):
            self.kernel = self.add_weight(shape=())

        def call(self, x):
            return x * self.by + self.kernel

    layer = Scale()
    layer.by = 3.0
    inputs = keras.Input((SIZE, SIZE, 3))
    with pytest.raises(InvalidInputError, match="its copy gives other outputs"):
        FeatureExtractor(row(keras.Model(inputs, layer(inputs))), weights=None).fit()


def test_layers_without_a_configuration_are_refused(keras):
    class Scale(keras.layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, x):
            return self.function(x)

    def build(shape):
        inputs = keras.Input(shape)
        return keras.Model(inputs, Scale(lambda x: x * 2)(inputs))

    with pytest.raises(InvalidInputError, match="Layers of a registered backbone must have get_config"):
        FeatureExtractor(row(build), weights=None).fit()


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("sequential", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_models_within_models(keras, images, live, sequential):
    def build(shape=(SIZE, SIZE, 3)):
        inner = convolutions(keras, "first")
        if sequential:
            return keras.Sequential(
                [keras.Input(shape), inner, keras.layers.GlobalAveragePooling2D(name="mean")]
            )
        inputs = keras.Input(shape)
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="mean")(inner(inputs)))

    made = row(build() if live else build, layers=("mean",))
    within, mean = list_layers(made)[-3:-1]
    maps = FeatureExtractor(made, weights=None, layers=within, grid=1).transform(images)
    last = FeatureExtractor(made, weights=None, layers=mean, grid=1).transform(images)
    np.testing.assert_allclose(maps, last, rtol=1e-3)
    inner = convolutions(keras, "first")
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)
    (found,) = build_network(made, RANDOM, SIZE).tap((within,))(pixels)
    np.testing.assert_allclose(found, inner(pixels), rtol=1e-5)


@pytest.mark.parametrize(
    ("constructor", "preprocess_input", "message"),
    [
        (lambda include_top: None, identity, r"constructor\(include_top=False.*unexpected keyword argument"),
        (
            "keras.applications:Nope",
            identity,
            "constructor of backbone 'mine' must name .*no attribute 'Nope'",
        ),
        ("keras.applications.nope:X", identity, "constructor of .*No module named 'keras.applications.nope'"),
        (None, "nowhere:preprocess_input", "preprocess_input of .*No module named 'nowhere'"),
        (None, lambda x: x[..., :1], r"takes, \(None, 32, 32, 3\). Got \(\d, 32, 32, 1\)"),
        (None, lambda x: np.moveaxis(x, -1, 1), r"takes, \(None, 32, 32, 3\). Got \(\d, 3, 32, 32\)"),
        (None, lambda x: x[:, ::2, ::2], r"Got \(\d, 16, 16, 3\).*must build the network for input_shape"),
    ],
)
def test_what_does_not_fit_together_says_so(keras, images, constructor, preprocess_input, message):
    def usual(include_top=False, weights=None, input_shape=None):
        return convolutions(keras, "first")

    made = Backbone("mine", constructor or usual, preprocess_input, SIZE, image_size=SIZE)
    with pytest.raises(InvalidInputError, match=message):
        FeatureExtractor(made, weights=None).fit().transform(images)
    with pytest.raises((InvalidInputError, BackboneCheckError)):
        check_backbone(made)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("sequential", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_layers_that_other_models_call_too_are_tapped_in_this_one(keras, images, live, sequential):
    def build(shape=(SIZE, SIZE, 3)):
        base = convolutions(keras, "first", "second")
        base.get_layer("first")(keras.ops.zeros((1, *shape)))
        x = inputs = keras.Input(shape)
        halved = keras.layers.Rescaling(0.5, name="halved")
        halved(keras.Input(shape))
        if sequential:
            return keras.Sequential([inputs, halved, *base.layers[1:]])
        base.get_layer("first")(x)  # a call that leads nowhere
        for layer in (halved, *base.layers[1:]):
            x = layer(x)
        return keras.Model(inputs, x)

    made = row(build() if live else build, layers=("first", "last"))
    check_backbone(made)
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3)).astype(np.float32)
    network = build_network(made, RANDOM, SIZE)
    first, last = network.tap(("first", "last"))(pixels)
    layers = build().layers[-2:]
    np.testing.assert_allclose(first, layers[0](pixels / 2), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(last, layers[1](layers[0](pixels / 2)), rtol=1e-5, atol=1e-3)
    assert FeatureExtractor(made, weights=None, layers="first").transform(images).shape == (12, 3)


def test_a_layer_that_is_called_twice_has_no_one_output(keras):
    def build(shape):
        inputs = keras.Input(shape)
        twice = keras.layers.Conv2D(3, 3, padding="same", name="twice")
        return keras.Model(inputs, keras.layers.ReLU(name="end")(twice(twice(inputs))))

    assert build_network(row(build), RANDOM, SIZE).layer_names()[-2:] == ["end", "last"]
    assert "twice" not in list_layers(row(build))


@pytest.mark.parametrize("live", [False, True])
def test_models_for_images_of_any_size(keras, images, live):
    def build(shape=None):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((None, None, 3))
        return keras.Model(inputs, keras.layers.Conv2D(3, 3)(inputs))

    made = row(build() if live else build)
    assert FeatureExtractor(made, weights=None, grid="full").transform(images).shape == (12, 30 * 30 * 3)


@pytest.mark.parametrize("live", [False, True])
def test_models_of_two_outputs_have_layers_but_no_last(keras, images, live):
    def build(shape=(SIZE, SIZE, 3)):
        inputs = keras.Input(shape)
        x = keras.layers.Conv2D(3, 3, name="first")(inputs)
        return keras.Model(inputs, [x, keras.layers.ReLU(name="second")(x)])

    made = row(build() if live else build)
    assert list_layers(made)[-2:] == ["first", "second"]
    first, second = (
        FeatureExtractor(made, weights=None, grid="full", layers=name).transform(images)
        for name in ("first", "second")
    )
    np.testing.assert_array_equal(np.maximum(first, 0), second)
    with pytest.raises(InvalidInputError, match=r"layers must name layers of the backbone\. Got 'last'"):
        FeatureExtractor(made, weights=None).transform(images)


# Code that changes while graph and weights stay.

STATE = {"layer": 1.0, "table": np.arange(256, dtype=np.float32), "size": 0}


@pytest.fixture(autouse=True)
def state(monkeypatch):
    for name, value in STATE.items():
        monkeypatch.setitem(STATE, name, value.copy() if hasattr(value, "copy") else value)
    return STATE


@pytest.fixture
def edited(keras):
    """Return a backbone whose layer and whose preprocessing read what a user may edit."""

    class Scale(keras.layers.Layer):
        def call(self, x):
            return x * STATE["layer"]

    def build(shape):
        keras.utils.set_random_seed(1)
        inputs = keras.Input(shape)
        x = keras.layers.LayerNormalization()(Scale(name="scale")(inputs))  # which takes the scale out again
        return keras.Model(inputs, keras.layers.Conv2D(3, 3, strides=2)(x))

    def preprocess_input(pixels):
        if pixels.shape[1] == STATE["size"]:
            return pixels * 0.5
        return STATE["table"][np.clip(pixels, 0, 255).astype(int)]

    return row(build, preprocess_input, layers=("scale",), grid=None)


def edit_layer():
    STATE["layer"] = 1.001


def edit_one_level():
    STATE["table"][77] += 1


def edit_size():
    STATE["size"] = SIZE


EDITS = [edit_layer, edit_one_level, edit_size]


@pytest.mark.parametrize(
    "edit", [edit_layer, *(pytest.param(edit, marks=pytest.mark.slow) for edit in EDITS[1:])]
)
@pytest.mark.parametrize("engine", ENGINES)
def test_edited_code_is_not_answered_from_the_cache(edited, images, edit, engine):
    def features(**settings):
        return FeatureExtractor(edited, weights=None, engine=engine, **settings).transform(images)

    before = features()
    edit()
    np.testing.assert_array_equal(features(), features(cache=False))
    assert not np.array_equal(features(), before)


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("started", [False, True])
def test_edits_in_between_are_refused_or_without_effect(edited, images, edit, engine, started):
    extractor = FeatureExtractor(edited, weights=None, engine=engine).fit()
    before = FeatureExtractor(edited, weights=None, engine=engine, cache=False).transform(images)
    if started:
        extractor.transform(images[:1])
    edit()
    if started and edit is edit_layer:  # the engine has read the layers already
        np.testing.assert_array_equal(extractor.transform(images), before)
        return
    for _ in range(2):
        with pytest.raises(WeightsError, match="was changed while it was in use"):
            extractor.transform(images)
    if started:  # what is stored is still right
        np.testing.assert_array_equal(extractor.transform(images[:1]), before[:1])
    now = FeatureExtractor(edited, weights=None, engine=engine, cache=False).transform(images)
    np.testing.assert_array_equal(extractor.fit().transform(images), now)


def test_rounding_is_no_difference(edited, images, tmp_path):
    extractor = FeatureExtractor(edited, weights=None, cache=tmp_path).fit()
    extractor.transform(images)
    (note,) = tmp_path.glob("backbone-*.json")
    content = json.loads(note.read_text())
    known = content["known"][0]["probe"]
    values = np.frombuffer(base64.b64decode(known)) * (1 + 2e-7)
    content["known"][0]["probe"] = base64.b64encode(values.tobytes()).decode()
    note.write_text(json.dumps(content))
    again = FeatureExtractor(edited, weights=None, cache=tmp_path).fit()
    assert again.describe()["backbone"]["probe"] == content["known"][0]["probe"] != known
    note.write_text("{")
    damaged = FeatureExtractor(edited, weights=None, cache=tmp_path).fit()
    damaged.transform(images)
    assert damaged.report_.n_cached == 12
    content["known"] = [{"probe": 3}, "no"]
    note.write_text(json.dumps(content))
    FeatureExtractor(edited, weights=None, cache=tmp_path).fit()
    assert len(json.loads(note.read_text())["known"]) == 1


@dataclass(frozen=True)
class Declared(Source):
    """A network that is known by its parameters."""

    def resolve(self, name, weights):
        return RANDOM

    def build(self, name, weights, image_size):
        import keras

        return KerasNetwork(convolutions(keras, "first"))


@pytest.mark.parametrize("edit", [edit_one_level, pytest.param(edit_size, marks=pytest.mark.slow)])
@pytest.mark.parametrize("engine", ENGINES)
def test_preprocessing_before_a_declared_network_is_part_of_its_identity(
    keras, edited, images, edit, engine, tmp_path
):
    from transferkit import register_backbone

    def features(**settings):
        return FeatureExtractor("mine", engine=engine, **settings).transform(images)

    register_backbone("mine", Declared(), edited.preprocess_input, SIZE, image_size=SIZE)
    extractor = FeatureExtractor("mine", engine=engine).fit()
    before = extractor.transform(images[:6])
    clf = Classifier("mine", extractor=FeatureExtractor(engine=engine)).fit(images, [0, 1] * 6)
    clf.save(tmp_path / "model.tkit")
    load(tmp_path / "model.tkit")
    edit()
    np.testing.assert_array_equal(features(), features(cache=False))  # neither old rows nor an old graph
    assert not np.array_equal(features()[:6], before)
    with pytest.raises(WeightsError, match="preprocess_input gives other values"):
        extractor.transform(images)
    with pytest.raises(ModelFileError, match="preprocess_input gives other values"):
        load(tmp_path / "model.tkit")
    np.testing.assert_array_equal(extractor.fit().transform(images), features(cache=False))


def test_a_declared_network_of_pixels_is_not_probed(keras):
    as_they_are = "transferkit.backbones.pixels:preprocess_input"
    made = Backbone("mine", Declared(), as_they_are, SIZE, image_size=SIZE)
    assert describe_backbone(made, RANDOM) == {"name": "mine", "version": "1", "weights": RANDOM.digest}


@pytest.mark.slow
def test_a_shipped_backbone_is_not_probed(images, monkeypatch):
    monkeypatch.setattr("transferkit.identity._backbone.answer", None)
    FeatureExtractor("scattering", image_size=SIZE).fit().transform(images[:1])


@pytest.mark.parametrize("size", [1, 5, 16, 32, 33, 224])
def test_probes_have_all_grey_levels(size):
    images = probe_images(size)
    assert images.shape[1:] == (size, size, 3)
    assert len(images) >= 2
    for channel in range(3):
        assert set(np.unique(images[:-1, ..., channel])) == set(range(256))


def test_an_answer_tells_layers_from_preprocessing(edited):
    network = build_network(edited, RANDOM, SIZE)
    first = answer(edited, network, SIZE)
    assert difference(first, answer(edited, network, SIZE)) == ""
    edit_layer()
    assert difference(first, answer(edited, network, SIZE)).startswith("its layers give other values")
    edit_one_level()
    assert difference(first, answer(edited, network, SIZE)) == "preprocess_input gives other values"
    assert difference(first, "no answer!") == "the network has other layers"


def test_networks_without_finite_numbers_are_still_themselves(keras):
    made = row(lambda shape: convolutions(keras, "first"), lambda pixels: pixels / 0.0)
    with np.errstate(all="ignore"):
        descriptions = [describe_backbone(made, RANDOM, build_network(made, RANDOM, SIZE)) for _ in range(2)]
        assert difference(*(each["probe"] for each in descriptions)) == ""


# Names of layers.


@pytest.mark.parametrize("live", [False, True])
def test_an_exact_name_wins(keras, images, live):
    names = ["conv2d_1", "conv2d_2"]
    made = row(convolutions(keras, *names)) if live else row(lambda shape: convolutions(keras, *names))
    if not live:
        assert list_layers(made) == ["input_layer", "conv2d_1", "conv2d_2", "last"]
    model = convolutions(keras, *names)
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
    for layer in names:
        expected = keras.Model(model.input, model.get_layer(layer).output)(pixels.astype(np.float32))
        ours = FeatureExtractor(made, weights=None, grid="full", layers=[layer], engine="keras").transform(
            pixels
        )
        np.testing.assert_allclose(ours, np.asarray(expected).reshape(len(ours), -1), rtol=1e-3, atol=0.2)


def test_counted_names_are_the_same_in_a_busy_process(keras):
    made = row(lambda shape: convolutions(keras, None, "mine", None))
    names = ["input_layer", "conv2d", "mine", "conv2d_1", "last"]
    assert list_layers(made) == names
    for _ in range(3):
        keras.layers.Conv2D(2, 3)
    assert list_layers(made) == names
    descriptions = [describe_backbone(made, RANDOM, build_network(made, RANDOM, SIZE)) for _ in range(2)]
    assert descriptions[0] == descriptions[1]


def test_a_name_that_keras_would_give_again_is_refused_everywhere(keras):
    keras.layers.Conv2D(2, 3)  # here, Keras itself would count on from this one
    with pytest.raises(ValueError, match='"conv2d_1" is used 2 times'):
        list_layers(row(lambda shape: convolutions(keras, None, "conv2d_1", None)))


def test_models_of_earlier_versions_know_a_graph_as_before(keras):
    made = row(lambda shape: convolutions(keras, None, "mine", None))
    # What version 0 writes for this model.
    assert (
        build_network(made, RANDOM, SIZE).fingerprint()["graph"]
        == "22760528e40078365e0e2f4f49db7b847ce5abe9727cf77f6f0dc92a9d98561f"
    )
    # Here it counted the second convolution as conv2d: another layer than the one that has the name now.
    made = row(lambda shape: convolutions(keras, "conv2d_2", None))
    graph = build_network(made, RANDOM, SIZE).fingerprint()["graph"]
    assert (
        graph
        != build_network(row(lambda shape: convolutions(keras, None, None)), RANDOM, SIZE).fingerprint()[
            "graph"
        ]
    )


@pytest.mark.slow
def test_random_weights_are_the_same_in_a_fresh_process(keras):
    code = """
import hashlib
from transferkit.backbones import Weights, build_network, get_backbone
network = build_network(get_backbone("mobilenet"), Weights("random", None, "random:0"), 32)
print(network.fingerprint()["weights"])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = build_network(get_backbone("mobilenet"), RANDOM, SIZE).fingerprint()["weights"]
    assert run.stdout.split()[-1] == here

"""Models and functions that a person holds in hand, used like a name in the registry."""

import copy
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import transferkit
from transferkit import Backbone, Classifier, FeatureExtractor, check_backbone, list_layers, load
from transferkit.errors import BackboneCheckError, InvalidInputError, ModelFileError, WeightsError
from transferkit.persistence._file import read_model, write_model

keras = pytest.importorskip("keras")
LABELS = ["a", "b"] * 6
SCALE = 255.0


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)


def network(*, scale=True, top=False, size=32, channels=3):
    keras.utils.set_random_seed(0)
    x = image = keras.Input((size, size, channels))
    x = keras.layers.Rescaling(1 / 127.5, -1)(x) if scale else x
    for i, width in enumerate((8, 16, 24)):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu", name=f"stage{i}")(x)
    if top:
        x = keras.layers.Dense(5, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, x, name="mine")


def by_hand(model, images):
    return keras.ops.convert_to_numpy(model(images.astype(np.float32), training=False))


def features(backbone, images, layers="last", **settings):
    extractor = FeatureExtractor(backbone, layers=layers, grid="full", cache=False, **settings)
    return extractor.settings().engine().run(images)[0]


# Keras models


@pytest.mark.slow
def test_a_model_is_used_like_a_name(images, tmp_path):
    model = network()
    np.testing.assert_allclose(features(model, images), by_hand(model, images), atol=1e-4)
    clf = Classifier(model).fit(images, LABELS)
    assert clf.extractor_.layers_ == ("stage0", "stage1", "last")
    assert list_layers(model)[-1] == "last"
    assert check_backbone(model).name == "mine"
    assert cross_val_score(Classifier(model), list(images), LABELS, cv=2).shape == (2,)
    clf.save(tmp_path / "m.safetensors")
    loaded = transferkit.load(tmp_path / "m.safetensors", backbone=model)
    np.testing.assert_array_equal(loaded.decision_function(images), clf.decision_function(images))
    with pytest.raises(ModelFileError, match="not registered here. Pass backbone="):
        transferkit.load(tmp_path / "m.safetensors")
    other = network(size=64)
    with pytest.raises((ModelFileError, WeightsError)):
        transferkit.load(tmp_path / "m.safetensors", backbone=other)


@pytest.mark.slow
def test_a_model_that_is_trained_further_is_another_backbone(images):
    model = network()
    clf = Classifier(model).fit(images, LABELS)
    before = clf.decision_function(images)
    kernel = model.trainable_weights[0]
    kernel.assign(kernel + np.random.default_rng(0).normal(0, 0.1, kernel.shape))
    np.testing.assert_array_equal(clf.decision_function(images), before)
    assert model.trainable, "left alone"
    again = Classifier(model).fit(images, LABELS)
    assert np.abs(again.decision_function(images) - before).max() > 1e-5


def test_a_model_has_weights_of_its_own(images):
    for backbone in (network(), Backbone.from_keras(network())):
        with pytest.raises(InvalidInputError, match="weights must be left out for backbone 'mine', a model"):
            Classifier(backbone, weights=None).fit(images, LABELS)


@pytest.mark.slow
def test_a_model_with_its_top_has_maps_below_it(images):
    backbone = Backbone.from_keras(network(top=True))
    assert backbone.layers == ("stage0", "stage1", "stage2")
    assert Classifier(backbone).fit(images, LABELS).predict(images).shape == (12,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(scale=False), "preprocess_input must be given for model 'mine'"),
        (lambda: network(channels=4), r"must take square images of 3 channels.*\(None, 32, 32, 4\)"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "preprocess_input must be given"),
        (lambda: 3, "model must be a keras.Model. Got int"),
    ],
)
def test_a_model_that_is_no_backbone_says_why(make, message):
    with pytest.raises(InvalidInputError, match=message):
        Backbone.from_keras(make())


def test_a_model_that_moves_channels_first_is_refused(images):
    inner = network()
    model = keras.Model(inner.input, keras.layers.Permute((3, 1, 2), name="moved")(inner.output))
    for ask in (Classifier(model).fit, FeatureExtractor(model, layers="moved").fit_transform):
        with pytest.raises(InvalidInputError, match=r"Got layer '\w+' of shape \(None, 24, 4, 4\).*Permute"):
            ask(images, LABELS)
    with pytest.raises(BackboneCheckError, match=r"\(n, c, h, w\)"):
        check_backbone(model)
    before = FeatureExtractor(model, layers="stage2", grid="full").fit_transform(images)
    np.testing.assert_allclose(before, by_hand(inner, images).reshape(12, -1), rtol=1e-2, atol=1e-3)


def test_maps_of_other_strides_are_no_moved_channels(images):
    """As many channels as columns, by chance."""
    model = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(8, 3, (8, 4), "same")]
    )
    assert model.output_shape == (None, 4, 8, 8)
    features = FeatureExtractor(model, grid="full").fit_transform(images)
    np.testing.assert_allclose(features, by_hand(model, images).reshape(12, -1), rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_models_saved_without_weights_of_their_own_load(images, tmp_path):
    """In earlier versions weights=None meant those of the model that was passed."""
    model = network()
    clf = Classifier(model).fit(images, LABELS)
    clf.save(tmp_path / "model.safetensors")
    tensors, document = read_model(tmp_path / "model.safetensors")
    document["parameters"]["weights"] = None
    write_model(tmp_path / "model.safetensors", tensors, document)
    again = load(tmp_path / "model.safetensors", backbone=model)
    np.testing.assert_array_equal(again.predict_proba(images), clf.predict_proba(images))


def test_the_usual_model_for_transfer(images):
    """A network within a model, with a top."""
    base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    image = keras.Input((32, 32, 3))
    x = keras.layers.RandomFlip()(image)
    x = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(base(x)))
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    backbone = Backbone.from_keras(keras.Model(image, x), preprocess_input=preprocess)
    assert backbone.layers == (base.name,) or backbone.layers == ("last",)
    assert Classifier(backbone).fit(images, LABELS).predict(images).shape == (12,)


def test_a_model_of_two_outputs_must_be_told_its_layers(images):
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, name="a")(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model(image, [x, keras.layers.Conv2D(8, 3, name="b")(x)])
    with pytest.raises(InvalidInputError, match="layers must be given for model .* 2 outputs"):
        Backbone.from_keras(model)
    assert Classifier(Backbone.from_keras(model, layers=["a", "b"])).fit(images, LABELS)


def test_what_a_model_must_be_told(images):
    model = network(scale=False)
    backbone = Backbone.from_keras(model, preprocess_input=lambda x: x / 255)
    np.testing.assert_allclose(features(backbone, images), by_hand(model, images / 255), atol=1e-4)
    with pytest.raises(InvalidInputError, match="image_size must be 32 or None"):
        FeatureExtractor(backbone, image_size=64).fit()
    free = Backbone.from_keras(network(size=None), image_size=48)
    assert (free.image_size, free.min_size) == (48, 32)
    assert features(free, np.zeros((1, 64, 64, 3), np.uint8), image_size=64).shape == (1, 8, 8, 24)


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_whose_normalization_was_adapted(images, nested):
    adapted = keras.layers.Normalization()
    adapted.adapt(images.astype(np.float32))
    keras.utils.set_random_seed(0)
    layers = [keras.Input((32, 32, 3)), adapted]
    layers = [keras.Sequential(layers)] if nested else layers
    model = keras.Sequential([*layers, keras.layers.Conv2D(8, 3, strides=4, name="c")])
    np.testing.assert_allclose(features(model, images), by_hand(model, images), atol=1e-3)


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_with_lambda_layers(images, nested):
    image = keras.Input((32, 32, 3))
    scale = keras.layers.Lambda(lambda x: x / SCALE, output_shape=(32, 32, 3), name="scale")
    scaled = keras.Model(image, scale(image))(image) if nested else scale(image)
    model = keras.Model(image, keras.layers.Conv2D(8, 3, strides=4, name="c")(scaled))
    backbone = Backbone.from_keras(model, preprocess_input=lambda x: x)
    np.testing.assert_allclose(features(backbone, images), by_hand(model, images), atol=1e-4)
    assert Classifier(backbone).fit(images, LABELS).extractor_.layers_[-1] == "last"


def test_a_model_that_cannot_be_copied_says_what_to_do(images):
    class Custom(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, x):
            return x * self.factor

    image = keras.Input((32, 32, 3))
    model = keras.Model(image, Custom(1 / 255)(image), name="mine")
    backbone = Backbone.from_keras(model, preprocess_input=lambda x: x, layers=["last"])
    with pytest.raises(
        InvalidInputError, match=r"can be copied.*Of 'mine'.*get_config\(\), or pass a function"
    ):
        FeatureExtractor(backbone).fit()


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.convolve = keras.layers.Conv2D(6, 3, strides=4)
        self.drop = keras.layers.Dropout(0.5)

    def call(self, x, training=None):
        return self.drop(self.convolve(x / 255), training=training)


def test_a_subclass_is_called_as_it_is(images):
    model = Subclass()
    model(np.zeros((1, 32, 32, 3), np.float32))
    backbone = Backbone.from_keras(model, preprocess_input=lambda x: x, image_size=32)
    np.testing.assert_allclose(features(backbone, images), by_hand(model, images), atol=1e-4)
    clf = Classifier(backbone, augment=None).fit(images[:8], LABELS[:8])
    model.convolve.kernel.assign(model.convolve.kernel * 1.5)
    with pytest.raises(WeightsError, match="was changed while it was in use"):
        clf.predict(images[8:])
    with pytest.raises(InvalidInputError, match="layers must be None"):
        Backbone.from_keras(model, preprocess_input=lambda x: x, layers=["convolve"])


# Functions


def means(batch):
    """Averages of 4 x 4 cells and their squares, in float64: any array will do."""
    n, size = len(batch), batch.shape[1] // 4
    cells = batch.reshape(n, 4, size, 4, size, 3).mean(axis=(2, 4), dtype=np.float64)
    return np.concatenate([cells, cells**2 / 255], axis=-1)


def test_a_function_is_used_like_a_name(images, tmp_path):
    np.testing.assert_allclose(features(means, images, image_size=32), means(images), rtol=1e-6)
    backbone = Backbone.from_function(means, image_size=32)
    clf = Classifier(backbone).fit(images, LABELS)
    assert clf.predict(images[:3]).shape == (3,)
    assert (backbone.name, list_layers(backbone)) == ("means", ["last"])
    clf.save(tmp_path / "m.safetensors")
    loaded = transferkit.load(tmp_path / "m.safetensors", backbone=backbone)
    np.testing.assert_array_equal(loaded.decision_function(images), clf.decision_function(images))
    assert check_backbone(backbone) is backbone
    with pytest.raises(InvalidInputError, match="precision must be 'float32'"):
        FeatureExtractor(backbone, precision="bfloat16").fit()


def test_the_cache_knows_a_function_by_what_it_does(images):
    calls = []

    def counted(factor):
        def function(batch):
            calls.append(len(batch))
            return means(batch) * factor

        return Backbone.from_function(function, image_size=32)

    first = FeatureExtractor(counted(1)).transform(images)
    calls.clear()
    np.testing.assert_array_equal(FeatureExtractor(counted(1)).transform(images), first)
    assert sum(calls) < len(images), "probes only"
    np.testing.assert_allclose(FeatureExtractor(counted(2)).transform(images), 2 * first, rtol=1e-2)


def test_small_numbers_beside_large_ones_tell_functions_apart(images):
    def histogram_and(factor):
        def function(batch):
            counts = np.stack([np.histogram(image, 64)[0] for image in batch])
            return np.concatenate([counts, factor * means(batch).reshape(len(batch), -1) / 1e5], axis=1)

        return Backbone.from_function(function, image_size=32)

    small = [FeatureExtractor(histogram_and(factor)).transform(images)[:, 64:] for factor in (1, 2)]
    np.testing.assert_allclose(small[1], 2 * small[0], rtol=1e-2)


def test_a_function_that_changes_is_noticed(images):
    state = {"factor": 1.0}
    backbone = Backbone.from_function(lambda batch: means(batch) * state["factor"], image_size=32)
    extractor = FeatureExtractor(backbone).fit()
    first = extractor.transform(images[:6])
    state["factor"] = 1.5
    np.testing.assert_array_equal(extractor.transform(images[:6]), first)
    with pytest.raises(WeightsError, match="was changed while it was in use"):
        extractor.transform(images)
    np.testing.assert_allclose(extractor.fit().transform(images)[:6], 1.5 * first, rtol=1e-2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda batch: means(batch) - means(batch).mean(axis=0), "other features alone than beside others"),
        (lambda batch: "features", "must be a function that returns features.*Got str"),
        (lambda batch: np.zeros((len(batch), 16, 8)), r"Got shape \(\d+, 16, 8\)"),
        (lambda batch: np.zeros((1, 8)), r"Got shape \(1, 8\) for 2 image"),
        (lambda batch: np.zeros((len(batch), 64, 7, 7)), r"is it \(n, c, h, w\)"),
        (lambda batch: np.full((len(batch), 8), np.nan), "Got NaN or infinity"),
        (lambda batch: np.ones((len(batch), 8), complex), "Got ndarray"),
        (lambda batch: np.random.normal(size=(len(batch), 8)), "the same features each time.*random"),
    ],
)
def test_a_function_that_gives_no_features_says_so(images, function, message):
    with pytest.raises(InvalidInputError, match=message):
        FeatureExtractor(Backbone.from_function(function, image_size=32)).transform(images)


def test_features_of_one_width(images):
    def narrow(batch):
        return means(batch).reshape(len(batch), -1)[:, : 47 if np.array_equal(batch[0], images[3]) else 48]

    extractor = FeatureExtractor(Backbone.from_function(narrow, image_size=32), batch_size=1)
    with pytest.raises(
        InvalidInputError, match=r"one shape for all images.*Got \(48,\) .*and \(47,\) for oth"
    ):
        extractor.transform(images)


def test_a_function_for_another_size_says_so_when_a_model_is_loaded(images, tmp_path):
    def flat(batch):
        return batch.reshape(len(batch), 64, 48)[:, :, 0]

    Classifier(Backbone.from_function(flat, image_size=32)).fit(images, LABELS).save(
        tmp_path / "m.safetensors"
    )
    with pytest.raises(
        ModelFileError, match=r"with the backbone that was given: .*cannot reshape.* 32 pixels"
    ):
        transferkit.load(tmp_path / "m.safetensors", backbone=flat)


def from_five_on(batch):
    features = means(batch)
    return features if len(batch) < 5 else features - features.mean(axis=0)


def turned_from_five_on(batch):
    return means(batch)[:: -1 if len(batch) > 4 else 1]


@pytest.mark.parametrize("function", [from_five_on, turned_from_five_on])
def test_a_function_that_treats_large_batches_otherwise_is_refused(images, function):
    backbone = Backbone.from_function(function, image_size=32)
    expected = FeatureExtractor(Backbone.from_function(means, image_size=32)).transform(images)
    extractor = FeatureExtractor(backbone)
    np.testing.assert_array_equal(extractor.transform(images[:4]), expected[:4])
    with pytest.raises(InvalidInputError, match="other features alone than beside others"):
        extractor.transform(images)
    np.testing.assert_array_equal(FeatureExtractor(backbone, batch_size=4).transform(images), expected)


@keras.saving.register_keras_serializable("tests")
class LargeBatches(keras.layers.Layer):
    """Normalises over batches of more than 8."""

    def call(self, x):
        mean = keras.ops.mean(x, 0, keepdims=True)
        return keras.ops.where(keras.ops.shape(x)[0] > 8, x - mean, x)


def test_a_model_that_treats_large_batches_otherwise_runs_one_image_at_a_time(images, caplog):
    inner = network()
    backbone = Backbone.from_keras(keras.Model(inner.input, LargeBatches()(inner.output)), name="large")
    found = features(backbone, images, engine="keras")
    assert "images run one at a time" in caplog.text
    np.testing.assert_allclose(found, by_hand(inner, images), atol=1e-4)


@pytest.mark.parametrize("engine", ["keras", "openvino", "onnxruntime"])
def test_no_other_engine_runs_a_function(engine):
    with pytest.raises((InvalidInputError, transferkit.errors.MissingDependencyError), match="engine"):
        FeatureExtractor(Backbone.from_function(means, image_size=32), engine=engine).fit()


def test_functions_and_models_are_not_copied(images):
    model = network()
    for own in (Backbone.from_keras(model), Backbone.from_function(means, image_size=32)):
        estimator = Classifier(own)
        assert clone(estimator).backbone == own
        assert copy.deepcopy(own) == own


def test_other_things_are_no_backbones():
    for wrong in (3, None, ["vgg16"], Classifier):
        with pytest.raises(
            InvalidInputError, match="backbone must be a name, a Backbone, a keras.Model or a function"
        ):
            FeatureExtractor(wrong).fit()
    with pytest.raises(InvalidInputError, match="function must be callable"):
        Backbone.from_function("means")


@pytest.mark.slow
def test_a_function_needs_no_tensorflow():
    code = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
import numpy as np
from transferkit import Classifier
images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
clf = Classifier(lambda batch: batch[:, ::4, ::4], image_size=32).fit(images, ["a", "b"] * 6)
print(clf.predict(images).shape)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("(12,)\n", 0), done.stderr

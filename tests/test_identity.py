"""No figure comes from another state of the world: weights, global settings and registrations that change."""

from __future__ import annotations

import copy
import functools
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image, ImageFile

from transferkit import Classifier, FeatureExtractor, errors, register_backbone
from transferkit.backbones import build_network, get_backbone, keras_defaults, resolve_weights
from transferkit.datasets import make_faces
from transferkit.engines import has_openvino, shared_engine
from transferkit.errors import WeightsError
from transferkit.heads import ConvHead, MLPHead
from transferkit.identity import feature_differences
from transferkit.images import is_lasting

SIZE = 32
ENGINES = ["keras", pytest.param("openvino", marks=pytest.mark.skipif(not has_openvino(), reason="extra"))]

ONE_ENGINE = [pytest.param("keras", marks=pytest.mark.slow), ENGINES[1]]


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def faces():
    return make_faces(24)


@pytest.fixture(scope="module")
def originals(keras, tmp_path_factory):
    """Two files of weights for MobileNet."""
    folder = tmp_path_factory.mktemp("weights")
    paths = folder / "used.weights.h5", folder / "other.weights.h5"
    for seed, path in enumerate(paths):
        keras.utils.set_random_seed(seed)
        get_backbone("mobilenet").triple[0](
            include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
        ).save_weights(path)
    return paths


@pytest.fixture
def files(originals, tmp_path):
    """Copies of these: one in use, one to replace it."""
    return [shutil.copy(path, tmp_path / path.name) for path in originals]


def settings_of(keras):
    return keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy().name


def set_all(keras, floatx, layout, policy):
    keras.config.set_floatx(floatx)
    keras.config.set_image_data_format(layout)
    keras.config.set_dtype_policy(policy)


GLOBALS = {
    "policy": ("float32", "channels_last", "mixed_bfloat16"),
    "floatx": ("float16", "channels_last", "float16"),  # what floatx in keras.json comes to
    "layout": ("float32", "channels_first", "float32"),
}


@pytest.fixture(params=GLOBALS.values(), ids=GLOBALS)
def setting(keras, request):
    """Global settings of Keras that the user has changed; no engine was built before."""
    before = settings_of(keras)
    shared_engine.cache_clear()
    set_all(keras, *request.param)
    yield request.param
    set_all(keras, *before)
    shared_engine.cache_clear()


USUAL = ("float32", "channels_last", "float32")  # settings that Keras has by itself


@pytest.fixture(scope="module")
def usual(keras, faces):
    """Return the features of a network under the usual settings; each is computed once."""

    @functools.cache
    def features(name):
        assert settings_of(keras) == USUAL
        extractor = FeatureExtractor(name, weights=None, image_size=SIZE, engine="keras", cache=False)
        return extractor.transform(faces.images)

    return features


@pytest.fixture
def expected(usual, name):
    """Features of the network of a test, computed before its settings."""
    return usual(name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name",
    [
        "scattering",
        pytest.param("mobilenet", marks=pytest.mark.slow),
        pytest.param("vgg16", marks=pytest.mark.full),  # another network, which the code treats alike
    ],
)
def test_features_do_not_depend_on_keras_settings(keras, expected, setting, name, engine, faces):
    extractor = FeatureExtractor(name, weights=None, image_size=SIZE, engine=engine, cache=False)
    found = extractor.transform(faces.images)
    tolerance = 0 if engine == "keras" else 1e-3 * np.abs(expected).max()  # rows are float16
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    assert settings_of(keras) == setting


HEADS = {
    "mlp": lambda: Classifier("scattering", image_size=SIZE, head=MLPHead(epochs=2)),
    "conv": lambda: Classifier("scattering", image_size=SIZE, head=ConvHead(filters=4, hidden=4, epochs=2)),
}


@pytest.fixture(scope="module")
def usual_head(keras, faces):
    """Return what a head says that was fitted under the usual settings; each is fitted once."""

    @functools.cache
    def decide(make):
        assert settings_of(keras) == USUAL
        return make().fit(faces.images, faces.labels).decision_function(faces.images)

    return decide


@pytest.mark.slow
@pytest.mark.parametrize("make", list(HEADS.values()), ids=list(HEADS))
def test_network_heads_do_not_depend_on_keras_settings(keras, setting, make, faces, usual_head):
    ours = make().fit(faces.images, faces.labels)
    sent = pickle.loads(pickle.dumps(ours))  # builds its network anew
    found = ours.decision_function(faces.images), sent.decision_function(faces.images)
    assert settings_of(keras) == setting
    set_all(keras, *USUAL)
    np.testing.assert_array_equal(found[0], usual_head(make))
    np.testing.assert_array_equal(found[1], usual_head(make))


def test_a_policy_that_nobody_set_still_follows_floatx(keras):
    def look():
        keras.config.set_floatx("float16")
        with keras_defaults():
            inside.append(settings_of(keras))
        after.append(settings_of(keras))
        keras.config.set_floatx("float32")

    inside, after = [], []
    thread = threading.Thread(target=look)  # a new thread has no policy yet
    thread.start()
    thread.join()
    assert inside == [("float32", "channels_last", "float32")]
    assert after == [("float16", "channels_last", "float16")]


def test_threads_enter_and_leave_in_any_order(keras):
    keras.config.set_image_data_format("channels_first")
    first, second = keras_defaults(), keras_defaults()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert keras.config.image_data_format() == "channels_last"
    second.__exit__(None, None, None)
    assert keras.config.image_data_format() == "channels_first"
    keras.config.set_image_data_format("channels_last")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ONE_ENGINE)
def test_weights_replaced_before_the_first_miss_are_refused(files, faces, engine):
    extractor = FeatureExtractor("mobilenet", weights=files[0], image_size=SIZE, engine=engine).fit()
    shutil.copy(files[1], files[0])
    with pytest.raises(WeightsError, match="was replaced while it was in use"):
        extractor.transform(faces.images)
    rows = FeatureExtractor("mobilenet", weights=files[0], image_size=SIZE, engine=engine)
    rows.transform(faces.images)
    assert rows.report_.n_cached == 0


@pytest.mark.slow
def test_weights_are_checked_after_they_are_read(files):
    backbone = get_backbone("mobilenet")
    weights = resolve_weights(backbone, files[0])
    shutil.copy(files[1], files[0])
    with pytest.raises(WeightsError, match="SHA-256 was"):
        build_network(backbone, weights, SIZE)


COPIES = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "deepcopy": copy.deepcopy}


@pytest.mark.slow
@pytest.mark.parametrize(
    "again",
    [COPIES["pickle"], COPIES["deepcopy"]],
    ids=["pickle", "deepcopy"],
)
def test_a_copy_refuses_other_weights_as_load_does(files, faces, again):
    clf = Classifier("mobilenet", weights=files[0], image_size=SIZE).fit(faces.images, faces.labels)
    expected = clf.decision_function(faces.images)
    np.testing.assert_array_equal(again(clf).decision_function(faces.images), expected)
    sent = again(clf)
    shutil.copy(files[1], files[0])
    with pytest.raises(WeightsError, match="not what it was when this object was fitted"):
        sent.decision_function(faces.images)
    sent.fit(faces.images, faces.labels).predict(faces.images)  # a new fit takes the file as it is


@pytest.mark.slow
@pytest.mark.parametrize("engine", ONE_ENGINE)
def test_a_new_fit_takes_the_weights_that_are_there_now(files, faces, engine):
    settings = {"weights": files[0], "image_size": SIZE, "engine": engine}
    extractor = FeatureExtractor("mobilenet", **settings).fit()
    before = extractor.transform(faces.images)
    shutil.copy(files[1], files[0])
    now = extractor.fit().transform(faces.images)
    assert not np.allclose(now, before, atol=0)
    np.testing.assert_array_equal(FeatureExtractor("mobilenet", **settings).transform(faces.images), now)


def test_a_new_fit_keeps_rows_in_memory(faces):
    extractor = FeatureExtractor("scattering", image_size=SIZE, cache=False).fit()
    extractor.transform(faces.images[:4])
    extractor.fit().transform(faces.images[:4])
    assert extractor.report_.n_cached == 4


def brighter(factor):
    return lambda pixels: pixels * factor


def a_net(keras, input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(4, 3, strides=8)(inputs))


@pytest.mark.slow
def test_another_backbone_under_its_name_is_refused(keras, faces):
    def constructor(include_top=False, weights=None, input_shape=None):
        keras.utils.set_random_seed(3)
        return a_net(keras, input_shape)

    register_backbone("mine", constructor, brighter(1.0), min_size=SIZE, image_size=SIZE)
    clf = Classifier("mine", weights=None).fit(faces.images, faces.labels)
    extractor = FeatureExtractor("mine", weights=None).fit()
    register_backbone("mine", constructor, brighter(0.5), min_size=SIZE, image_size=SIZE, overwrite=True)
    for ask in (clf.predict, extractor.transform):
        with pytest.raises(WeightsError, match="preprocess_input gives other values"):
            ask(faces.images)
    extractor.fit().transform(faces.images)
    extractor.set_params(backbone="scattering").transform(faces.images)  # asked for, so no surprise


def two_layers(include_top=False, weights=None, input_shape=None):
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3, strides=4, name="a")(image)
    return keras.Model(image, keras.layers.Conv2D(4, 3, strides=2, name="b")(x))


@pytest.mark.parametrize(
    ("recommended", "phrase"),
    [
        ({"layers": ("b", "last")}, r"layers was \['a'\] and is \['b'\]"),
        ({"image_size": 48}, "image_size was 32 and is 48"),
    ],
    ids=["layers", "image_size"],
)
@pytest.mark.parametrize(
    "again",
    [lambda thing: thing, pytest.param(COPIES["pickle"], marks=pytest.mark.slow)],
    ids=["itself", "pickle"],
)
def test_other_recommendations_under_its_name_are_refused(keras, faces, recommended, phrase, again):
    def register(**details):
        details = {"image_size": SIZE, "layers": ("a", "last"), **details}
        register_backbone("mine", two_layers, scaled, SIZE, overwrite=True, **details)

    register()
    extractor = FeatureExtractor("mine", weights=None, engine="keras").fit()
    clf = Classifier("mine", weights=None, layers="auto", head="linear").fit(faces.images, faces.labels)
    before = extractor.transform(faces.images)
    asked = FeatureExtractor("mine", weights=None, layers="a", image_size=SIZE, engine="keras").fit()
    extractor, clf = again(extractor), again(clf)
    register(**recommended)
    with pytest.raises(WeightsError, match=phrase):
        extractor.transform(faces.images)
    with pytest.raises(WeightsError, match="not what it was when this object was fitted"):
        clf.predict(faces.images)
    np.testing.assert_array_equal(asked.transform(faces.images), before)  # it was asked for
    np.testing.assert_array_equal(
        extractor.set_params(layers="a", image_size=SIZE).transform(faces.images), before
    )
    extractor.set_params(layers=None, image_size=None).fit().transform(faces.images)


def test_pickles_of_earlier_versions_go_on(keras, faces):
    """They knew neither what is recommended nor the groups of training images."""
    register_backbone("mine", two_layers, scaled, SIZE, image_size=SIZE, layers=("a",), overwrite=True)
    clf = Classifier("mine", weights=None, head="linear").fit(faces.images, faces.labels)
    expected = clf.predict_proba(faces.images)
    asked, _, (facts, _) = clf.extractor_._backbone_facts
    clf.extractor_._backbone_facts = (*asked, SIZE), facts
    del clf.predictor_.novelty.__dict__["n_groups"]
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(faces.images), expected)
    assert again.predictor_.novelty.n_groups == len(faces.images)
    register_backbone(
        "mine", two_layers, lambda x: x / 9, SIZE, image_size=SIZE, layers=("a",), overwrite=True
    )
    with pytest.raises(WeightsError, match="not what it was"):
        pickle.loads(pickle.dumps(clf)).predict(faces.images)


def scaled(pixels):
    return pixels / 255


ERRORS = [
    errors.InvalidInputError("one", "two"),
    errors.UnknownBackboneError("vgg", ["vgg16"]),
    errors.BadImageError("a.jpg", "truncated", "It ends.", "Copy it.", 3),
    errors.NotFittedError("no"),
    errors.BackboneCheckError("mine", ["one"]),
    errors.EngineError("no", name="openvino"),
    errors.IsolationError("no"),
    errors.ExportError("no"),
    errors.WeightsError("no", name="mine", path="a.h5"),
    errors.CacheError("no", path="c"),
    errors.ModelFileError("no", path="m"),
    errors.MissingDependencyError("openvino", "openvino", "engine='openvino'"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_cross_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert getattr(again, "name", None) == getattr(error, "name", None)


def test_every_public_error_is_in_that_list():
    public = {getattr(errors, name) for name in errors.__all__} - {errors.TransferKitError}
    assert public == {type(error) for error in ERRORS}


def test_the_error_before_fit_crosses_processes(faces):
    with pytest.raises(errors.NotFittedError) as caught:
        Classifier().predict(faces.images)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)


def test_truncated_images_are_allowed_in_rows_of_their_own(tmp_path, monkeypatch, faces):
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path, image in zip(paths, faces.images, strict=False):
        Image.fromarray(image).save(path)
    extractor = FeatureExtractor("scattering", image_size=SIZE)
    strict = extractor.describe()
    expected = extractor.transform(paths)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert extractor.describe()["decoder"] == f"{strict['decoder']}, truncated images allowed"
    np.testing.assert_array_equal(extractor.transform(paths), expected)
    assert extractor.report_.n_cached == 0
    assert feature_differences(strict, extractor.describe()) == []  # whole images have the same features
    for earlier in ("2", "3"):
        assert feature_differences({**strict, "decoder": earlier}, extractor.describe()) == []
    (phrase,) = feature_differences({**strict, "decoder": "1"}, extractor.describe())
    assert phrase == f"decoder was '1' and is {strict['decoder']!r}"
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    extractor.transform(paths)
    assert extractor.report_.n_cached == 4


@pytest.mark.parametrize(
    ("error", "lasting"),
    [
        (errors.BadImageError("a.png", "corrupt", "It is."), True),
        (errors.BadImageError("a.png", "timed_out", "It was slow."), False),
        (errors.BadImageError("a.png", "crashed", "crashed the decoder: SIGABRT"), True),
        (errors.BadImageError("a.png", "crashed", "crashed the decoder: SIGKILL"), False),
        (errors.BadImageError("a.NEF", "format_not_supported", "is camera raw."), False),
        (errors.BadImageError("a.tif", "format_not_supported", "is camera raw."), True),
    ],
)
def test_only_what_an_image_always_does_is_remembered(error, lasting):
    assert is_lasting(error) == lasting


def test_a_tiff_that_was_named_like_camera_raw_is_read_under_another_name(tmp_path, faces):
    raw, plain = tmp_path / "a.nef", tmp_path / "a.tif"
    Image.fromarray(faces.images[0]).save(raw, format="TIFF")
    shutil.copy(raw, plain)
    good = list(faces.images[:20])
    extractor = FeatureExtractor("scattering", image_size=SIZE)
    assert extractor.extract([*good, raw], on_error="skip").report.counts() == {"format_not_supported": 1}
    assert extractor.extract([*good, plain], on_error="skip").ok.all()


# Registered backbones and other processes.

WORKER = """
import sys, numpy as np
from joblib import Parallel, delayed
import keras
from transferkit import Classifier, FeatureExtractor, get_backbone, register_backbone, set_config
from transferkit.errors import UnknownBackboneError
set_config(progress=False, cache=False, engine="keras")

def constructor(include_top=False, weights=None, input_shape=None):
    import keras
    keras.utils.set_random_seed(3)
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Conv2D(4, 3, strides=8)(inputs))

def halved(pixels):
    return pixels * 0.5

register_backbone("mine", constructor, halved, min_size=32, image_size=32)
X = np.random.default_rng(0).integers(0, 256, (12, 40, 40, 3)).astype(np.uint8)

def answer(clf):
    return clf.predict_proba(X)

def fitted(clf):
    return clf.fit(X, [0, 1] * 6).predict_proba(X)

for backbone in ("mine", get_backbone("mine")):
    clf = Classifier(backbone, weights=None).fit(X, [0, 1] * 6)
    for work in (answer, fitted):
        try:
            (found,) = Parallel(n_jobs=2)([delayed(work)(clf)])
            print("works", bool(np.allclose(found, clf.predict_proba(X), atol=1e-6)))
        except UnknownBackboneError as error:
            print("told", "pass the Backbone itself" in str(error))
"""


@pytest.mark.slow
def test_a_registered_backbone_in_a_worker_works_or_says_what_to_do(keras, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WORKER)
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.stdout.splitlines() == ["told True", "told True", "works True", "works True"], run.stderr[
        -2000:
    ]

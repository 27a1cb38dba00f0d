"""Networks in ONNX files: features as by hand, whatever the layout, batch, type and engine."""

import dataclasses
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import transferkit
from transferkit import Backbone, Classifier, FeatureExtractor, check_backbone, list_layers
from transferkit.backbones.onnx_file._layouts import find_layouts
from transferkit.engines import _rows, has_openvino
from transferkit.errors import (
    BackboneCheckError,
    EngineError,
    InvalidInputError,
    MissingDependencyError,
    ModelFileError,
    WeightsError,
)

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.onnx_graphs import Graph, by_hand, cnn, vit  # noqa: E402 - needs onnx

ENGINES = [
    "onnxruntime",
    pytest.param("openvino", marks=pytest.mark.skipif(not has_openvino(), reason="extra")),
]
HALF = {"mean": 127.5, "std": 127.5}
IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(_rows, "_said", set())


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(1)
    coarse = generator.integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


@pytest.fixture
def save(tmp_path):
    def write(model, name="net.onnx", **options):
        onnx.save(model, tmp_path / name, **options)
        return tmp_path / name

    return write


def features(backbone, images, layers, engine, **settings):
    """Return what the engine gives, before the cache rounds it, in batches of four."""
    extractor = FeatureExtractor(
        backbone, layers=layers, grid="full", engine=engine, cache=False, batch_size=4, **settings
    )
    run = extractor.settings().engine().run
    batches = [run(np.stack(images[at : at + 4])) for at in range(0, len(images), 4)]
    return [np.concatenate(maps) for maps in zip(*batches, strict=True)]


def assert_close(found, expected, tolerance=2e-5):
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


# Features as by hand


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("graph", "numbers", "tolerance"),
    [
        ({}, IMAGENET, 2e-5),
        ({"layout": "NHWC"}, IMAGENET, 2e-5),
        ({"batch": 1}, HALF, 2e-5),
        ({"batch": 3, "layout": "NHWC"}, HALF, 2e-5),
        ({"size": "side"}, HALF, 2e-5),
        ({"kind": "uint8"}, {"mean": 0, "std": 1}, 2e-5),
        ({"kind": "float16"}, HALF, 2e-2),
        ({"opset": 11}, HALF, 2e-5),
    ],
    ids=str,
)
def test_features_of_maps_are_those_by_hand(save, images, engine, graph, numbers, tolerance):
    model = cnn(**graph)
    backbone = Backbone.from_onnx(
        save(model), **numbers, image_size=None if graph.get("size") is None else 64
    )
    found = features(backbone, images, ("end1", "last", "summary"), engine)
    some = {key: graph[key] for key in ("layout", "kind") if key in graph}
    fine, last, pooled = by_hand(model, images, ("end1", "end3", "pooled"), **numbers, **some)
    assert_close(found[0], fine.transpose(0, 2, 3, 1), tolerance)
    assert_close(found[1], last.transpose(0, 2, 3, 1), tolerance)
    assert_close(found[2], pooled, tolerance)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n_prefix", [0, 1, 5])
def test_patch_tokens_are_a_map_in_their_places(save, images, engine, n_prefix):
    model = vit(n_prefix)
    backbone = Backbone.from_onnx(save(model), **HALF)
    layers = ("block1", "last", *(["summary"] if n_prefix else []))
    found = features(backbone, images[:, :56, :56], layers, engine)
    block, last = by_hand(model, images[:, :56, :56], ("block1", "normed"), **HALF)
    assert_close(found[0], block[:, n_prefix:].reshape(-1, 4, 4, 12))
    assert_close(found[1], last[:, n_prefix:].reshape(-1, 4, 4, 12))
    if n_prefix:
        assert_close(found[2], last[:, 0])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_number_of_prefix_tokens_may_be_given(save, images, engine):
    """Three tokens beside 4 x 4 are rare, so they are not guessed."""
    model = vit(3)
    with pytest.raises(InvalidInputError, match="no tensor that looks like a feature map.*pass n_prefix="):
        Backbone.from_onnx(save(model), **HALF)
    backbone = Backbone.from_onnx(save(model), **HALF, n_prefix=3)
    (found,) = features(backbone, images[:, :56, :56], ("last",), engine)
    (last,) = by_hand(model, images[:, :56, :56], ("normed",), **HALF)
    assert_close(found, last[:, 3:].reshape(-1, 4, 4, 12))


@pytest.mark.parametrize("engine", ENGINES)
def test_blue_comes_first_where_a_network_takes_it_so(save, images, engine):
    model = cnn()
    backbone = Backbone.from_onnx(save(model), **IMAGENET, channels="BGR")
    (found,) = features(backbone, images, ("last",), engine)
    backwards = {name: tuple(reversed(value)) for name, value in IMAGENET.items()}
    (last,) = by_hand(model, images[..., ::-1], ("end3",), **backwards)
    assert_close(found, last.transpose(0, 2, 3, 1))


def test_numbers_for_pixels_of_0_to_1_with_their_scale(save, images):
    path = save(cnn())
    small = Backbone.from_onnx(path, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), scale=1 / 255)
    large = Backbone.from_onnx(path, **IMAGENET)
    np.testing.assert_allclose(small.preprocess(images), large.preprocess(images), atol=1e-5)
    with pytest.raises(InvalidInputError, match="are those of pixels in 0..1.*Pass scale=1/255"):
        Backbone.from_onnx(path, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_a_row_does_not_depend_on_its_batch(save, images, engine, batch):
    backbone = Backbone.from_onnx(save(cnn(batch=batch)), **HALF)
    together = features(backbone, images, ("end1", "last"), engine)
    for i, image in enumerate(images):
        alone = features(backbone, [image], ("end1", "last"), engine)
        for one, all_of_them in zip(alone, together, strict=True):
            assert_close(one[0], all_of_them[i], 1e-5)


def test_weights_beside_the_file_belong_to_it(save, images, tmp_path):
    beside = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0}
    model = cnn()
    (last,) = by_hand(cnn(), images, ("end3",), **HALF)
    backbone = Backbone.from_onnx(save(model, **beside), **HALF)
    assert_close(features(backbone, images, ("last",), "onnxruntime")[0], last.transpose(0, 2, 3, 1))
    before = FeatureExtractor(backbone).describe()["backbone"]["weights"]
    data = bytearray((tmp_path / "net.data").read_bytes())
    data[-5:] = b"\0" * 5
    (tmp_path / "net.data").write_bytes(data)
    assert FeatureExtractor(backbone).describe()["backbone"]["weights"] != before
    (tmp_path / "net.data").unlink()
    with pytest.raises(WeightsError, match="net.onnx has weights in net.data, which is not beside it"):
        FeatureExtractor(backbone).fit()


def test_weights_in_constants_belong_to_it_too(save, images, tmp_path):
    model = cnn()
    for weight in model.graph.initializer:  # all of them, so that nothing else lies beside the file
        model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [weight.name], value=weight))
    del model.graph.initializer[:]
    path = save(
        model, save_as_external_data=True, location="net.data", size_threshold=0, convert_attribute=True
    )
    before = FeatureExtractor(Backbone.from_onnx(path, **HALF)).transform(images)
    numbers = np.fromfile(tmp_path / "net.data", np.float32)
    (numbers * 1.5).tofile(tmp_path / "net.data")
    after = FeatureExtractor(Backbone.from_onnx(path, **HALF)).transform(images)
    assert np.abs(after - before).max() > 0.1 * np.abs(before).max()


@pytest.mark.parametrize(
    ("order", "n_prefix"), [("columns", 1), ("columns", 0), ("class last", 1), ("class last", 5)]
)
def test_tokens_that_are_not_in_the_order_of_rows_are_refused(save, order, n_prefix):
    with pytest.raises(InvalidInputError, match="must be in the order of rows"):
        Backbone.from_onnx(save(vit(n_prefix, order=order)), **HALF)


def test_channels_with_their_places_last_are_no_tokens(save):
    """(n, 64, 16) after flattening a map of 4 x 4: 64 is a square, too."""
    model = cnn()
    nodes = [node for node in model.graph.node if node.output[0] not in ("gap", "pooled", "logits")]
    make = onnx.helper.make_node
    nodes += [make("Reshape", ["end3", "shape"], ["flat"]), make("Relu", ["flat"], ["again"])]
    nodes += [make("ReduceMean", ["again"], ["logits"], axes=[2], keepdims=0)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0, 64, -1]), "shape"))
    backbone = Backbone.from_onnx(save(model), **HALF)
    assert backbone.layers == ("end1", "stage2", "end2", "last")
    assert not {"flat", "again"} & set(list_layers(backbone))


def test_scores_are_no_summary(save):
    """Whatever follows the product that gives them."""
    model = cnn()
    make = onnx.helper.make_node
    model.graph.node.extend([
        make("Cast", ["logits"], ["half"], to=10),
        make("Cast", ["half"], ["single"], to=1),
        make("Softmax", ["single"], ["probabilities"]),
    ])  # fmt: skip
    model.graph.output[0].name = "probabilities"
    backbone = Backbone.from_onnx(save(model), **HALF)
    features = backbone.constructor.features(save(model), 64)
    assert features["summary"].tensor == "pooled"


def test_what_does_not_see_the_image_is_no_layer(save):
    model = vit()
    make = onnx.helper.make_node
    table = onnx.numpy_helper.from_array(np.ones((1, 16, 12), np.float32), "table")
    model.graph.initializer.append(table)
    model.graph.node.extend([make("Sin", ["table"], ["waves"])])
    assert "waves" not in list_layers(Backbone.from_onnx(save(model), **HALF))


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_a_graph_that_looks_at_the_batch_runs_one_image_at_a_time(save, images, engine, caplog):
    model = cnn()
    make = onnx.helper.make_node
    for node in model.graph.node:
        node.input[:] = ["centred" if name == "image" else name for name in node.input]
    model.graph.node.insert(0, make("Sub", ["image", "mean"], ["centred"]))
    model.graph.node.insert(0, make("Mul", ["sum", "half"], ["mean"]))
    model.graph.node.insert(0, make("ReduceMean", ["image"], ["sum"], axes=[0], keepdims=1))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.3), "half"))
    backbone = Backbone.from_onnx(save(model), **HALF)
    together = features(backbone, images, ("end1", "last"), engine)
    assert caplog.text.count("images run one at a time") == 1
    features(backbone, images, ("end1",), engine)
    assert caplog.text.count("images run one at a time") == 1, "once for a network"
    for i, image in enumerate(images):
        for one, rows in zip(features(backbone, [image], ("end1", "last"), engine), together, strict=True):
            assert_close(one[0], rows[i], 1e-5)


@pytest.mark.parametrize("shape", [(1, 64, 4, 4), (1, 64, -1, 4)], ids=["fails", "folds images"])
@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_a_graph_that_was_exported_for_one_image_runs_one_at_a_time(save, images, engine, shape, caplog):
    model = cnn()
    table = onnx.numpy_helper.from_array(np.array(shape), "sides")
    model.graph.initializer.append(table)
    for node in model.graph.node:
        node.input[:] = ["fixed" if name == "end3" else name for name in node.input]
    at = [node.output[0] for node in model.graph.node].index("gap")
    model.graph.node.insert(at, onnx.helper.make_node("Reshape", ["end3", "sides"], ["fixed"]))
    backbone = Backbone.from_onnx(save(model), **HALF)
    (found,) = features(backbone, images, ("fixed",), engine)
    assert "cannot compute several images together, so images run one at a time" in caplog.text
    (expected,) = features(backbone, images, ("end3",), engine)
    assert_close(found, expected, 1e-5)


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_features_that_are_not_finite_are_refused_as_such(save, images, engine):
    model = cnn()
    model.graph.node.append(onnx.helper.make_node("Log", ["end3"], ["logs"]))
    backbone = Backbone.from_onnx(save(model), **HALF)
    with pytest.raises(InvalidInputError, match="must give finite features. Got NaN or infinity from 'logs'"):
        features(backbone, images, ("end2", "logs"), engine)


def test_a_graph_with_something_random_is_refused(save, images):
    model = cnn()
    make = onnx.helper.make_node
    for node in model.graph.node:
        node.input[:] = ["noisy" if name == "image" else name for name in node.input]
    model.graph.node.insert(0, make("Add", ["image", "noise"], ["noisy"]))
    model.graph.node.insert(0, make("RandomNormalLike", ["image"], ["noise"]))
    backbone = Backbone.from_onnx(save(model), **HALF)
    with pytest.raises(InvalidInputError, match="must give an image the same features each time"):
        features(backbone, images, ("last",), "onnxruntime")


def test_a_relative_path_means_the_same_file_everywhere(save, images, tmp_path, monkeypatch):
    save(cnn())
    monkeypatch.chdir(tmp_path)
    backbone = Backbone.from_onnx("net.onnx", **HALF)
    (tmp_path / "other").mkdir()
    save(cnn(stages=3), "other/net.onnx")
    expected = features(backbone, images, ("last",), "onnxruntime")[0]
    monkeypatch.chdir(tmp_path / "other")
    np.testing.assert_array_equal(features(backbone, images, ("last",), "onnxruntime")[0], expected)


# Layers


def test_layers_are_found_by_shape(save):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    assert list_layers(backbone) == [
        *(name for i in range(4) for name in (f"conv{i}", f"stage{i}", f"again{i}", f"end{i}")),
        "gap", "pooled", "logits", "last", "summary",
    ]  # fmt: skip
    assert backbone.layers == ("end1", "stage2", "end2", "last")
    assert (backbone.name, backbone.image_size, backbone.min_size) == ("net", 64, 64)
    with pytest.raises(InvalidInputError, match="Got 'ends1'. Did you mean 'end1'"):
        Backbone.from_onnx(save(cnn()), **HALF, layers=["ends1"])


def test_a_layout_that_no_shape_shows_is_that_of_the_operators():
    make = onnx.helper.make_node
    nodes = [
        make("Reshape", ["image", "shape"], ["a"]),
        make("Relu", ["a"], ["b"]),
        make("Transpose", ["b"], ["c"], perm=[0, 1, 3, 2]),
        make("Sqrt", ["c"], ["unknown"]),
        make("Conv", ["unknown", "w"], ["d"]),
        make("Transpose", ["d"], ["e"], perm=[0, 2, 3, 1]),
        make("Add", ["e", "bias"], ["f"]),
    ]
    shapes = dict.fromkeys("abcdef", (1, 8, 8, 8)) | {"unknown": (1, 8, 8, 8)}
    found = find_layouts(nodes, shapes, "image", "NHWC")
    assert {name: found.get(name) for name in shapes} == {
        "a": "NHWC", "b": "NHWC", "c": None, "unknown": None, "d": "NCHW", "e": "NHWC", "f": "NHWC",
    }  # fmt: skip


def test_a_map_whose_layout_nothing_tells_is_no_layer(save):
    graph = Graph()
    x = graph.add("Transpose", "image", name="entry", perm=[0, 3, 1, 2])
    x = graph.add("Conv", x, graph.weight(16, 3, 4, 4), name="conv", strides=[4, 4])
    x = graph.add("Transpose", x, name="turned", perm=[0, 2, 3, 1])
    x = graph.add("Reshape", x, graph.constant(np.array([-1, 16, 16, 2, 8])), name="groups")
    x = graph.add("Transpose", x, name="mixed", perm=[0, 1, 2, 4, 3])
    x = graph.add("Reshape", x, graph.constant(np.array([-1, 16, 16, 16])), name="shuffled")
    x = graph.add("Relu", x, name="active")
    backbone = Backbone.from_onnx(save(graph.model(["n", 64, 64, 3], ["active"])), **HALF)
    assert list_layers(backbone) == ["entry", "conv", "turned", "last"]


def test_layers_of_tokens(save):
    backbone = Backbone.from_onnx(save(vit()), **HALF)
    assert backbone.layers == ("block1", "block2", "last", "summary")
    assert "hidden0" in list_layers(backbone)
    pooled = Backbone.from_onnx(save(vit(0, outputs=("normed", "pooled"))), **HALF)
    assert pooled.layers[-2:] == ("last", "summary")


def test_the_image_size_is_that_of_the_file_or_ones_own(save):
    fixed = Backbone.from_onnx(save(cnn(size=64)), **HALF)
    with pytest.raises(InvalidInputError, match="image_size must be 64 or None for backbone 'net'"):
        FeatureExtractor(fixed, image_size=96).fit()
    with pytest.raises(InvalidInputError, match="image_size must be 64 or None for net.onnx"):
        Backbone.from_onnx(save(cnn(size=64)), **HALF, image_size=96)
    free = Backbone.from_onnx(save(cnn(size="side")), **HALF)
    assert free.image_size == 224
    pixels = np.zeros((1, 96, 96, 3), np.uint8)
    (found,) = features(free, pixels, ("last",), "onnxruntime", image_size=96)
    assert found.shape == (1, 6, 6, 64)


# Estimators


def test_a_classifier_fits_predicts_and_is_saved(save, images, tmp_path):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    labels = ["a", "b"] * 3 + ["a"]
    clf = Classifier(backbone, extractor=FeatureExtractor(engine="onnxruntime")).fit(images, labels)
    expected = clf.decision_function(images)
    clf.save(tmp_path / "model.safetensors")
    for other in (
        transferkit.load(tmp_path / "model.safetensors"),
        pickle.loads(pickle.dumps(clf)),
        *([transferkit.load(tmp_path / "model.safetensors", engine="openvino")] if has_openvino() else []),
    ):
        np.testing.assert_allclose(other.decision_function(images), expected, atol=1e-4)
    moved = tmp_path / "elsewhere.onnx"
    (tmp_path / "net.onnx").rename(moved)
    with pytest.raises(WeightsError, match="does not exist"):
        transferkit.load(tmp_path / "model.safetensors")
    there = transferkit.load(tmp_path / "model.safetensors", weights=moved)
    np.testing.assert_allclose(there.decision_function(images), expected, atol=1e-6)
    save(cnn(stages=3), "elsewhere.onnx")
    with pytest.raises((ModelFileError, InvalidInputError)):
        transferkit.load(tmp_path / "model.safetensors", weights=moved)


def test_a_strangers_model_file_names_onnx_files_only(save, images, tmp_path):
    from transferkit.persistence._file import read_model, write_model

    clf = Classifier(Backbone.from_onnx(save(cnn()), **HALF)).fit(images, ["a", "b"] * 3 + ["a"])
    clf.save(tmp_path / "model.safetensors")
    tensors, document = read_model(tmp_path / "model.safetensors")
    wrong = [("path", "/etc/passwd"), ("path", "//host/x.onnx"), ("image_size", 30_000), ("std", [0] * 3)]
    for key, value in (*wrong, ("layout", "CHWN"), ("fixed_size", 3)):
        parameters = document["parameters"]
        changed = {
            **document,
            "parameters": {**parameters, "backbone": {**parameters["backbone"], key: value}},
        }
        changed.pop("format", None)
        changed.pop("schema", None)
        write_model(tmp_path / "bad.safetensors", tensors, changed)
        with pytest.raises(ModelFileError, match="does not describe a model"):
            transferkit.load(tmp_path / "bad.safetensors")


NO_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # as where they are not installed
import numpy as np
from transferkit import Backbone, Classifier, KeypointRegressor, load
images = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
backbone = Backbone.from_onnx(sys.argv[1], mean=127.5, std=127.5)
for head in ("auto", "linear"):
    clf = Classifier(backbone, head=head).fit(images, ["a", "b"] * 6)
    clf.save(sys.argv[2])
    assert (load(sys.argv[2]).predict(images) == clf.predict(images)).all()
points = np.random.default_rng(1).uniform(0, 64, (12, 4, 2))
regressor = KeypointRegressor(backbone, head="linear").fit(images, points)
assert regressor.predict(images[:2]).shape == (2, 4, 2)
print([name for name in ("tensorflow", "keras") if sys.modules[name] is not None])
del sys.modules["keras"]
sys.path_hooks.clear()
sys.path_importer_cache.clear()
try:
    Classifier("mobilenet", weights=None).fit(images, ["a", "b"] * 6)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_no_tensorflow_from_fit_to_predict(save, tmp_path):
    arguments = [sys.executable, "-c", NO_TENSORFLOW, str(save(cnn())), str(tmp_path / "m.safetensors")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    nothing, missing = done.stdout.splitlines()
    assert nothing == "[]"
    assert missing.startswith("MissingDependencyError ")
    assert missing.endswith("needs keras, which is not installed. Run: pip install keras")


# Identity


def test_every_number_is_part_of_the_identity(save):
    path = save(cnn(size="side"))
    described = [
        json.dumps(FeatureExtractor(Backbone.from_onnx(path, **numbers)).describe()["backbone"])
        for numbers in (
            HALF,
            IMAGENET,
            {**HALF, "channels": "BGR"},
            {**HALF, "scale": 2},
            {**HALF, "n_prefix": 3},
        )
    ]
    described.append(json.dumps(FeatureExtractor(Backbone.from_onnx(save(cnn(stages=3)), **HALF)).describe()))
    assert len(set(described)) == len(described)


def test_preprocessing_that_the_graph_would_not_do_is_refused(save):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    with pytest.raises(InvalidInputError, match="preprocess_input must be Normalisation.*Backbone.from_onnx"):
        dataclasses.replace(backbone, preprocess_input=lambda pixels: pixels / 100)
    assert dataclasses.replace(backbone, name="other").preprocess_input == backbone.preprocess_input


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_that_is_replaced_before_it_is_read_stores_nothing(save, images, engine, tmp_path):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    extractor = FeatureExtractor(backbone, engine=engine, cache=tmp_path / "cache").fit()
    other = cnn()
    other.graph.initializer[0].raw_data = bytes(len(other.graph.initializer[0].raw_data))
    save(other)
    with pytest.raises(WeightsError, match="was replaced while it was in use"):
        extractor.transform(images)
    again = FeatureExtractor(backbone, engine=engine, cache=tmp_path / "cache").transform(images)
    assert_close(again, FeatureExtractor(backbone, engine=engine, cache=False).transform(images), 1e-6)


# Engines


def test_keras_runs_no_file_and_onnx_runtime_no_keras_model(save, images, tiny):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    with pytest.raises(
        InvalidInputError, match="must be 'auto', 'openvino' or 'onnxruntime'.*'keras', which runs"
    ):
        FeatureExtractor(backbone, engine="keras").fit()
    with pytest.raises(InvalidInputError, match="must be 'auto', 'openvino' or 'keras'"):
        FeatureExtractor("mobilenet", weights=None, engine="onnxruntime").fit()


def test_what_openvino_cannot_run_runs_on_onnx_runtime(save, images, monkeypatch, caplog):
    from transferkit.engines import _openvino

    def refuse(*arguments):
        raise RuntimeError("no such operator")

    if not has_openvino():
        pytest.skip("needs OpenVINO")
    monkeypatch.setattr(_openvino, "_converted", refuse)
    backbone = Backbone.from_onnx(save(cnn(), "unknown_to_openvino.onnx"), **HALF)
    extractor = FeatureExtractor(backbone, engine="auto", cache=False)
    extractor.transform(images)
    assert extractor.describe()["engine"] == "onnxruntime"
    assert "uses ONNX Runtime: " in caplog.text
    with pytest.raises(EngineError, match="no such operator. Pass engine='onnxruntime'"):
        FeatureExtractor(backbone, engine="openvino", cache=False).transform(images)


# What cannot be a backbone


def bad_graphs():
    def inputs(model, *others):
        model.graph.input.extend(others)
        return model

    def detector():
        """Boxes and scores of a few thousand anchors, from maps that are not square."""
        model = cnn(stages=1)
        del model.graph.node[:]
        del model.graph.output[:]
        make = onnx.helper.make_node
        model.graph.node.extend([
            make("Flatten", ["image"], ["flat"]),
            make("Reshape", ["flat", "shape"], ["boxes"]),
        ])  # fmt: skip
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 12, 1024]), "shape"))
        model.graph.output.append(onnx.helper.make_tensor_value_info("boxes", 1, ["n", 12, 1024]))
        return model

    def texts():
        model = cnn()
        entry = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["n", 77])
        return inputs(model, entry)

    def custom():
        model = cnn(domain="my.company")
        model.graph.node[0].domain = "my.company"
        model.graph.node[0].op_type = "FancyConv"
        return model

    return {
        "text": (texts, r"must have one input, .*'input_ids' \(int64, \?, 77\)"),
        "4 channels": (lambda: cnn(channels=4), "no dimension is 3 channels"),
        "4 channels, NCHW": (lambda: cnn(channels=4), "must take images of 3 channels.*is 4 channels"),
        "custom": (custom, "custom ones: my.company.FancyConv"),
        "old": (lambda: cnn(opset=9), "must have opset 11 or newer. It has 9"),
        "detector": (detector, "no tensor that looks like a feature map.*A detector or a text model"),
        "layout": (lambda: cnn(size=3), "both ends may be the 3 channels"),
    }


@pytest.mark.parametrize("name", list(bad_graphs()))
def test_a_graph_that_is_no_backbone_says_why(save, name):
    make, message = bad_graphs()[name]
    path = save(make())
    with pytest.raises(InvalidInputError, match=message) as caught:
        Backbone.from_onnx(path, **HALF, **({"layout": "NCHW"} if name == "4 channels, NCHW" else {}))
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist. Pass its path"),
        (b"", "cannot be read: it is not an ONNX model"),
        (b"GIF89a is no model", "cannot be read: it is not an ONNX model"),
        ("half", "cannot be read: it is not an ONNX model"),
    ],
    ids=["missing", "empty", "picture", "half"],
)
def test_a_file_that_is_none_says_so(save, tmp_path, content, message):
    path = tmp_path / "net.onnx"
    if content == "half":
        save(cnn())
        content = path.read_bytes()[:-2000]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        Backbone.from_onnx(path, **HALF)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mean": "red"}, "mean must be a number, or one for each of red, green and blue"),
        ({"std": (1, 2)}, "std must be a number"),
        ({"std": 0}, "std must be positive"),
        ({"scale": -1}, "scale must be a factor"),
        ({"channels": "GRB"}, "channels must be 'RGB' or 'BGR'"),
        ({"layout": "HWC"}, "layout must be"),
        ({"image_size": 6.5}, "image_size must be a side"),
        ({"n_prefix": -1}, "n_prefix must be"),
        ({"layers": []}, "layers must be a list of names"),
        ({"layers": [3]}, "layers must be a list of names"),
    ],
    ids=str,
)
def test_a_parameter_that_cannot_be_used_says_so(save, arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        Backbone.from_onnx(save(cnn()), **{**HALF, **arguments})


def test_mean_and_std_are_taken_from_the_metadata_or_asked_for(save):
    named = {"mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"}
    backbone = Backbone.from_onnx(save(cnn(metadata=named)))
    ends = np.array([[[[0, 0, 0], [255, 255, 255]]]])
    expected = Backbone.from_onnx(save(cnn()), **IMAGENET).preprocess(ends)
    np.testing.assert_allclose(backbone.preprocess(ends), expected, atol=1e-5)
    with pytest.raises(InvalidInputError, match=r"mean and std must be given for net.onnx.*127.5 \(-1..1\)"):
        Backbone.from_onnx(save(cnn()))


def test_what_is_said_beside_the_metadata_counts_or_contradicts_it(save):
    unit = {"mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"}
    path = save(cnn(metadata=unit))
    assert Backbone.from_onnx(path, channels="BGR", scale=1 / 255).preprocess_input == dataclasses.replace(
        Backbone.from_onnx(path).preprocess_input, channels="BGR"
    )
    for scale in (1.0, 1 / 128):
        with pytest.raises(InvalidInputError, match="scale"):
            Backbone.from_onnx(path, scale=scale)
    path = save(cnn(metadata={**unit, "Image.BitmapPixelFormat": "Bgr8"}))
    assert Backbone.from_onnx(path).preprocess_input.channels == "BGR"
    with pytest.raises(
        InvalidInputError, match="channels must be 'BGR' or left out for net.onnx, whose metad"
    ):
        Backbone.from_onnx(path, channels="RGB")
    assert Backbone.from_onnx(path, channels="RGB", **IMAGENET).preprocess_input.channels == "RGB"


def test_a_path_is_no_name(save):
    with pytest.raises(InvalidInputError, match=r"backbone must be Backbone.from_onnx\('model.onnx', mean="):
        Classifier("model.onnx").fit(["a.png"], ["a"])


def test_a_path_without_the_usual_ending_is_refused_early(save):
    with pytest.raises(InvalidInputError, match="must end in .onnx.*Rename it"):
        Backbone.from_onnx(save(cnn(), "net.pb"), **HALF)


def test_the_extra_is_named_where_it_is_missing(save, monkeypatch):
    path = save(cnn())
    find = transferkit.backbones.onnx_file._graph.importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    with pytest.raises(MissingDependencyError, match=r'pip install "transferkit\[onnx\]"'):
        Backbone.from_onnx(path, **HALF)


def test_weights_are_those_in_the_file(save):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    with pytest.raises(InvalidInputError, match="weights must be left out for backbone 'net'"):
        FeatureExtractor(backbone, weights=None).fit()


# Checks


def test_a_sound_file_passes_the_check(save, caplog):
    caplog.set_level("INFO", "transferkit")
    backbone = Backbone.from_onnx(save(cnn()), **IMAGENET)
    assert check_backbone(backbone) is backbone
    assert "features of different images differ" in caplog.text
    assert all(name in caplog.text for name in ("as given", "0..1", "-1..1", "ImageNet"))


@pytest.mark.parametrize(
    ("metadata", "numbers", "agrees"),
    [
        ({"Image.NominalPixelRange": "Normalized_0_1"}, {"mean": 0, "std": 255}, True),
        ({"Image.NominalPixelRange": "Normalized_0_1"}, HALF, False),
        ({"Image.NominalPixelRange": "Normalized_1_1"}, {"mean": 127, "std": 128}, True),
        ({"Image.NominalPixelRange": "Normalized_1_1", "Image.BitmapPixelFormat": "Bgr8"}, HALF, False),
        ({"mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"}, IMAGENET, True),
        ({"mean": "[0.485, 0.456, 0.406]", "std": "[0.229, 0.224, 0.225]"}, HALF, False),
        ({"mean": "[123.68, 116.779, 103.939]", "std": "[1, 1, 1]"}, HALF, False),
        (
            {"mean": "[123.68, 116.779, 103.939]", "std": "[1, 1, 1]"},
            {"mean": (123.68, 116.779, 103.939), "std": 1},
            True,
        ),
        ({"mean": "[127, 127, 127]", "std": "[0.0078125, 0.0078125, 0.0078125]"}, HALF, True),
        ({"mean": "of what?", "std": "[1]"}, HALF, True),
    ],
    ids=str,
)
def test_numbers_that_the_files_metadata_contradicts(save, metadata, numbers, agrees):
    backbone = Backbone.from_onnx(save(cnn(metadata=metadata)), **numbers)
    if agrees:
        check_backbone(backbone)
    else:
        with pytest.raises(BackboneCheckError, match="the metadata of net.onnx names"):
            check_backbone(backbone)


def test_pixels_that_are_scaled_twice_fail_the_check(save):
    with pytest.raises(BackboneCheckError, match="scaled twice"):
        check_backbone(Backbone.from_onnx(save(cnn()), mean=0, std=255 * 255))


def test_a_file_that_takes_bytes_normalises_them_itself(save):
    path = save(cnn(kind="uint8"))
    for numbers in (HALF, IMAGENET, {"mean": 0, "std": 255}):
        with pytest.raises(InvalidInputError, match="mean must be 0 and std 1 for net.onnx"):
            Backbone.from_onnx(path, **numbers)
    Backbone.from_onnx(path, mean=0, std=1 / 255, scale=1 / 255, channels="BGR")


def test_whole_maps_can_be_looked_at(save, images):
    backbone = Backbone.from_onnx(save(cnn()), **HALF)
    maps = transferkit.extract_activations(backbone, images[:2], "stage1")
    assert maps.shape == (2, 16, 16, 16)


# Graphs that others write


@pytest.fixture(scope="module")
def keras_model():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    x = image = keras.Input((64, 64, 3), name="image")
    for i, width in enumerate((8, 16, 24)):
        x = keras.layers.ZeroPadding2D(1)(x)
        x = keras.layers.Conv2D(width, 3, strides=2, activation="relu", name=f"stage{i}")(x)
    model = keras.Model(image, keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D(name="mean")(x)))
    model(np.zeros((1, 64, 64, 3), np.float32))
    return model


def written_by_tf2onnx(model, path):
    import tensorflow as tf

    tf2onnx = pytest.importorskip("tf2onnx")
    signature = [tf.TensorSpec((None, 64, 64, 3), tf.float32, name="image")]
    tf2onnx.convert.from_function(tf.function(model), signature, opset=15, output_path=str(path))


def written_by_keras(model, path):
    pytest.importorskip("tf2onnx")
    model.export(path, format="onnx", verbose=False)


@pytest.mark.filterwarnings("ignore:In the future:FutureWarning")  # of tf2onnx, called by Keras
@pytest.mark.parametrize(
    "write", [written_by_tf2onnx, pytest.param(written_by_keras, marks=pytest.mark.slow)]
)
def test_files_of_converters_give_the_features_of_the_model(keras_model, images, tmp_path, write):
    import keras

    write(keras_model, tmp_path / "net.onnx")
    backbone = Backbone.from_onnx(tmp_path / "net.onnx", **HALF)
    assert len(backbone.layers) in (3, 4)
    inner = keras.Model(
        keras_model.input, [keras_model.get_layer(name).output for name in ("stage0", "stage2", "mean")]
    )
    fine, last, mean = (np.asarray(each) for each in inner((images.astype(np.float32) - 127.5) / 127.5))
    for engine in ("onnxruntime", *(["openvino"] if has_openvino() else [])):
        found = features(backbone, images, (backbone.layers[0], "last", "summary"), engine)
        for ours, theirs in zip(found, (fine, last, mean), strict=True):
            assert_close(ours, theirs)

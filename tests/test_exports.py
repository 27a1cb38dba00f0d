"""Exported files answer as the model does: pixels, crops and heads piece by piece, then whole models."""

import ast
import copy
import functools
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transferkit import (
    Backbone,
    Classifier,
    FeatureExtractor,
    ImageRegressor,
    KeypointRegressor,
    NearestImages,
    config_context,
    export,
    set_config,
)
from transferkit.cli import main
from transferkit.datasets import make_faces
from transferkit.engines import has_openvino
from transferkit.errors import (
    ExportError,
    InvalidInputError,
    MissingDependencyError,
    NotFittedError,
)
from transferkit.estimators.refinement import WideLook
from transferkit.foundation.maps import pool_to_grid, sample_maps
from transferkit.heads import ConvHead, KeypointMapHead, MLPHead
from transferkit.heads.linear import FittedLinear
from transferkit.images import crop_image, resize_image
from transferkit.keypoints import frames_around
from transferkit.views import AUGMENTATIONS, Crops

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper, TensorProto = onnx.helper, onnx.TensorProto

from tests.onnx_graphs import cnn, vit  # noqa: E402 - needs onnx
from transferkit.exports import _crop, _frames, _heads, _maps, _resize, _squares  # noqa: E402
from transferkit.exports._export import _put  # noqa: E402
from transferkit.exports._graph import Graph  # noqa: E402
from transferkit.exports._model import build  # noqa: E402
from transferkit.exports._network import of_network  # noqa: E402

HALF = {"mean": 127.5, "std": 127.5}
PROGRAMS = Path(__file__).parent.parent / "examples" / "exported"


def run(model, **inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)


def pixels_graph(make, size):
    """Return a function from images to what nodes make of their planes."""
    graph = Graph()
    planes = _resize.as_planes(graph.input("image", "uint8", ["n", "h", "w", 3]))
    model = graph.model({"out": (_resize.as_pixels(make(planes)), ["n", size, size, 3])})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda images: session.run(None, {"image": images})[0]


# Pixels

CASES = [(size, resize) for size in (32, 61) for resize in ("stretch", "pad")]


@functools.cache
def squares(size, resize):
    return pixels_graph(lambda planes: _resize.whole_square(planes, size, resize), size)


@pytest.mark.slow
@given(
    st.integers(1, 150), st.integers(1, 150), st.sampled_from(CASES), st.integers(0, 2**32 - 1),
    st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_images_are_resized_as_by_pillow_to_the_last_bit(height, width, case, seed, n):
    images = np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    size, resize = case
    expected = np.stack([resize_image(image, size, resize=resize) for image in images])
    np.testing.assert_array_equal(squares(*case)(images), expected)


@pytest.mark.parametrize(("height", "width"), [(1200, 1600), (1601, 407), (224, 224), (448, 112)])
def test_large_images_are_resized_as_by_pillow(height, width):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(squares(32, "stretch")(image[None])[0], resize_image(image, 32))


CROP = 48
frames = st.tuples(st.floats(-20, 140), st.floats(-20, 140), st.floats(8, 300), st.floats(-180, 180))


@pytest.fixture(scope="module")
def crops():
    graph = Graph()
    planes = _resize.as_planes(graph.input("image", "uint8", ["n", "h", "w", 3]))
    made = _crop.crop(planes, graph.input("frames", "float32", ["n", 4]), CROP)
    model = graph.model({"out": (_resize.as_pixels(made), ["n", CROP, CROP, 3])})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda images, frames: session.run(None, {"image": images, "frames": frames})[0]


@given(st.integers(5, 130), st.integers(5, 130), st.lists(frames, min_size=1, max_size=3))
@settings(max_examples=50, deadline=None)
def test_crops_are_those_of_pillow_but_for_a_level(crops, height, width, frames):
    rows = np.round(np.array(frames, np.float32) * 4) / 4
    images = np.random.default_rng(0).integers(0, 256, (len(rows), height, width, 3), dtype=np.uint8)
    found = crops(images, rows)
    expected = np.stack([crop_image(*pair, CROP) for pair in zip(images, rows.astype(float), strict=True)])
    different = (found != expected).any(axis=-1).sum(axis=(1, 2))
    # At the edge of an image, rounding decides whether a line of pixels is black.
    assert (different <= CROP + 0.005 * CROP**2).all()
    alone = np.concatenate([crops(images[i : i + 1], rows[i : i + 1]) for i in range(len(rows))])
    np.testing.assert_array_equal(found, alone)


VIEWS = [view for views in AUGMENTATIONS.values() for view in views]


@pytest.mark.parametrize(
    "view",
    [*VIEWS[:4], *(pytest.param(view, marks=pytest.mark.slow) for view in VIEWS[4:])],
    ids=lambda view: view.name,
)
def test_views_show_the_squares_of_the_library(view):
    image = make_faces(1, size=90, random_state=3).images[0][:, :77]
    expected = view.render(SimpleNamespace(pixels=image, size=(77, 90), box=(0, 0, 77, 90)), 40, "stretch")
    (found,) = _squares_graph(view)(image[None])
    assert (np.abs(found - expected[0]) > 0).mean() < 0.005


def _squares_graph(view):
    return pixels_graph(
        lambda planes: _squares.squares_of(_resize.whole_square(planes, 40, "stretch"), [view], 40)[0][0], 40
    )


# Points


@given(st.integers(3, 12), st.integers(0, 2**32 - 1), st.floats(-179, 179))
@settings(max_examples=50, deadline=None)
def test_frames_lie_around_shapes_as_in_the_library(k, seed, angle):
    generator = np.random.default_rng(seed)
    mean = generator.normal(size=(k, 2)) * (0.5, 0.3)
    mean = (mean - mean.mean(axis=0)) / max(np.ptp(mean, axis=0).max(), 0.1)
    turn = np.array(
        [
            [np.cos(np.radians(angle)), np.sin(np.radians(angle))],
            [-np.sin(np.radians(angle)), np.cos(np.radians(angle))],
        ]
    )
    points = (mean @ turn * 120 + generator.normal(0, 3, (k, 2)) + 200)[None].astype(np.float32)
    graph = Graph()
    around = _frames.frames_around(graph.input("points", "float32", ["n", k, 2]), mean, 0.3)
    inside = _frames.from_frames(graph.constant(np.full((1, k, 2), 0.3, np.float32)), around)
    model = graph.model({"frames": (around, ["n", 4]), "back": (inside, ["n", k, 2])})
    found, back = run(model, points=points)
    expected = Crops(frames_around(points.astype(float), mean, 0.3))
    # One of them may be rounded to the next quarter; a full turn is none.
    gaps = np.abs(found - expected.frames)
    gaps[:, 3] = np.minimum(gaps[:, 3], 360 - gaps[:, 3])
    assert gaps.max() <= 0.2501
    assert (gaps > 1e-3).sum() <= 1
    exact = Crops(found.astype(float)).from_square(np.full((1, k, 2), 0.3))
    np.testing.assert_allclose(back, exact, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 5, 2), (7, 3, 3), (14, 14, 2)])
def test_maps_are_read_at_points_as_in_the_library(shape):
    generator = np.random.default_rng(0)
    maps = generator.normal(size=(2, *shape)).astype(np.float32)
    points = generator.uniform(-0.5, 1.5, (2, 30, 2)).astype(np.float32)
    graph = Graph()
    inputs = graph.input("maps", "float32", ["n", *shape]), graph.input("points", "float32", ["n", 30, 2])
    model = graph.model({"out": (_maps.sampled(inputs[0], shape, inputs[1]), ["n", 30, shape[2]])})
    np.testing.assert_allclose(
        run(model, maps=maps, points=points)[0], sample_maps(maps, points.astype(float)), atol=1e-5
    )


@pytest.mark.parametrize(
    ("shape", "grid"), [((7, 7, 2), 4), ((5, 9, 3), 6), ((8, 8, 1), 2), ((3, 3, 2), 3), ((6,), 2)]
)
def test_maps_are_averaged_as_in_the_library(shape, grid):
    maps = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    graph = Graph()
    tensor, smaller = _maps.pooled(graph.input("maps", "float32", ["n", *shape]), shape, grid)
    expected = pool_to_grid(maps, grid)
    assert smaller == expected.shape[1:]
    np.testing.assert_allclose(
        run(graph.model({"out": (tensor, ["n", *smaller])}), maps=maps)[0], expected, atol=1e-6
    )


# Whole models, on a network in an ONNX file: nothing here needs TensorFlow

FACES = make_faces(24, size=72, random_state=0)
EYES = FACES.keypoints.reshape(24, -1, 2)[:, 36:43]
KINDS = {
    "two classes": (Classifier, {}, FACES.labels),
    "three classes": (Classifier, {"augment": None}, np.arange(24) % 3),
    "strong views": (Classifier, {"augment": "strong", "head": "linear"}, FACES.labels),
    "padded": (Classifier, {"extractor": FeatureExtractor(resize="pad")}, FACES.labels),
    "labels": (Classifier, {"threshold": 0.3}, np.stack([np.arange(24) % 2, np.arange(24) % 3 > 0], axis=1)),
    "value": (ImageRegressor, {}, np.linspace(0, 40, 24)),
    "values": (ImageRegressor, {}, np.stack([np.linspace(0, 40, 24), np.arange(24) % 5], axis=1)),
    "points, whole maps": (KeypointRegressor, {"head": "linear", "refine": 0}, FACES.keypoints),
    "points, looked at twice": (KeypointRegressor, {"head": "linear", "refine": 2}, FACES.keypoints),
    "few points": (
        KeypointRegressor,
        {"head": "score_map", "refine": 1},
        FACES.keypoints.reshape(24, -1, 2)[:, 36:43],
    ),
}
NEEDS_OPENVINO = pytest.mark.skipif(not has_openvino(), reason="extra")
SUFFIX = {"onnx": "onnx", "openvino": "xml"}
LONG = ("strong views", "points, looked at twice")
# OpenVINO reads the graph of the ONNX file: these kinds have no nodes that no other kind has.
LIKE_OTHERS = ("two classes", "value", "points, whole maps", "points, looked at twice")


def cases():
    """Yield each kind and format; all quick kinds with ONNX are for each run."""
    for kind in KINDS:
        yield pytest.param(kind, "onnx", marks=[pytest.mark.slow] if kind in LONG else [])
        often = pytest.mark.full if kind in LIKE_OTHERS else pytest.mark.slow
        yield pytest.param(kind, "openvino", marks=[NEEDS_OPENVINO, often])


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "net.onnx"
    onnx.save(cnn(size=64), path)
    return Backbone.from_onnx(path, **HALF)


@pytest.fixture(scope="module")
def fitted(network):
    """Return the fitted model of a kind; each is fitted once."""

    @functools.cache
    def fit(kind):
        estimator, parameters, y = (KINDS | NETWORKS)[kind]
        with config_context(engine="onnxruntime", cache=False, progress=False):
            # Networks of two epochs tell little apart, and calibration would make their answers equal.
            extra = {"calibrate": None} if kind in NETWORKS and estimator is Classifier else {}
            return estimator(network, **parameters, **extra).fit(list(FACES.images), y)

    return fit


@pytest.fixture
def quiet():
    set_config(engine="onnxruntime", cache=False, progress=False)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("kind", "format"), list(cases()))
def test_a_file_answers_as_the_model(kind, format, fitted, tmp_path):
    model, path = fitted(kind), tmp_path / f"model.{SUFFIX[format]}"
    report = export(model, path, format=format)
    assert report.difference <= report.tolerance / 5
    # One probe of seven has a square halfway between two, which proves nothing and is left out.
    assert report.n_probes >= (4 if kind in ("points, looked at twice", "few points") else 8)
    assert str(path) in str(report)
    assert {each.suffix for each in tmp_path.iterdir()} == (
        {".onnx"} if format == "onnx" else {".xml", ".bin"}
    )
    assert report.n_bytes == sum(each.stat().st_size for each in tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", ["three classes", "few points"])
def test_a_file_takes_several_images_of_one_size(kind, fitted, tmp_path):
    model = fitted(kind)
    export(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (entry,), (end,) = session.get_inputs(), session.get_outputs()
    assert (entry.name, entry.type, len(entry.shape)) == ("image", "tensor(uint8)", 4)
    images = np.stack(make_faces(3, size=101, random_state=9).images)[:, :, :90]
    (found,) = session.run(None, {"image": images})
    assert end.name == ("keypoints" if "points" in kind else "probabilities")
    expected = model.predict(list(images)) if "points" in kind else model.predict_proba(list(images))
    np.testing.assert_allclose(
        found.reshape(3, -1), expected.reshape(3, -1), atol=0.02 if "points" in kind else 1e-4
    )


@pytest.mark.usefixtures("quiet")
def test_points_lie_as_far_to_the_right_as_labels(fitted, tmp_path):
    model = copy.copy(fitted("points, whole maps"))
    predictor = model.predictor_
    model.predictor_ = replace(predictor, task=replace(predictor.task, offset=1.5))
    report = export(model, tmp_path / "model.onnx")
    assert report.difference < 0.1
    moved = model.predict(FACES.images[:1]) - fitted("points, whole maps").predict(FACES.images[:1])
    np.testing.assert_allclose(moved.reshape(-1, 2), np.tile([1.5, 0.0], (moved.size // 2, 1)), atol=1e-9)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("branches", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_images_in_doubt_are_looked_at_again(branches, fitted, tmp_path):
    model = copy.copy(fitted("points, whole maps"))
    images = np.full((24, 150, 130, 3), 90, np.uint8)
    images[:12, 10:82, 40:112], images[12:, 70:142, 5:77] = FACES.images[:12], FACES.images[12:]
    predictor = model.predictor_
    doubt = WideLook.disagreement(predictor.first_look(images, model.extract(images)))
    order = np.argsort(doubt)
    limit = doubt[order[7:9]].mean()
    model.predictor_ = replace(predictor, wide_look=WideLook(float(limit)))
    built = build(model.predictor_, branches)
    assert ("If" in {node.op_type for node in built.graph.node}) == branches
    expected = model.predict(list(images)).reshape(24, -1, 2)
    before = fitted("points, whole maps").predict(list(images)).reshape(24, -1, 2)
    changed = (expected != before).any(axis=(1, 2))
    assert 2 <= changed.sum() <= 16
    for rows in (order, order[:8], order[:1], order[-1:], np.flatnonzero(changed)[:1]):
        (found,) = run(built, image=images[rows])
        np.testing.assert_allclose(found, expected[rows], atol=0.02)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "format", ["onnx", pytest.param("openvino", marks=[NEEDS_OPENVINO, pytest.mark.slow])]
)
def test_a_file_that_looks_again_is_proved(format, fitted, tmp_path):
    model = copy.copy(fitted("points, whole maps"))
    model.predictor_ = replace(model.predictor_, wide_look=WideLook(0.0))
    report = export(model, tmp_path / f"model.{SUFFIX[format]}", format=format)
    assert report.difference < 0.05


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_boxes_are_an_input_of_models_that_look_in_them(network, tmp_path):
    points = FACES.keypoints.reshape(24, -1, 2)
    boxes = np.concatenate([points.min(axis=1) - 3, points.max(axis=1) + 3], axis=1)
    model = KeypointRegressor(network, head="linear", refine=1).fit(list(FACES.images), points, boxes=boxes)
    assert export(model, tmp_path / "model.onnx").difference < 0.05
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert [entry.name for entry in session.get_inputs()] == ["image", "boxes"]
    inputs = {"image": np.stack(FACES.images[:3]), "boxes": boxes[:3].astype(np.float32)}
    expected = model.predict(list(FACES.images[:3]), boxes=boxes[:3].astype(np.float32))
    np.testing.assert_allclose(session.run(None, inputs)[0], expected, atol=0.05)


# Backbones


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "graph",
    [
        {"batch": 1},
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ({"layout": "NHWC"}, {"kind": "float16"}, {"opset": 13})
        ),
    ],
    ids=str,
)
def test_files_of_any_form_can_be_backbones(graph, tmp_path):
    onnx.save(cnn(size=64, stages=3, **graph), tmp_path / "net.onnx")
    backbone = Backbone.from_onnx(tmp_path / "net.onnx", **HALF)
    model = Classifier(backbone).fit(list(FACES.images), FACES.labels)
    # A network in half precision sees what a pixel more or less changes.
    assert export(model, tmp_path / "model.onnx").difference < (
        5e-3 if graph.get("kind") == "float16" else 1e-4
    )
    written = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(written)
    assert written.graph.input[0].type.tensor_type.shape.dim[0].dim_value == graph.get("batch", 0)


@pytest.mark.usefixtures("quiet")
def test_tokens_are_features_too(tmp_path):
    onnx.save(vit(), tmp_path / "vit.onnx")
    model = Classifier(Backbone.from_onnx(tmp_path / "vit.onnx", **HALF)).fit(
        list(FACES.images), FACES.labels
    )
    assert export(model, tmp_path / "model.onnx").difference < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("mobilenet", "efficientnet_b0", "resnet50", "scattering", "pixels")
        ),
        pytest.param("vgg16", marks=pytest.mark.full),  # its layers and preprocessing are those of ResNet
    ],
)
def test_backbones_of_keras(name, tmp_path):
    # OpenVINO would first convert each network for itself: one that was chosen by "auto" is enough.
    set_config(progress=False, engine="auto" if name == "mobilenet" else "keras")
    size = {} if name in ("scattering", "pixels") else {"image_size": 96}
    model = Classifier(name, weights=None, **size).fit(list(FACES.images), FACES.labels)
    assert export(model, tmp_path / "model.onnx").difference < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("family", ["vit", "dinov2", "siglip", "swin"])
def test_transformers_of_keras_hub(family, tmp_path, monkeypatch):
    pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra hub)")
    from tests.tiny_presets import row, save, swin_may_warn

    set_config(cache=False, progress=False)
    save(family, tmp_path / f"{family}_preset")
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(tmp_path))
    with swin_may_warn():
        model = Classifier(row(family), head="linear").fit(list(FACES.images), FACES.labels)
        assert export(model, tmp_path / "model.onnx").difference < 1e-4


NETWORKS = {
    "normalised": (
        Classifier,
        {"head": MLPHead(hidden=8, epochs=2, batch_norm=True, output_batch_norm=True)},
        FACES.labels,
    ),
    "three classes of maps": (
        Classifier,
        {"head": MLPHead(hidden=8, epochs=2, pool=False, scaling="max")},
        np.arange(24) % 3,
    ),
    "convolutions": (
        Classifier,
        {"head": ConvHead(filters=(16, 32), pool_size=(2, 1), hidden=32, epochs=6, scaling="standard")},
        FACES.labels,
    ),
    "value by a sigmoid": (
        ImageRegressor,
        {"head": MLPHead(hidden=8, epochs=2, output_activation="sigmoid")},
        np.linspace(0, 40, 24),
    ),
    "points by a vector": (KeypointRegressor, {"head": MLPHead(hidden=8, epochs=2)}, FACES.keypoints),
    "points by maps": (
        KeypointRegressor,
        {"head": KeypointMapHead(epochs=2, hidden=16, channels=4)},
        FACES.keypoints,
    ),
}


def cases_of_networks():
    """Yield each network and format; of what is no node of its own, OpenVINO runs the full form only."""
    for kind in NETWORKS:
        yield pytest.param(kind, "onnx", marks=pytest.mark.slow)
        own = kind in ("normalised", "convolutions", "points by maps")
        often = pytest.mark.slow if own else pytest.mark.full
        yield pytest.param(kind, "openvino", marks=[NEEDS_OPENVINO, often])


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("kind", "format"), list(cases_of_networks()))
def test_heads_that_are_networks(kind, format, fitted, tmp_path):
    model = fitted(kind)
    report = export(model, tmp_path / f"model.{SUFFIX[format]}", format=format)
    assert report.difference <= report.tolerance / 3
    if isinstance(model, Classifier):  # answers that hardly differ would prove nothing
        assert np.ptp(model.predict_proba(list(FACES.images)), axis=0).max() > 20 * report.tolerance


# 8-bit numbers


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("kind", ["two classes", "few points"])
def test_a_file_in_8_bits_says_what_it_loses(kind, fitted, tmp_path):
    model, other = fitted(kind), make_faces(12, size=72, random_state=5)
    y = other.labels if kind == "two classes" else other.keypoints.reshape(12, -1, 2)[:, 36:43]
    full = export(model, tmp_path / "full.onnx")
    report = export(
        model, tmp_path / "model.onnx", precision="int8", calibration=FACES.images[:8],
        validation=(list(other.images), y), max_loss=0.5,
    )  # fmt: skip
    found = report.loss
    if kind == "two classes":
        assert found.before == pytest.approx(model.score(list(other.images), y))
    assert (found.n, found.labelled) == (12, True)
    assert "8-bit numbers: " in str(report)
    assert report.difference > full.difference
    graph = onnx.load(tmp_path / "model.onnx").graph
    operators = [node.op_type for node in graph.node]
    assert operators.count("QuantizeLinear") > 2
    stored = {array.name for array in graph.initializer}
    found = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in stored]
    rounded = {name for node in found for name in node.output}  # weights
    readers = [node for node in graph.node if rounded & set(node.input)]
    assert readers
    assert all(of_network(node) for node in readers)  # the head, and all else, is exact
    assert {each.name for each in tmp_path.iterdir()} == {"full.onnx", "model.onnx"}


def test_normalised_channels_are_rounded_each_in_its_own_range():
    """Before normalisation the second channel is 1 / 1000 of the first: less than a step of both."""
    from transferkit.exports import _int8, _network

    levels, channels = np.array([1.0, 1e-3], np.float32), np.zeros((2, 3, 1, 1), np.float32)
    channels[0, 0], channels[1, 1] = levels
    gain = (1 / levels / 255).reshape(2, 1, 1)
    names = [f"{_network._LOOK}{name}" for name in ("conv", "gained", "moved", "bounded")]
    nodes = [
        helper.make_node("Cast", ["image"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "kernel"], [names[0]]),
        helper.make_node("Mul", [names[0], "gain"], [names[1]]),
        helper.make_node("Add", [names[1], "shift"], [names[2]]),
        helper.make_node("Clip", [names[2], "lowest", "highest"], [names[3]]),
        helper.make_node("Identity", [names[3]], ["answer"]),
    ]
    constants = {"kernel": channels, "gain": gain, "shift": np.full((2, 1, 1), 0.25, np.float32),
                 "lowest": np.float32(0), "highest": np.float32(6)}  # fmt: skip
    graph = helper.make_graph(
        nodes, "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 8, 8, 3])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 2, 8, 8])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    images = list(np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8))
    before, after = (
        onnxruntime.InferenceSession(each.SerializeToString()).run(None, {"image": np.stack(images)})[0]
        for each in (model, _int8.in_8_bits(model, images))
    )
    assert 0 < np.abs(after - before).max() < 0.02


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_a_file_in_8_bits_that_loses_too_much_is_not_kept(fitted, tmp_path, monkeypatch):
    from transferkit.exports import _int8

    model, arguments = fitted("two classes"), {"precision": "int8", "calibration": FACES.images[:8]}
    report = export(model, tmp_path / "kept.onnx", **arguments, max_loss=1)
    assert (report.loss.before, report.loss.labelled) == (1, False)
    monkeypatch.setattr(_int8, "_decided", lambda task, answers: np.arange(len(answers)) * answers[0, 0])
    with pytest.raises(ExportError, match="In 8-bit numbers the model loses .*max_loss=0.01 is allowed"):
        export(model, tmp_path / "model.onnx", **arguments)
    assert [each.name for each in tmp_path.iterdir()] == ["kept.onnx"]


@pytest.mark.parametrize(
    ("format", "advice"),
    [("onnx", "allow more, or leave"), ("openvino", "allow more, pass format='onnx', or leave")],
)
def test_who_loses_too_much_is_told_what_to_do(format, advice):
    from transferkit.exports import _int8

    lost = _int8.Loss(before=1.0, after=0.5, loss=0.5, ms_before=2.0, ms_after=1.0, n=30, labelled=False)
    _int8.refuse(lost, 0.5, format)
    with pytest.raises(ExportError, match=f"{advice} precision out"):
        _int8.refuse(lost, 0.4, format)


@pytest.mark.usefixtures("quiet")
def test_mistakes_with_8_bits(fitted, tmp_path):
    model, labels = fitted("two classes"), FACES.labels[:8]
    arguments = {"precision": "int8", "calibration": FACES.images[:8]}
    for wrong, match in (
        ({"precision": "int4"}, "precision must be 'float32' or 'int8'"),
        ({"precision": "int8"}, "calibration must be some of the training images"),
        ({"calibration": FACES.images[:2]}, "calibration and validation are for precision='int8'"),
        (arguments | {"max_loss": -1}, "max_loss must be a number of 0 or more"),
        (arguments | {"validation": FACES.images}, r"validation must be a tuple \(X, y\)"),
        (arguments | {"validation": (FACES.images[:8], labels[:3])}, "Got 8 images and 3 answers"),
        (
            arguments | {"validation": (FACES.images[:2], ["a", "b"])},
            "classes that the model does not know: a, b",
        ),
    ):
        with pytest.raises(InvalidInputError, match=match):
            export(model, tmp_path / "model.onnx", **wrong)


@pytest.mark.usefixtures("quiet")
def test_known_answers_for_8_bits_are_read_as_by_fit(network, fitted, caplog):
    """Where they were compared as they came, columns in another order judged other outputs, or none."""
    from transferkit.exports._int8 import Int8Images

    images = list(make_faces(12, size=72, random_state=5).images)
    table = pd.DataFrame({"eyes": np.arange(24) % 2, "age": np.linspace(0, 40, 24)})
    several = Classifier(network).fit(list(FACES.images), table > 0)
    numbers = ImageRegressor(network).fit(list(FACES.images), table)

    def truth(model, y, X=images):
        return Int8Images.of(model, images[:2], (X, y)).truth.tolist()

    order = several.classes_.tolist()
    expected = [[int(label == "age" or i % 2 == 0) for label in order] for i in range(12)]
    assert truth(several, [["age"] if i % 2 else ["age", "eyes"] for i in range(12)]) == expected
    assert truth(several, [["age"]] * 12) == [[int(label == "age") for label in order]] * 12
    assert truth(several, pd.DataFrame(expected, columns=order)[order[::-1]]) == expected
    for wrong in (table[:12][["age", "eyes"]], table["age"][:12], None):
        with pytest.raises(InvalidInputError, match="y of validation"):
            truth(numbers, wrong)
    assert "trained on" not in caplog.text
    truth(numbers, table, list(FACES.images))
    assert "export: the model was trained on 24 of the 24 images" in caplog.text


# What is said, and refused


@pytest.mark.usefixtures("quiet")
def test_a_file_says_what_it_is(fitted, tmp_path):
    export(fitted("labels"), tmp_path / "model.onnx", probes=[FACES.images[0]])
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model)
    facts = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert facts["labels"] == [0, 1]
    assert facts["thresholds"] == [0.3, 0.3]
    assert facts["task"]["kind"] == "labels"
    assert len(facts["features"]["backbone"]["weights"]) == 64
    assert facts["proof"]["n_probes"] == 9
    assert facts["proof"]["difference"] <= facts["proof"]["tolerance"] == 1e-3
    assert facts["image_size"] == 64


@pytest.mark.usefixtures("quiet")
def test_a_file_says_the_threshold_of_a_class(fitted, tmp_path):
    export(fitted("two classes").with_threshold(0.2), tmp_path / "model.onnx", probes=[FACES.images[0]])
    facts = {each.key: json.loads(each.value) for each in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert facts["threshold"] == [1, 0.2]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("before", [None, b"what was there"])
def test_a_file_that_answers_otherwise_is_not_kept(fitted, tmp_path, monkeypatch, before):
    path = tmp_path / "model.onnx"
    if before:
        path.write_bytes(before)
    right = _heads.linear
    monkeypatch.setitem(_heads.HEADS, FittedLinear, lambda head, maps: right(head, maps) * 1.1)
    with pytest.raises(ExportError, match="answers otherwise than the model: by .* 0.001 is allowed"):
        export(fitted("two classes"), path)
    assert [each.name for each in tmp_path.iterdir()] == (["model.onnx"] if before else [])
    if before:
        assert path.read_bytes() == before


@pytest.mark.usefixtures("quiet")
def test_each_value_is_proved_in_its_own_unit(network, tmp_path, monkeypatch):
    """A thousandth of a price hid an age that was wrong by years."""
    prices = np.linspace(0, 1e5, 24)
    model = ImageRegressor(network, augment=None).fit(list(FACES.images), np.stack([prices, prices / 2e3], 1))
    report = export(model, tmp_path / "model.onnx")
    assert report.difference <= report.tolerance
    right = _heads.linear
    moved = np.array([0, 5], np.float32)
    monkeypatch.setitem(_heads.HEADS, FittedLinear, lambda head, maps: right(head, maps) + moved)
    with pytest.raises(ExportError, match=r"answers otherwise than the model: by 5.* is allowed.*=5\.5 if"):
        export(model, tmp_path / "wrong.onnx")


def test_an_old_model_is_never_beside_new_weights_and_stays_if_they_cannot_be_replaced(tmp_path, monkeypatch):
    target, weights = tmp_path / "model.xml", tmp_path / "model.bin"

    def put():
        files = tmp_path / ".new.bin", tmp_path / ".new.xml"
        for file in files:
            file.write_text("new")
        _put(files, target)

    put()
    assert (target.read_text(), weights.read_text()) == ("new", "new")
    target.write_text("old")
    weights.write_text("old")
    replace = Path.replace

    def locked(self, other):
        if other == weights:
            assert not target.exists()
            raise PermissionError(13, "in use")
        return replace(self, other)

    monkeypatch.setattr(Path, "replace", locked)
    with pytest.raises(PermissionError, match="in use"):
        put()
    assert (target.read_text(), weights.read_text()) == ("old", "old")


@pytest.mark.parametrize(
    ("format", "place"), [("onnx", "m.onnx"), ("openvino", "m.xml"), ("openvino", "m.bin")]
)
def test_a_folder_is_no_place_for_a_file(fitted, tmp_path, format, place):
    (tmp_path / place).mkdir()
    with pytest.raises(InvalidInputError, match=f"where a file can be written. .*{place}' is a folder"):
        export(fitted("two classes"), tmp_path / f"m.{SUFFIX[format]}", format=format)


@pytest.mark.usefixtures("quiet")
def test_what_a_runtime_cannot_run_is_not_kept(fitted, tmp_path, monkeypatch):
    right = _heads.linear

    def wrong(head, maps):
        found = right(head, maps)
        return found.graph.add("Reshape", found, found.graph.ints(7, 7), dtype="float32")

    monkeypatch.setitem(_heads.HEADS, FittedLinear, wrong)
    with pytest.raises(ExportError, match="onnxruntime cannot run this model: .*Pass format='openvino'"):
        export(fitted("two classes"), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_kill_between_writing_and_proof_leaves_no_file(network, fitted, tmp_path):
    """In a process of its own, which is killed while the proof has been waiting for the file."""
    code = f"""
import sys, time
from transferkit import Backbone, Classifier, export, set_config
from transferkit.datasets import make_faces
from transferkit.exports import _proof
set_config(engine="onnxruntime", cache=False, progress=False)
faces = make_faces(8, size=64, random_state=0)
backbone = Backbone.from_onnx({str(network.constructor.path)!r}, mean=127.5, std=127.5)
model = Classifier(backbone, head="linear").fit(list(faces.images), faces.labels)
def wait(*_):
    print("written", flush=True)
    time.sleep(600)
_proof.Proof.check = wait
export(model, {str(tmp_path / "model.onnx")!r})
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        assert any(each.stat().st_size for each in tmp_path.iterdir())  # beside the path
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "model.onnx").exists()
    (left,) = tmp_path.iterdir()
    other, old = left.with_name(".transferkit-elsewhere-1-0123456789abcdef.onnx"), tmp_path / ".transferkit-x"
    for path in (other, old):
        path.write_bytes(b"of others")
    mine = tmp_path / left.name.replace(f"-{process.pid}-", f"-{os.getpid()}-")
    mine.write_bytes(b"of a process that runs")
    set_config(engine="onnxruntime", cache=False, progress=False)
    export(fitted("two classes"), tmp_path / "model.onnx")  # removes what was left
    assert set(tmp_path.iterdir()) == {tmp_path / "model.onnx", other, old, mine}
    os.utime(other, (0, 0))
    export(fitted("two classes"), tmp_path / "model.onnx")
    assert set(tmp_path.iterdir()) == {tmp_path / "model.onnx", old, mine}


@pytest.mark.usefixtures("quiet")
def test_the_file_of_the_backbone_is_not_replaced(fitted, monkeypatch):
    """Without it, the model cannot be used any more."""
    model = fitted("two classes")
    path = model.extractor_.settings().weights.path
    before = path.read_bytes()
    monkeypatch.chdir(path.parent)
    for target in (path, path.name):
        with pytest.raises(InvalidInputError, match="path must not replace a file of the backbone"):
            export(model, target)
    assert path.read_bytes() == before


@NEEDS_OPENVINO
@pytest.mark.usefixtures("quiet")
def test_the_weights_beside_the_file_of_the_backbone_are_not_replaced(fitted, tmp_path):
    """OpenVINO's weights get the name of the file with another ending, which may be that of the network's."""
    path = fitted("two classes").extractor_.settings().weights.path
    net = onnx.load(path)
    beside = {"save_as_external_data": True, "location": "net.bin", "size_threshold": 0}
    onnx.save_model(net, tmp_path / "net.onnx", **beside)
    backbone = Backbone.from_onnx(tmp_path / "net.onnx", mean=0, std=255)
    model = Classifier(backbone).fit(list(FACES.images[:8]), FACES.labels[:8])
    before = (tmp_path / "net.bin").read_bytes()
    with pytest.raises(InvalidInputError, match=r"a file of the backbone.*net\.bin"):
        export(model, tmp_path / "net.xml", format="openvino")
    assert (tmp_path / "net.bin").read_bytes() == before
    export(model, tmp_path / "other.xml", format="openvino")


@pytest.mark.usefixtures("quiet")
def test_mistakes(fitted, network, tmp_path, monkeypatch):
    model = fitted("two classes")
    with pytest.raises(InvalidInputError, match="format must be 'onnx', 'openvino' or 'litert'"):
        export(model, tmp_path / "model.onnx", format="tflite")
    with pytest.raises(InvalidInputError, match="path must end in '.xml' for format='openvino'. Got"):
        export(model, tmp_path / "model.onnx", format="openvino")
    with pytest.raises(InvalidInputError, match="tolerance must be a positive number"):
        export(model, tmp_path / "model.onnx", tolerance=0)
    with pytest.raises(InvalidInputError, match="model must be a fitted Classifier.*NearestImages"):
        export(NearestImages(network), tmp_path / "model.onnx")
    with pytest.raises(NotFittedError):
        export(Classifier(network), tmp_path / "model.onnx")
    with pytest.raises(FileNotFoundError, match="Make it, then export again"):
        export(model, tmp_path / "nowhere" / "model.onnx")
    arrays = np.random.default_rng(0).normal(size=(12, 4))
    with pytest.raises(InvalidInputError, match="fitted with backbone='precomputed'"):
        export(Classifier("precomputed").fit(arrays, np.arange(12) % 2), tmp_path / "model.onnx")
    missing = "transferkit.exports._format.importlib.util.find_spec"
    monkeypatch.setattr(missing, lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(MissingDependencyError, match=r"pip install .transferkit\[export\]"):
        export(model, tmp_path / "model.onnx")
    monkeypatch.setattr(missing, lambda name: None if name == "openvino" else name)
    with pytest.raises(MissingDependencyError, match=r"pip install .transferkit\[openvino\]"):
        export(model, tmp_path / "model.xml", format="openvino")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_what_no_file_can_hold_is_refused(network, tmp_path):
    def refused(model, match):
        with pytest.raises(ExportError, match=match):
            export(model, tmp_path / "model.onnx")
        assert not (tmp_path / "model.onnx").exists()

    images, labels = list(FACES.images), FACES.labels
    set_config(engine="auto")
    function = Classifier(lambda pixels: pixels.mean(axis=(1, 2))).fit(images, labels)
    refused(function, "A function has no graph")
    onnx.save(cnn(size=64, batch=3), tmp_path / "three.onnx")
    three = Classifier(Backbone.from_onnx(tmp_path / "three.onnx", **HALF)).fit(images, labels)
    refused(three, "takes exactly 3 images at once")
    swapped = Classifier(network, extractor=FeatureExtractor(channels=(2, 1, 0))).fit(images, labels)
    refused(swapped, r"chooses channels \(2, 1, 0\)")


@pytest.mark.usefixtures("quiet")
def test_what_litert_cannot_hold_is_refused(fitted, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="extra litert")
    for kind, match in (
        ("few points", "a model with closer looks.*Pass format='onnx' or 'openvino', or fit with refine=0"),
        ("two classes", "Only networks of Keras.*Pass format='onnx' or 'openvino'"),
    ):
        with pytest.raises(ExportError, match=match):
            export(fitted(kind), tmp_path / "model.tflite", format="litert")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("program", "format"),
    [
        ("run_onnx", "onnx"),
        pytest.param("run_openvino", "openvino", marks=[NEEDS_OPENVINO, pytest.mark.slow]),
    ],
)
def test_programs_run_files_without_transferkit(program, format, fitted, tmp_path):
    model, path = fitted("two classes"), tmp_path / f"model.{SUFFIX[format]}"
    export(model, path, format=format)
    PIL.Image.fromarray(FACES.images[1]).save(tmp_path / "face.png")
    expected = model.predict_proba(FACES.images[1])[0]
    code = f"""
import runpy, sys
for name in ("transferkit", "tensorflow", "keras", "onnx"):
    sys.modules[name] = None
sys.argv = ["program", {str(path)!r}, "face.png"]
runpy.run_path({str(PROGRAMS / f"{program}.py")!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    name, _, answer = done.stdout.partition(" ")
    assert name == "face.png"
    found = ast.literal_eval(answer)
    assert list(found) == model.classes_.tolist()
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-4)


@pytest.mark.usefixtures("quiet")
def test_command(fitted, network, tmp_path, capsys):
    fitted("two classes").save(tmp_path / "model.safetensors")
    weights = str(network.constructor.path)
    code = main(
        ["export", str(tmp_path / "model.safetensors"), str(tmp_path / "m.onnx"), "--weights", weights]
    )
    assert code == 0
    assert "m.onnx: onnx, " in capsys.readouterr().out
    assert (tmp_path / "m.onnx").is_file()

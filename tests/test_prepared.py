"""Converted graphs that other processes find: the same features, and never a wrong or a damaged graph."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import TINY
from transferkit import FeatureCache, FeatureExtractor
from transferkit.backbones import get_backbone, resolve_weights
from transferkit.cache import GraphFile, _graphs
from transferkit.engines import EngineRequest, GraphStore, _openvino, openvino_engine
from transferkit.engines._prepared import PixelTable

SIZE = 32
LAYERS = ("middle", "last")
KEY = "ab" * 32


def small(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)):
    """A network with two layers under three names, which is converted in a moment."""
    import keras

    x = pixels = keras.Input(input_shape)
    for name, channels in (("middle", 6), ("end", 10)):
        x = keras.layers.Conv2D(channels, 3, strides=4, activation="relu", name=name)(x)
    return keras.Model(pixels, x)


SMALL = replace(get_backbone("mobilenet"), constructor=small, layers=LAYERS)


@pytest.fixture
def store(tmp_path):
    return GraphStore(tmp_path / "cache", KEY)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)


def build(store, layers=LAYERS, precision="float32", grids=None):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    return openvino_engine(
        EngineRequest(
            SMALL, resolve_weights(SMALL, None), SIZE, layers, 8, precision, graphs=store, grids=grids
        )
    )


@pytest.fixture(scope="module")
def converted(tmp_path_factory, pixels):
    """The bytes of the file that a conversion leaves, and what the converted graph answers."""
    store = GraphStore(tmp_path_factory.mktemp("cache"), KEY)
    expected = build(store).run(pixels)
    (path,) = store.folder.glob("graph-*")
    return path.name, path.read_bytes(), expected


@pytest.fixture
def kept(store, converted):
    """The path of such a file."""
    store.folder.mkdir()
    path = store.folder / converted[0]
    path.write_bytes(converted[1])
    return path


@pytest.fixture
def conversions(monkeypatch):
    """The networks that were converted."""
    seen, convert = [], _openvino._converted
    monkeypatch.setattr(_openvino, "_converted", lambda *args: seen.append(args) or convert(*args))
    return seen


@pytest.mark.slow
@pytest.mark.openvino
def test_a_prepared_graph_gives_the_same_features_without_a_conversion(
    store, kept, converted, conversions, pixels
):
    engine = build(store)
    assert conversions == []
    for found, right in zip(engine.run(pixels), converted[2], strict=True):
        np.testing.assert_array_equal(found, right)
    for found, right in zip(engine.run(pixels[:1]), converted[2], strict=True):
        np.testing.assert_allclose(found, right[:1], atol=1e-5 * right.std())
    assert engine.n_parameters == 718
    assert [maps.shape for maps in engine.run(pixels[:0])] == [(0, 8, 8, 6), (0, 2, 2, 10)]


@pytest.mark.slow
@pytest.mark.openvino
def test_two_names_of_one_tensor(store, conversions, pixels):
    layers = ("last", "middle", "end")
    right = build(store, layers).run(pixels)
    found = build(store, layers).run(pixels)
    assert len(conversions) == 1
    for one, other in zip(found, right, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.slow
@pytest.mark.openvino
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_damaged_file_is_made_again(store, kept, converted, conversions, pixels, where):
    damaged = bytearray(converted[1])
    damaged[int(where * len(damaged))] ^= 1
    kept.write_bytes(damaged)
    found = build(store).run(pixels)
    assert len(conversions) == 1
    np.testing.assert_array_equal(found[0], converted[2][0])
    build(store)
    assert len(conversions) == 1


@pytest.mark.slow
@pytest.mark.openvino
def test_half_a_file_and_a_graph_that_answers_otherwise_are_made_again(store, kept, converted, conversions):
    kept.write_bytes(converted[1][: len(converted[1]) // 2])
    build(store)
    assert len(conversions) == 1
    file = store.file(LAYERS)
    arrays = file.read()
    file.write({**arrays, "answer_1": np.roll(arrays["answer_1"], 1, axis=-1)})  # as if channels were swapped
    build(store)
    assert len(conversions) == 2
    file.write({**arrays, "graph": arrays["graph"][:100]})
    build(store)
    assert len(conversions) == 3


@pytest.mark.slow
@pytest.mark.openvino
def test_other_layers_and_other_networks_have_files_of_their_own(store, kept, conversions):
    build(store, ("last",))
    build(replace(store, network="cd" * 32))
    assert len(conversions) == 2
    assert len(list(store.folder.glob("graph-*"))) == 3


@pytest.mark.slow
@pytest.mark.openvino
def test_a_new_process_needs_no_tensorflow_and_finds_the_same(tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    code = """
import sys, numpy as np
from transferkit import FeatureExtractor
picture = np.random.default_rng(int(sys.argv[1])).integers(0, 256, (40, 40, 3), np.uint8)
extractor = FeatureExtractor("scattering", image_size=32, progress=False)
print(extractor.transform([picture])[0, :500].tolist())
print(*(name in sys.modules for name in ("tensorflow", "openvino")))
"""
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "TRANSFERKIT_CACHE": str(tmp_path), "PYTHONPATH": root}
    found = []
    for seed in (0, 1):
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, str(seed)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        found.append(run.stdout.splitlines())
    assert [lines[1] for lines in found] == ["True True", "False True"]
    picture = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    extractor = FeatureExtractor("scattering", image_size=32, cache=False, progress=False)
    assert json.loads(found[1][0]) == extractor.transform([picture])[0, :500].tolist()


@pytest.mark.parametrize("name", ["mobilenet", "vgg16", "densenet121", "scattering"])
def test_a_table_of_bytes_is_the_preprocessing(name, pixels):
    backbone = get_backbone(name)
    table = PixelTable.of(backbone, SIZE)
    assert table is not None
    np.testing.assert_array_equal(table(pixels), backbone.preprocess(pixels))


@pytest.mark.parametrize(
    "preprocess",
    [
        lambda x: x - x.mean(axis=(1, 2), keepdims=True),
        lambda x: np.repeat(x.mean(axis=-1, keepdims=True), 3, axis=-1),
        lambda x: x[:, ::-1] / 255,
        lambda x: x[..., :1],
    ],
    ids=["mean", "grey", "flipped", "one channel"],
)
def test_what_looks_at_more_than_a_byte_has_no_table(preprocess):
    assert PixelTable.of(replace(TINY, preprocess_input=preprocess), SIZE) is None


def test_an_engine_is_the_same_wherever_features_lie(tmp_path):
    row = get_backbone("mobilenet")
    stores = (GraphStore(tmp_path / "a", KEY), GraphStore(tmp_path / "b", KEY), None)
    requests = {
        EngineRequest(row, resolve_weights(row, None), SIZE, LAYERS, 8, graphs=store) for store in stores
    }
    assert len(requests) == 1


def test_files_of_arrays_are_read_by_their_own_key_only(tmp_path):
    file = GraphFile(tmp_path, KEY)
    assert file.read() is None
    file.write({"numbers": np.arange(3)})
    assert file.read()["numbers"].tolist() == [0, 1, 2]
    assert GraphFile(tmp_path, KEY[:32] + "0" * 32).read() is None  # the same name of a file
    info = FeatureCache(tmp_path).info()
    assert (info.n_graphs, info.n_spaces) == (1, 0)
    assert "1 converted network, 0.0 MB" in str(info)
    assert FeatureCache(tmp_path).clear() == info.n_bytes == info.graph_bytes > 0
    assert file.read() is None


def test_without_a_folder_the_last_graph_is_in_memory():
    nowhere, elsewhere = GraphFile(None, KEY), GraphFile(None, "cd" * 32)
    nowhere.write({"numbers": np.arange(3)})
    assert GraphFile(None, KEY).read()["numbers"].tolist() == [0, 1, 2]
    elsewhere.write({"numbers": np.arange(2)})
    assert nowhere.read() is None
    elsewhere.discard()
    assert elsewhere.read() is None


def test_graphs_used_long_ago_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(_graphs, "_LARGEST", 5000)
    files = [GraphFile(tmp_path, f"{i}" * 64) for i in range(4)]
    for i, file in enumerate(files[:3]):
        file.write({"numbers": np.zeros(200)})  # about 2,100 bytes
        for path in tmp_path.glob(f"graph-{i}*"):
            os.utime(path, (i, i))
    assert [file.read() is not None for file in files] == [False, True, True, False]
    os.utime(next(tmp_path.glob("graph-2*")), (1, 1))  # file 1 was read just now
    files[3].write({"numbers": np.zeros(200)})
    assert [file.read() is not None for file in files] == [False, True, False, True]


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    file = GraphFile(tmp_path / "file", KEY)
    file.write({"numbers": np.arange(3)})
    assert file.read() is None

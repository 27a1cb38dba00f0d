"""What ``engine="auto"`` stands for: one name before the cache is asked, and no row under another's name."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY, FakeEngine
from transferkit import Classifier, FeatureCache, FeatureExtractor, engines
from transferkit.backbones import Backbone, registry
from transferkit.cache import _notes
from transferkit.engines import _verdicts, check_engine, choose_engine
from transferkit.errors import EngineError, InvalidInputError, MissingDependencyError, ModelFileError
from transferkit.persistence._file import read_model, write_model


class Pair:
    """Fake engines under both names. That of Keras adds 1, so that every row tells where it is from."""

    def __init__(self):
        self.fake = FakeEngine()
        self.error = ""
        self.built = []

    def build(self, name):
        def make(request):
            self.built.append(name)
            if name == "openvino" and self.error:
                raise EngineError(self.error, name=name)
            run = self.fake.build(request).run
            extra = name == "keras"
            return engines.Engine(
                name, lambda pixels, keep=list: keep([maps + extra for maps in run(pixels)])
            )

        return make

    def images(self):
        return self.fake.images


@pytest.fixture
def pair(monkeypatch):
    pair = Pair()
    monkeypatch.setattr(engines, "has_openvino", lambda: True)
    for name in ("keras", "openvino"):
        monkeypatch.setitem(engines.ENGINES, name, pair.build(name))
    forget(monkeypatch)
    return pair


def forget(monkeypatch):
    """Begin as a new process does."""
    monkeypatch.setattr(_verdicts, "_memory", {})
    monkeypatch.setattr(_verdicts, "_said", set())
    engines.shared_engine.cache_clear()


def auto(layers="last", **parameters):
    return FeatureExtractor(TINY, layers=layers, grid="full", progress=False, **parameters)


def origin(extractor, paths):
    """Return which engine the features are from, by their values and by their name; the two must agree."""
    values = "keras" if extractor.transform(paths).min() >= 1 else "openvino"
    assert extractor.describe()["engine"] == values
    return values


def spaces():
    return sorted(space.recipe["engine"] for space in FeatureCache().info().spaces)


def verdict_file():
    (path,) = FeatureCache().folder.glob("engine-*")
    return path


def test_the_faster_one_runs_where_it_passes(pair, pictures, caplog):
    assert origin(auto(), pictures[0]) == "openvino"
    assert spaces() == ["openvino"]
    assert pair.built == ["openvino"]
    assert not caplog.records


def test_keras_runs_where_it_fails_and_one_line_says_why(pair, pictures, caplog):
    pair.error = "it has no feet."
    with caplog.at_level(logging.INFO, "transferkit"):
        for layers in ("last", "last", "auto"):
            assert origin(auto(layers=layers), pictures[0]) == "keras"
    assert [record.message for record in caplog.records] == ["engine='auto' uses Keras: it has no feet."]
    assert spaces() == ["keras"]


def test_what_failed_once_is_not_tried_again(pair, pictures, monkeypatch, caplog):
    pair.error = "no."
    origin(auto(), pictures[0])
    origin(auto(cache=False), pictures[0])
    pair.error = ""  # it would pass now, but rows have a name already
    forget(monkeypatch)
    seen = pair.images()
    caplog.clear()
    assert origin(auto(), pictures[0]) == "keras"
    assert (pair.built.count("openvino"), pair.images()) == (1, seen)
    assert "uses Keras: no." in caplog.text


def test_what_passed_needs_no_engine_when_all_is_there(pair, pictures, monkeypatch):
    origin(auto(layers="auto"), pictures[0])
    forget(monkeypatch)
    for layers in ("auto", "fine", ["last", "fine"]):  # fewer layers, or in another order
        assert origin(auto(layers=layers), pictures[0]) == "openvino"
    assert pair.built == ["openvino"]


def test_other_layers_are_proven_by_themselves(pair, pictures):
    origin(auto(), pictures[0])
    pair.error = "not this layer."
    assert origin(auto(layers="fine"), pictures[0]) == "keras"
    assert origin(auto(layers=["fine", "last"]), pictures[0]) == "keras"
    assert origin(auto(), pictures[0]) == "openvino"


def test_in_memory_a_verdict_lasts_as_long_as_the_process(pair, pictures, monkeypatch):
    for _ in range(2):
        pair.error = "no."
        assert origin(auto(cache=False), pictures[0]) == "keras"
        pair.error = ""
        assert origin(auto(cache=False), pictures[0]) == "keras"
        forget(monkeypatch)
    assert origin(auto(cache=False), pictures[0]) == "openvino"
    # A cache that is used later gets to know, so that the next process names its rows alike.
    assert origin(auto(), pictures[0]) == "openvino"
    assert verdict_file().is_file()


@pytest.mark.parametrize("change", [{"image_size": 48}, {"weights": "imagenet"}, {"version": "2"}])
def test_a_verdict_holds_for_one_network_and_one_installation(pair, pictures, monkeypatch, change):
    pair.error = "no."
    origin(auto(weights=None), pictures[0])
    pair.error = ""
    if "version" in change:
        monkeypatch.setattr(_verdicts, "_versions", lambda: {"openvino": "other"})
        change = {}
    if "weights" in change:
        monkeypatch.setattr(
            transferkit.backbones,
            "resolve_weights",
            lambda *_: transferkit.backbones.Weights("file", None, "other"),
        )
    assert origin(auto(**{"weights": None, **change}), pictures[0]) == "openvino"


DAMAGE = {
    "empty": b"", "cut": b'{"subject": "', "binary": bytes(range(256)), "list": b"[]", "deep": b"[" * 100_000,
    "other": b'{"subject": "x", "known": {"[\\"last\\"]": ""}}', "null": b'{"subject": null}',
}  # fmt: skip


@pytest.mark.parametrize("damage", [*DAMAGE, "numbers", "words", "keys", "folder"])
def test_a_damaged_verdict_is_found_out_again(pair, pictures, monkeypatch, damage):
    pair.error = "no."
    origin(auto(), pictures[0])
    path = verdict_file()
    network = json.loads(path.read_text())["subject"]
    inside = {
        "numbers": {'["last"]': 5}, "words": "last", "keys": {"last": "", "5": "no.", "[5]": ""}
    }  # fmt: skip
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        content = json.dumps({"subject": network, "known": inside.get(damage)}).encode()
        path.write_bytes(DAMAGE.get(damage, content))
    forget(monkeypatch)
    assert origin(auto(), pictures[0]) == "keras"
    assert pair.built.count("openvino") == 2
    assert damage == "folder" or json.loads(path.read_text())["known"] == {'["last"]': "no."}
    assert len(list(path.parent.glob("engine-*"))) == 1  # nothing half written is left


def test_a_verdict_that_cannot_be_kept_stops_nothing(pair, pictures, monkeypatch):
    def refuse(*arguments, **more):
        raise PermissionError("read-only")

    monkeypatch.setattr(_notes.tempfile, "mkstemp", refuse)
    assert origin(auto(), pictures[0]) == "openvino"


def test_what_passed_and_is_broken_now_stores_nothing_under_its_name(pair, pictures, monkeypatch):
    paths = pictures[0]
    origin(auto(), paths[:10])
    forget(monkeypatch)
    pair.error = "broken by now."
    with pytest.raises(EngineError, match="broken by now"):
        auto().transform(paths)
    assert len(auto().extract(paths[:10], on_error="raise").digests) == 10
    assert origin(auto(), paths) == "keras"
    assert spaces() == ["keras", "openvino"]
    assert np.all(FeatureExtractor(TINY, engine="keras", progress=False).transform(paths) >= 1)


def test_clearing_the_cache_clears_verdicts(pair, pictures):
    origin(auto(), pictures[0])
    path = verdict_file()
    path.with_name(path.name + "abc").write_text("half written")
    other = path.with_name("engine-notes.json")
    other.write_text("the user's")
    FeatureCache().clear(older_than=transferkit.cache._cache.timedelta(days=1))
    assert path.is_file()
    FeatureCache().clear()
    assert list(path.parent.glob("engine-*")) == [other]


def test_an_engine_by_name_is_that_engine_or_an_error(pair, pictures):
    pair.error = "no."
    with pytest.raises(EngineError, match="no"):
        auto(engine="openvino").transform(pictures[0])
    with pytest.raises(EngineError, match="no"):
        auto(precision="bfloat16").transform(pictures[0])
    assert "keras" not in pair.built


def test_precision_is_part_of_the_space(pair, pictures):
    auto().transform(pictures[0])
    seen = pair.images()
    half = auto(precision="bfloat16")
    half.transform(pictures[0])
    assert pair.images() == seen + len(pictures[0])
    assert (half.describe()["engine"], half.describe()["precision"]) == ("openvino", "bfloat16")


def test_what_a_user_registers_is_built_once_and_may_fall_back(pair, pictures):
    import keras

    def constructor(include_top, weights, input_shape):
        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.AveragePooling2D(2, name="pool")(inputs))

    row = Backbone("mine", constructor, lambda x: x, 16, image_size=16)
    pair.error = "no."
    extractor = FeatureExtractor(row, weights=None, progress=False)
    assert extractor.describe()["engine"] == "openvino"  # as far as is known; nothing is built
    assert pair.built == []
    assert origin(extractor, pictures[0]) == "keras"
    assert FeatureExtractor(row, weights=None, progress=False).describe()["engine"] == "keras"


def test_names_without_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert choose_engine(TINY, "auto", "float32") == ("keras", None)
    for arguments in (("openvino",), ("auto", "bfloat16")):
        with pytest.raises(MissingDependencyError, match=r'pip install "transferkit\[openvino\]"'):
            check_engine(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("auto", "float8"), "precision must be 'float32', 'bfloat16' or 'float16'. Got 'float8'."),
        (("auto", None), "Got None"),
        (
            ("openvino", "float16"),
            "precision='float16' needs engine='auto' or 'keras'. Got engine='openvino'.",
        ),
        (("warp", "half"), "2 problems"),
    ],
)
def test_engines_and_precisions_that_there_are_not(pair, arguments, message):
    with pytest.raises(InvalidInputError) as caught:
        check_engine(*arguments)
    assert message in str(caught.value)


# Saved models


@pytest.fixture
def saved(pair, pictures, tmp_path):
    registry.add(TINY)

    def save(**parameters):
        path = tmp_path / "model"
        Classifier("tiny", extractor=FeatureExtractor(**parameters, progress=False)).fit(*pictures).save(path)
        return path

    return save


@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_a_model_loads_where_openvino_is_not_installed(saved, engine, monkeypatch, caplog):
    path = saved(engine=engine)
    for module in (engines, transferkit.persistence._parts):
        monkeypatch.setattr(module, "has_openvino", lambda: False)
    with caplog.at_level(logging.INFO, "transferkit"):
        loaded = transferkit.load(path)
    assert loaded.extractor_.describe()["engine"] == "keras"
    assert len(caplog.records) == 1
    assert "made by openvino when the model was trained, here by keras" in caplog.text


def test_the_same_engine_needs_no_word(saved, caplog):
    transferkit.load(saved())
    assert not caplog.records


def test_bfloat16_is_no_mere_difference_of_engines(saved, monkeypatch):
    path = saved(precision="bfloat16")
    assert transferkit.load(path).extractor.precision == "bfloat16"
    tensors, document = read_model(path)
    document["extractor"]["precision"] = "float32"
    document["extractor"]["engine"] = "keras"
    write_model(path, tensors, document)
    with pytest.raises(ModelFileError, match="engine was .* precision was 'bfloat16' and is 'float32'"):
        transferkit.load(path)


@pytest.mark.parametrize("engine", ["warp", None, ["keras"], {}])
def test_engines_that_were_never_compared_are_refused(saved, engine):
    path = saved()
    tensors, document = read_model(path)
    document["features"]["engine"] = engine
    write_model(path, tensors, document)
    with pytest.raises(ModelFileError, match="engine was"):
        transferkit.load(path)


@pytest.mark.slow
@pytest.mark.openvino
def test_a_warm_process_imports_neither(tmp_path):
    """Three processes, really: Keras and OpenVINO in the first, neither in the second."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    code = """
import sys, numpy as np
from transferkit import FeatureExtractor
pictures = [np.full((40, 40, 3), value, np.uint8) for value in (0, 90, 255)]
extractor = FeatureExtractor("scattering", image_size=32, progress=False)
extractor.transform(pictures)
print(extractor.describe()["engine"], *(name in sys.modules for name in ("keras", "tensorflow", "openvino")))
"""
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "TRANSFERKIT_CACHE": str(tmp_path / "cache"), "PYTHONPATH": root}
    found = []
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True
        )
        found.append(run.stdout.split() or run.stderr)
    assert found == [["openvino", "True", "True", "True"], ["openvino", "False", "False", "False"]]

"""A model file is the old or the new one, and whatever else is in it, it is refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import signal
import stat
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY
from transferkit import Classifier, KeypointRegressor
from transferkit.backbones import registry
from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.persistence._file import _digest, read_model, write_model

ARRAYS = {
    "weights": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "intercept": np.array([0.1, -7.0]),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3)),
}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 5)) + 2 * np.eye(3, 5)[np.arange(30) % 3], np.arange(30) % 3


@pytest.fixture(scope="module")
def fitted(rows):
    X, y = rows
    return Classifier("precomputed").fit(X, np.array(["cat", "dog", "äöü"])[y])


@pytest.fixture
def model(fitted, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    return path


def with_header(header, payload=b"", length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + payload


def parts(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


# Round trips


def test_arrays_and_document_come_back_bit_by_bit(tmp_path):
    path = tmp_path / "a.safetensors"
    strided = np.arange(20.0).reshape(4, 5).T[::2]
    document = {"text": "ä\u2028\U0001f600\x00", "list": [1, 2.5, None, True, {"x": []}], "large": 2**70}
    write_model(path, ARRAYS | {"strided": strided}, document)
    tensors, found = read_model(path)
    assert found == {"format": "transferkit", "schema": 2, **document}
    for name, array in (ARRAYS | {"strided": strided}).items():
        assert np.array_equal(tensors[name], array)
        assert tensors[name].dtype == array.dtype


@pytest.mark.parametrize(
    "labels",
    [
        ["b", "a", "c"],
        np.array(["a", "bb", "c"], dtype="<U9"),
        np.array([300, -4, 7], dtype=np.int16),
        np.array([0, 2**63, 5], dtype=np.uint64),
        [1.0, 2.0, -3.0],
    ],
    ids=lambda labels: str(np.asarray(labels).dtype),
)
def test_a_classifier_comes_back_with_the_same_bits(rows, labels, tmp_path):
    X, y = rows
    clf = Classifier("precomputed").fit(X, np.asarray(labels)[y])
    clf.save(tmp_path / "m")
    again = transferkit.load(tmp_path / "m")
    assert np.array_equal(again.decision_function(X), clf.decision_function(X))
    assert again.classes_.tolist() == clf.classes_.tolist()
    assert again.classes_.dtype.kind == clf.classes_.dtype.kind
    assert again.predict(X).tolist() == clf.predict(X).tolist()
    assert again.head_ == clf.head_
    assert again.n_features_in_ == 5
    again.save(tmp_path / "n")
    assert parts(tmp_path / "n") == parts(tmp_path / "m")


def test_two_classes_of_booleans_come_back(rows, tmp_path):
    X, y = rows
    clf = Classifier("precomputed").fit(X, y == 1)
    clf.save(tmp_path / "m")
    again = transferkit.load(tmp_path / "m")
    assert again.classes_.dtype == bool
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("k", [0, 1, 4, 5])
def test_a_regressor_comes_back_with_the_same_bits(rows, k, tmp_path):
    X, y = rows
    targets = y.astype(float) if k == 0 else y[:, None] * np.arange(1.0, k + 1)
    regressor = KeypointRegressor("precomputed").fit(X, targets)
    regressor.save(tmp_path / "m")
    assert np.array_equal(transferkit.load(tmp_path / "m").predict(X), regressor.predict(X))


def test_what_cannot_be_read_again_is_not_written(tmp_path):
    path = tmp_path / "model"
    write_model(path, ARRAYS, {"a": 1})
    before = path.read_bytes()
    for arrays, document in (
        ({"w": np.array([1.0, np.nan])}, {}),
        ({"w": np.array([np.inf])}, {}),
        (ARRAYS, {"a": float("nan")}),
        (ARRAYS, {"a": object()}),
        ({"w": np.array(["text"])}, {}),
    ):
        with pytest.raises((InvalidInputError, ValueError, TypeError, KeyError)):
            write_model(path, arrays, document)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model"]  # noqa: PTH208


# One step, the old or the new


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, step):
    path = tmp_path / "model"
    write_model(path, ARRAYS, {"a": 1})

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            write_model(path, ARRAYS, {"a": 2})
    monkeypatch.undo()
    assert read_model(path)[1]["a"] == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(OSError, match="model"):
        write_model(tmp_path / "model", ARRAYS, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_long_name_can_be_written(tmp_path):
    write_model(tmp_path / ("m" * 255), ARRAYS, {"a": 1})
    assert read_model(tmp_path / ("m" * 255))[1]["a"] == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_mode_is_that_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_model(tmp_path / "model", ARRAYS, {})
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o666 & ~umask


_WRITER = """
import sys, numpy as np
from transferkit.persistence._file import write_model
path = sys.argv[1]
print("ready", flush=True)
i = 0
while True:
    i += 1
    write_model(path, {"w": np.full(100_000, i, dtype=np.float32)}, {"i": i})
"""


def survive_kills(tmp_path, kills):
    path = tmp_path / "model"
    write_model(path, {"w": np.zeros(100_000, dtype=np.float32)}, {"i": 0})
    rng, seen = random.Random(0), set()
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        tensors, document = read_model(path)
        assert tensors["w"].shape == (100_000,)
        assert (tensors["w"] == document["i"]).all()
        seen.add(document["i"])
    return seen


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_kill_leaves_the_old_or_the_new_model(tmp_path):
    assert len(survive_kills(tmp_path, 10)) > 1


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_many_kills_leave_the_old_or_the_new_model(tmp_path):
    assert len(survive_kills(tmp_path, 200)) > 3


# Hostile files


class Bomb:
    def __reduce__(self):
        return os._exit, (99,)


def zip_bytes():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    return stream.getvalue()


def metadata(document, **more):
    text = document if isinstance(document, str) else json.dumps(document)
    return {
        "__metadata__": {"transferkit": text, "sha256": hashlib.sha256(text.encode()).hexdigest()},
        **more,
    }


PLAIN = {"format": "transferkit", "schema": 2}
TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
FILES = {
    "empty": b"",
    "seven_bytes": b"1234567",
    "zeros": bytes(100),
    "pickle": pickle.dumps(Bomb()),
    "zip": zip_bytes(),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "html": b"<!DOCTYPE html><html>not found</html>",
    "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0000\n",
    "huge_header": with_header({}, length=2**63),
    "all_ones": b"\xff" * 64,
    "header_beyond_the_end": with_header(metadata(PLAIN), length=10_000),
    "header_of_17_megabytes": with_header(b" " * (17 << 20)),
    "no_json": with_header(b"hello world"),
    "no_utf8": with_header(b'{"\xff\xfe": 1}'),
    "utf16": with_header('{"__metadata__": {}}'.encode("utf-16")),
    "list": with_header([1]),
    "number": with_header(b"12"),
    "no_metadata": with_header({"w": TENSOR}, bytes(8)),
    "metadata_is_text": with_header({"__metadata__": "transferkit"}),
    "metadata_is_null": with_header({"__metadata__": None}),
    "foreign": with_header({"__metadata__": {"format": "pt"}, "w": TENSOR}, bytes(8)),
    "document_is_a_number": with_header({"__metadata__": {"transferkit": 5}}),
    "document_is_null": with_header(metadata("null")),
    "document_is_a_list": with_header(metadata([PLAIN])),
    "document_is_text": with_header(metadata('"transferkit"')),
    "document_is_cut": with_header(metadata('{"format": "transferkit", "sch')),
    "other_format": with_header(metadata({"format": "keras", "schema": 1})),
    "no_format": with_header(metadata({"schema": 1})),
    "no_schema": with_header(metadata({"format": "transferkit"})),
    **{
        f"schema_{schema!r}": with_header(metadata({"format": "transferkit", "schema": schema}))
        for schema in (0, -1, 1, 3, 10**400, 1.0, "1", True, None, [1])
        if schema != 10**400
    },
    "schema_enormous": with_header(metadata('{"format": "transferkit", "schema": ' + "9" * 5000 + "}")),
    "key_twice": with_header(metadata('{"format": "x", "format": "transferkit", "schema": 1}')),
    "metadata_twice": with_header(b'{"__metadata__": {}, ' + json.dumps(metadata(PLAIN)).encode()[1:]),
    "nan": with_header(metadata('{"format": "transferkit", "schema": 1, "a": NaN}')),
    "infinity": with_header(metadata('{"format": "transferkit", "schema": 1, "a": -Infinity}')),
    "overflow": with_header(metadata('{"format": "transferkit", "schema": 1, "a": 1e999}')),
    "deep_header": with_header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "deep_document": with_header(metadata("[" * 100_000 + "]" * 100_000)),
    "deep_value": with_header(
        metadata('{"format": "transferkit", "schema": 1, "a": ' + "[" * 50_000 + "]" * 50_000 + "}")
    ),
    "no_digest": with_header({"__metadata__": {"transferkit": json.dumps(PLAIN)}}),
    "digest_is_null": with_header({"__metadata__": {"transferkit": json.dumps(PLAIN), "sha256": None}}),
    "empty_document": with_header(metadata(PLAIN)),
    **{
        f"tensor_{name}": with_header(metadata(PLAIN, w=TENSOR | change), bytes(8))
        for name, change in {
            "beyond_the_end": {"data_offsets": [0, 80]},
            "negative": {"data_offsets": [-8, 0]},
            "backwards": {"data_offsets": [8, 0]},
            "huge_shape": {"shape": [2**40, 2**40]},
            "other_shape": {"shape": [3]},
            "negative_shape": {"shape": [-2]},
            "other_dtype": {"dtype": "F128"},
            "half_offsets": {"data_offsets": [0]},
            "gap": {"data_offsets": [4, 12]},
            "no_number": {"data_offsets": ["0", "8"]},
        }.items()
    },
    "overlap": with_header(metadata(PLAIN, v=TENSOR, w=TENSOR), bytes(8)),
    "trailing_bytes": with_header(metadata(PLAIN, w=TENSOR), bytes(9)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_foreign_file_is_refused(name, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(FILES[name])
    with pytest.raises(ModelFileError) as caught:
        transferkit.load(path)
    assert caught.value.path == str(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 1000 + len(str(path))


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no model at"):
        transferkit.load(tmp_path / "none")
    with pytest.raises(ModelFileError):
        transferkit.load(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ModelFileError):
            transferkit.load(tmp_path / "pipe")


def test_the_message_says_what_to_do(tmp_path):
    write_model(tmp_path / "m", {}, {"schema": 7})
    with pytest.raises(ModelFileError, match=r"schema 7, this version reads up to 2\. Upgrade transferkit"):
        transferkit.load(tmp_path / "m")


def test_every_cut_of_a_file_is_refused(model):
    raw = model.read_bytes()
    for size in range(0, len(raw), max(1, len(raw) // 100)):
        model.write_bytes(raw[:size])
        with pytest.raises(ModelFileError):
            transferkit.load(model)


def test_a_flipped_bit_in_the_arrays_is_seen(model):
    """One bit of a weight makes no invalid file, only wrong answers."""
    raw = model.read_bytes()
    model.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="SHA-256"):
        transferkit.load(model)


# Documents that are JSON, whole, and not those of a model

DROP = object()
VALUES = [DROP, None, True, 0, -1, 1.5, 10**30, "", "text", "précomputed", [], ["a"], [[]], {}, {"a": 1}]


def places(document, prefix=()):
    """Every path to a value in a document."""
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from places(value, (*prefix, key))


def changed(document, place, value):
    again = json.loads(json.dumps(document))
    inner = again
    for key in place[:-1]:
        inner = inner[key]
    if value is DROP:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return again


def load_or_refuse(path, X):
    """Return whether a file was refused; a model that is loaded must be able to answer."""
    try:
        estimator = transferkit.load(path)
    except ModelFileError:
        return True
    assert np.isfinite(estimator.decision_function(X)).all()
    assert set(estimator.predict(X).tolist()) <= set(estimator.classes_.tolist())
    return False


# What may be anything of its type: none of it changes an answer of a loaded model.
FREE = {
    *(
        ("parameters", name)
        for name in (
            "weights",
            "image_size",
            "layers",
            "grid",
            "augment",
            "class_weight",
            "threshold",
            "calibrate",
        )
    ),
    *(("extractor", name) for name in ("resize", "precision", "on_error", "engine")),
    ("head", "penalty"),
    ("head_facts", "penalty"),
    ("task", "labels"),
    *(
        ("training", name)
        for name in ("n_groups", "n_unweighted", "weighted", "n_validation", "n_held_out", "left_out")
    ),
}


def test_every_value_of_a_document_is_checked(fitted, model, rows):
    tensors, document = read_model(model)
    n_loaded = 0
    for place in places(document):
        for value in VALUES:
            if place[0] == "versions" or (value is DROP and place in (("format",), ("schema",))):
                continue  # told to a reader only; written by write_model itself
            altered = changed(document, place, value)
            if json.dumps(altered) == json.dumps(document):
                continue
            write_model(model, tensors, altered)
            refused = load_or_refuse(model, rows[0])
            free = place in FREE or place[:2] in FREE
            assert refused or free, (place, value)
            n_loaded += not refused
    assert n_loaded > 10


@pytest.mark.parametrize(
    "place", [(), ("parameters",), ("head",), ("head_facts",), ("extractor",), ("task",)]
)
def test_unknown_keys_are_refused(model, place):
    tensors, document = read_model(model)
    write_model(model, tensors, changed(document, (*place, "surprise"), 1))
    with pytest.raises(ModelFileError):
        transferkit.load(model)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("task", "labels"), ["cat", "cat", "dog"]),
        (("task", "labels"), ["dog", "cat", "mouse"]),
        (("task", "labels"), ["cat", "dog"]),
        (("task", "labels"), ["cat", "dog", "fox", "yak"]),
        (("task", "labels"), ["cat", "dog", 3]),
        (("task", "dtype"), "O"),
        (("task", "dtype"), "int8"),
        (("task", "dtype"), "<U999999999"),
        (("task",), {"kind": "classes", "dtype": "int8", "labels": [1, 2, 300]}),
        (("task",), {"kind": "classes", "dtype": "bool", "labels": [0, 1, 2]}),
        (("task",), {"kind": "classes", "dtype": "str", "labels": "cat"}),
        (("task",), {"kind": "points", "n_points": 2, "flat": True}),
        (("records",), {}),
        (("refinements",), [{}]),
        (("estimator",), "KeypointRegressor"),
        (("estimator",), "__class__"),
        (("parameters", "backbone"), "vgg_61"),
        (("parameters", "backbone"), "mobilenet"),
        (("head", "name"), "mlp"),
        (("head", "penalty"), -1),
        (("n_features_in",), 2**60),
        (("views",), ["mirror"]),
        (("views",), ["original"] * 1000),
        (("features",), {}),
    ],
)  # fmt: skip
def test_documents_that_contradict_themselves_are_refused(model, place, value):
    tensors, document = read_model(model)
    write_model(model, tensors, changed(document, place, value))
    with pytest.raises(ModelFileError):
        transferkit.load(model)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weights", "/etc/passwd"), ("weights", "/dev/zero"), ("weights", "//server/share/a.weights.h5"),
        ("weights", "\\\\server\\share\\a.weights.h5"), ("weights", "http://server/a.weights.h5"),
        ("image_size", 30_000), ("image_size", 10**12),
    ],
)  # fmt: skip
def test_a_stranger_reaches_no_other_file_and_asks_for_no_huge_image(
    tiny, pictures, tmp_path, name, value, monkeypatch
):
    registry.add(TINY)
    clf = Classifier(**tiny).fit(*pictures)
    path = tmp_path / "model.safetensors"
    clf.save(path)
    tensors, document = read_model(path)
    write_model(path, tensors, changed(document, ("parameters", name), value))
    opened = []
    monkeypatch.setattr("transferkit.backbones.weights.digests_of", opened.append)
    with pytest.raises(ModelFileError, match="are no local file" if name == "weights" else "is above 2048"):
        transferkit.load(path)
    assert opened == []


@pytest.mark.parametrize(
    "change",
    [
        {"head.weights": None},
        {"head.intercept": None},
        {"head.more": np.zeros(2)},
        {"more": np.zeros(2)},
        {"weights": np.zeros((5, 3), dtype=np.float32)},
        {"head.weights": np.zeros((5, 2), dtype=np.float32)},
        {"head.weights": np.zeros(5, dtype=np.float32)},
        {"head.weights": np.zeros((5, 3), dtype=np.int32)},
        {"head.intercept": np.zeros(3, dtype=np.float32)},
        {"head.intercept": np.zeros((3, 1))},
    ],
    ids=lambda change: "_".join(f"{k}{np.shape(v)}" for k, v in change.items()),
)
def test_arrays_that_do_not_belong_together_are_refused(model, change):
    tensors, document = read_model(model)
    write_model(model, {k: v for k, v in (tensors | change).items() if v is not None}, document)
    with pytest.raises(ModelFileError):
        transferkit.load(model)


def test_arrays_that_are_not_finite_are_refused(model):
    header, payload = parts(model)
    start, _ = header["head.intercept"]["data_offsets"]
    payload = payload[:start] + struct.pack("<d", float("nan")) + payload[start + 8 :]
    dtypes = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
    tensors = {
        name: np.frombuffer(payload[slice(*row["data_offsets"])], dtypes[row["dtype"]])
        .reshape(row["shape"])
        for name, row in header.items()
        if name != "__metadata__"
    }  # fmt: skip
    header["__metadata__"]["sha256"] = _digest(header["__metadata__"]["transferkit"], tensors)
    model.write_bytes(with_header(header, payload))
    with pytest.raises(ModelFileError, match="not of finite numbers"):
        transferkit.load(model)


def test_a_key_that_stands_twice_is_refused(model):
    """Two readers of one file must not see two models."""
    header, payload = parts(model)
    text = header["__metadata__"]["transferkit"]
    text = text[:-1] + ', "task": ' + json.dumps(json.loads(text)["task"]) + "}"
    header["__metadata__"] = {"transferkit": text, "sha256": _digest(text, read_model(model)[0])}
    model.write_bytes(with_header(header, payload))
    with pytest.raises(ModelFileError, match="no model of transferkit"):
        transferkit.load(model)


def test_a_huge_network_is_refused_before_it_is_built(model):
    """A few bytes that ask for a network of terabytes."""
    _, document = read_model(model)
    document["head"] = {"name": "conv", "hidden": 10**9, "filters": 10**6}
    document["head_facts"] = {
        "shapes": [[1000, 1000, 1000]], "n_outputs": 3, "regression": False, "target_gain": 1.0, "seed": 0,
    }  # fmt: skip
    write_model(model, {"head.target_shift": np.zeros(1), "head.weight.0": np.zeros(3, "f4")}, document)
    with pytest.raises(ModelFileError):
        transferkit.load(model)


# Models of version 0

VERSION_0 = Path(__file__).parent / "data" / "version0"
ANSWERS = json.loads((VERSION_0 / "answers.json").read_text())


@pytest.mark.parametrize("name", ANSWERS)
def test_a_model_of_version_0_answers_as_it_did(name, tmp_path):
    """Files that version 0 wrote, with what it answered then."""
    probe = np.load(VERSION_0 / "probe.npz")
    X = probe["features"] if name.startswith("precomputed") else list(probe["images"])
    model = transferkit.load(VERSION_0 / f"{name}.safetensors", cache=False)
    for method, expected in ANSWERS[name].items():
        found = getattr(model, method)(X)
        if np.asarray(expected).dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        else:
            assert found.tolist() == expected
    model.save(tmp_path / "again")
    again = transferkit.load(tmp_path / "again", cache=False)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("name", ["precomputed_classifier", "precomputed_regressor"])
def test_every_value_of_a_document_of_version_0_is_checked(name, tmp_path, monkeypatch):
    tensors, document = read_model(VERSION_0 / f"{name}.safetensors")
    monkeypatch.setattr("transferkit.persistence._file.SCHEMA", 1)
    for place in places(document):
        for value in VALUES:
            altered = changed(document, place, value)
            write_model(tmp_path / "m", tensors, {"schema": 1, **altered})
            try:
                model = transferkit.load(tmp_path / "m")
            except ModelFileError:
                continue
            X = np.arange(4.0 * 5).reshape(5, 4)
            assert len(model.predict(X)) == 5


# Mutations


def mutate(raw, rng):
    """One to three changes of the kind that damage and malice make."""
    raw = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(min(len(raw), 1600) if rng.random() < 0.8 else len(raw)) if raw else 0
        kind = rng.randrange(7)
        if kind == 0 and raw:
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and raw:
            raw[at] = rng.randrange(256)
        elif kind == 2:
            del raw[at : at + rng.randint(1, 40)]
        elif kind == 3:
            raw[at:at] = rng.randbytes(rng.randint(1, 20))
        elif kind == 4:
            raw[at : at + 1] = rng.choice(
                [b"0", b"9", b"-", b"[", b"}", b'"', b",", b"null", b"1e9", b"\\u0000"]
            )
        elif kind == 5:
            del raw[at:]
        else:
            source = rng.randrange(len(raw)) if raw else 0
            raw[at:at] = raw[source : source + rng.randint(1, 60)]
    return bytes(raw)


def fuzz(model, X, expected, classes, count, seed):
    raw, rng, refused = model.read_bytes(), random.Random(seed), 0
    for _ in range(count):
        data = mutate(raw, rng)
        model.write_bytes(data)
        try:
            estimator = transferkit.load(model)
        except ModelFileError:
            refused += 1
            continue
        assert np.array_equal(estimator.decision_function(X), expected)
        assert estimator.classes_.tolist() == classes
    return refused


def test_mutations_are_refused_or_harmless(fitted, model, rows):
    X = rows[0]
    assert fuzz(model, X, fitted.decision_function(X), fitted.classes_.tolist(), 500, 0) > 400


@pytest.mark.full
def test_many_mutations_are_refused_or_harmless(fitted, model, rows):
    X = rows[0]
    assert fuzz(model, X, fitted.decision_function(X), fitted.classes_.tolist(), 20_000, 1) > 16_000


_AUDIT = """
import sys, random
sys.path.insert(0, {tests!r})
from pathlib import Path
import transferkit
from test_storage import FILES, ModelFileError, mutate
model = Path(sys.argv[1])
raw, rng = model.read_bytes(), random.Random(2)
transferkit.load(model)  # whatever is imported on the way is imported now
events = []
armed = False
def hook(event, args):
    if armed and event.partition(".")[0] in (
        "open", "exec", "compile", "import", "os", "subprocess", "socket", "pickle", "ctypes", "marshal",
    ):
        events.append((event, str(args[0]) if args else ""))
sys.addaudithook(hook)
loaded = 0
for data in [*FILES.values(), raw, *[mutate(raw, rng) for _ in range({count})]]:
    model.write_bytes(data)
    armed = True
    try:
        transferkit.load(model)
        loaded += 1
    except ModelFileError:
        pass
    armed = False
others = {{event for event in events if event != ("open", str(model))}}
print(loaded > 0, ("open", str(model)) in events, sorted(others))
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""


def test_nothing_is_run_and_no_other_file_is_opened(model):
    code = _AUDIT.format(tests=str(Path(__file__).parent), count=200)
    done = subprocess.run([sys.executable, "-c", code, str(model)], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["True True []", "[]"], done.stdout + done.stderr

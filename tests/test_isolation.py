"""Decoding in helper processes: the same pictures, and a decoder that crashes or hangs costs one file."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from tests.conftest import TINY, make_pictures
from transferkit import Classifier, FeatureExtractor, load
from transferkit.backbones import registry
from transferkit.errors import BadImageError, InvalidInputError, IsolationError
from transferkit.images import read_source
from transferkit.images._image import LIMITS
from transferkit.images.isolation import _helper, _pool

# What a helper runs in these tests: some names make its decoder misbehave.
MISBEHAVING = """
import os, sys, time
sys.path[0] = sys.argv[1]
from transferkit.images.isolation import _helper
decode = _helper.decode_bytes
def misbehave(data, name, *rest):
    if "crash" in name:
        print("double free or corruption", file=sys.stderr, flush=True)
        os.abort()
    if "exit" in name:
        os._exit(3)
    if "hang" in name:
        time.sleep(60)
    if "chatty" in name:
        os.write(1, b"a library prints to the standard output " * 99)
    if "liar" in name:
        return type("Liar", (), {"pixels": __import__("numpy").zeros((2, 2, 3), "u1"), "notes": [None] * 3})()
    return decode(data, name, *rest)
_helper.decode_bytes = misbehave
if not os.environ.get("BROKEN"):
    _helper.serve()
raise SystemExit("no module named numpy")
"""


@pytest.fixture
def helpers(monkeypatch):
    """Helpers that misbehave on request, and none of them left over."""
    _pool._stop_all()
    monkeypatch.setattr(_pool, "_CODE", MISBEHAVING)
    yield
    _pool._stop_all()


@pytest.fixture(scope="module")
def encoded():
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def decode(data, name="picture", seconds=30.0):
    return _pool.decode_apart(data, name, None, LIMITS, seconds)


def test_a_helper_accepts_truncated_images_where_this_process_does(encoded, helpers, monkeypatch):
    stream = io.BytesIO()
    Image.open(io.BytesIO(encoded)).convert("RGB").save(stream, "JPEG")
    cut = stream.getvalue()[:-300] + b"\xff\xd9"
    for allowed in (True, False, True):  # the helper is the same
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", allowed)
        if allowed:
            here, there = read_source(cut).decode(), read_source(cut).decode(isolate=30)
            np.testing.assert_array_equal(there.pixels, here.pixels)
        else:
            for isolate in (None, 30):
                with pytest.raises(BadImageError, match="stops before the last pixel"):
                    read_source(cut).decode(isolate=isolate)


def test_pixels_notes_and_errors_are_those_of_this_process(encoded, helpers):
    here, there = read_source(encoded).decode(), read_source(encoded).decode(isolate=30)
    np.testing.assert_array_equal(there.pixels, here.pixels)
    assert there.notes == here.notes == ("alpha composited on white",)
    assert not there.pixels.flags.writeable
    for data in (encoded[:200], b"<html>", encoded.replace(b"IDAT", b"IDAX")):
        with pytest.raises(BadImageError) as expected:
            read_source(data).decode()
        with pytest.raises(BadImageError) as found:
            read_source(data).decode(isolate=30)
        assert str(found.value) == str(expected.value)
        assert found.value.category == expected.value.category
    assert len(_pool._idle) == 1, "one helper did it all"


def test_a_value_range_goes_along(helpers):
    stream = io.BytesIO()
    Image.fromarray(np.linspace(0, 4095, 900).reshape(30, 30).astype(np.uint16)).save(stream, "PNG")
    source = read_source(stream.getvalue())
    here, there = source.decode((0, 4095)), source.decode((0, 4095), isolate=30)
    np.testing.assert_array_equal(there.pixels, here.pixels)


def test_a_crash_and_a_hang_cost_one_picture(encoded, helpers):
    with pytest.raises(BadImageError, match=r"crash: crashed the decoder: SIGABRT: double free") as caught:
        decode(encoded, "crash")
    assert caught.value.category == "crashed"
    with pytest.raises(BadImageError, match=r"crashed the decoder: exit code 3"):
        decode(encoded, "exit")
    with pytest.raises(BadImageError, match=r"was not decoded within 0.5 s.*isolate=120") as caught:
        decode(encoded, "hang", 0.5)
    assert caught.value.category == "timed_out"
    assert _pool._idle == []
    decode(encoded)
    assert len(_pool._idle) == 1


def test_what_a_library_prints_does_not_get_between_the_pixels(encoded, helpers):
    np.testing.assert_array_equal(decode(encoded, "chatty").pixels, read_source(encoded).decode().pixels)


def test_a_helper_that_died_while_waiting_is_replaced(encoded, helpers):
    decode(encoded)
    helper = _pool._idle[0]
    os.kill(helper._process.pid, signal.SIGKILL)
    helper._process.wait()
    decode(encoded, "innocent")
    assert _pool._idle[0] is not helper


@pytest.mark.parametrize(
    ("facts", "pixels"),
    [
        ({"shape": [10**9, 10**9, 3], "notes": []}, b""),
        ({"shape": [2, 2, 3], "notes": []}, bytes(11)),
        ({"shape": [2], "notes": []}, bytes(12)),
        ({"notes": []}, bytes(12)),
        ({"error": ["surprise", "a", "b"]}, b""),
        ({"error": 5}, b""),
        ([], b""),
    ],
)
def test_an_answer_that_is_none_is_a_crash(encoded, helpers, monkeypatch, facts, pixels):
    decode(encoded)
    helper = _pool._idle[0]
    stream = io.BytesIO()
    _helper.send(stream, facts, pixels)
    stream.seek(0)
    helper._from.close()
    helper._from = stream
    with pytest.raises(BadImageError) as caught:
        decode(encoded)
    assert caught.value.category == "crashed"


def test_a_message_that_is_too_large_is_not_read():
    stream = io.BytesIO(_helper._LENGTHS.pack(2, 1 << 50) + b"{}")
    with pytest.raises(ValueError, match="a message of"):
        _helper.receive(stream, 1 << 20)


def test_a_helper_that_cannot_be_started_is_named(encoded, helpers, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(IsolationError, match=r"none can be started: .*No such file.* Pass isolate=False"):
        read_source(encoded).decode(isolate=20)


def test_no_helper_at_all(encoded, helpers, monkeypatch):
    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(
        IsolationError, match=r"did not start: exit code 1: no module named numpy\. Pass isol"
    ):
        decode(encoded)


@pytest.mark.slow
def test_an_extraction_goes_on_after_crashes(tiny, tmp_path, helpers):
    paths, _ = make_pictures(tmp_path, 12)
    bad = [tmp_path / f"{name}.png" for name in ("crash", "hang")]
    for path in bad:
        path.write_bytes(paths[0].read_bytes() + path.name.encode())  # another content
    mixed = [*paths[:5], *bad, *paths[5:]]
    extractor = FeatureExtractor(**tiny, on_error="skip", isolate=2.0)
    features = extractor.extract(mixed)
    assert features.report.counts() == {"crashed": 1, "timed_out": 1}
    expected = FeatureExtractor(**tiny, cache=False).transform(paths)
    np.testing.assert_array_equal(features.flat(), expected)
    # The crash is remembered, also where nothing is isolated; that a machine was slow is not.
    again = FeatureExtractor(**tiny, on_error="skip").extract(mixed)
    assert again.report.counts() == {"crashed": 1}
    assert again.report.n_known_failures == 1


def test_threads_get_their_own_pictures(helpers):
    pictures = []
    for i in range(12):
        stream = io.BytesIO()
        Image.fromarray(np.full((20 + i, 30, 3), i, np.uint8)).save(stream, "PNG")
        pictures.append(stream.getvalue())
    wrong = []

    def work(i):
        pixels = decode(pictures[i]).pixels
        if pixels.shape != (20 + i, 30, 3) or (pixels != i).any():
            wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(0, 12, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("isolate", [0, -1, float("inf"), float("nan"), "yes", []])
def test_what_cannot_be_a_limit(tiny, isolate):
    with pytest.raises(InvalidInputError, match="isolate must be True, False, or the seconds"):
        FeatureExtractor(**tiny, isolate=isolate).fit()


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
def test_no_helper_outlives_its_process(encoded, tmp_path):
    (tmp_path / "picture").write_bytes(encoded)
    code = """
import os, sys
from transferkit.images import read_source
from transferkit.images.isolation import _pool
read_source(sys.argv[1]).decode(isolate=30)
print(_pool._idle[0]._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "picture"], capture_output=True, text=True, timeout=60
    )
    helper = Path(f"/proc/{done.stdout.strip()}/stat")
    for _ in range(100):
        if not helper.exists() or helper.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        threading.Event().wait(0.05)
    pytest.fail("the helper still runs")


def test_a_loaded_model_can_be_kept_from_strangers(tiny, pictures, tmp_path, helpers, monkeypatch):
    """The service that gets pictures from anybody loads its model, and does not fit it."""
    registry.add(TINY)
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    clf.save(tmp_path / "model")
    loaded = load(tmp_path / "model", isolate=20, cache=False)
    np.testing.assert_array_equal(loaded.predict_proba(paths[:4]), clf.predict_proba(paths[:4]))
    (tmp_path / "crash.png").write_bytes(paths[0].read_bytes() + b"!")
    with pytest.raises(BadImageError, match="crashed the decoder"):
        loaded.predict(tmp_path / "crash.png")
    with pytest.raises(InvalidInputError, match="isolate must be"):
        load(tmp_path / "model", isolate="please")


def test_settings_are_of_this_machine(tiny, tmp_path, monkeypatch, caplog):
    """Neither parameter goes into a saved model."""
    from transferkit.persistence._file import read_model

    caplog.set_level(logging.WARNING)
    X = np.random.default_rng(0).normal(size=(20, 3))
    Classifier("precomputed", extractor=FeatureExtractor(isolate=5.0, retry_failed=True)).fit(
        X, X[:, 0] > 0
    ).save(tmp_path / "m")
    assert not {"isolate", "retry_failed"} & set(read_model(tmp_path / "m")[1]["parameters"])

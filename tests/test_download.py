"""Weights arrive whole and right, or not at all: failures, kills, and two processes at once."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from transferkit.backbones import Backbone, _download, download_weights, registry, resolve_weights
from transferkit.cli import main
from transferkit.errors import InvalidInputError, WeightsError

NAME = "fake_notop.h5"
CONTENT = bytes(range(256)) * 400
# Downloads as Keras does: straight to the final path, block by block.
KERAS = """
import os, sys, time
from pathlib import Path

def build(include_top, weights, input_shape):
    assert (include_top, weights, input_shape) == (False, "imagenet", (32, 32, 3))
    models = Path(os.environ["KERAS_HOME"]) / "models"
    models.mkdir(parents=True, exist_ok=True)
    print("Downloading data")
    mode = Path(__file__).with_name("mode").read_text()
    if mode == "offline":
        raise Exception("URL fetch failure on https://example.org: None -- no name resolution")
    if mode == "elsewhere":
        return
    with (models / "fake_notop.h5").open("wb") as stream:
        for i in range(100):
            stream.write((bytes(range(256)) * 400)[1024 * i : 1024 * (i + 1)])
            stream.flush()
            time.sleep(0.01 if mode == "slow" else 0)
            if mode == "cut" and i == 50:
                return
            if mode == "dies" and i == 50:
                os._exit(9)
"""
ROW = Backbone("fake", "fakekeras:build", "fakekeras:build", 32, 32, weights_file=NAME)
CHECKED = dataclasses.replace(ROW, weights_hash=hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def mode(tmp_path, monkeypatch):
    """What the download does, written into a file that the fake Keras reads."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "fakekeras.py").write_text(KERAS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return folder / "mode"


@pytest.fixture
def models(tmp_path):
    return tmp_path / "keras" / "models"


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def test_weights_arrive_and_nothing_else_stays(mode, models, capfd):
    mode.write_text("fine")
    weights = resolve_weights(CHECKED, "imagenet")
    assert (weights.path, weights.digest) == (models / NAME, CHECKED.weights_hash)
    assert listing(models) == [NAME, f"{NAME}.sha256"]
    assert capfd.readouterr() == ("", "Downloading data\n"), "what Keras reports is no result"


@pytest.mark.parametrize(
    ("what", "cause"),
    [("offline", "URL fetch failure"), ("dies", "exit code 9"), ("elsewhere", "exit code 0")],
)
def test_what_fails_leaves_nothing(mode, models, what, cause):
    mode.write_text(what)
    with pytest.raises(WeightsError, match="could not be downloaded") as caught:
        resolve_weights(ROW, "imagenet")
    assert cause in str(caught.value.__cause__)
    assert listing(models) == []
    mode.write_text("fine")
    assert resolve_weights(ROW, "imagenet").digest == CHECKED.weights_hash


def test_other_contents_are_refused_and_not_kept(mode, models):
    mode.write_text("cut")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(CHECKED, "imagenet")
    assert f"expected digest {CHECKED.weights_hash}, got " in str(caught.value)
    assert listing(models) == []


CODE = """
import sys
from tests.test_download import ROW, resolve_weights
print(resolve_weights(ROW, "imagenet").digest)
"""


def start(tmp_path):
    path = os.pathsep.join([str(tmp_path / "modules"), str(Path(__file__).parents[1])])
    return subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_kill_leaves_no_half_file_and_two_processes_get_a_whole_one(mode, models, tmp_path):
    mode.write_text("slow")
    process = start(tmp_path)
    for _ in range(600):
        if any(path.stat().st_size > 9_000 for path in models.glob(f"*/models/{NAME}")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (models / NAME).exists()
    both = [start(tmp_path) for _ in range(2)]
    assert [one.communicate(timeout=60)[0].strip() for one in both] == [CHECKED.weights_hash] * 2
    assert (models / NAME).read_bytes() == CONTENT
    # What the killed process left behind goes a day later.
    (left,) = models.glob(f"{_download._PREFIX}*")
    _download._clean(models)
    assert left.exists()
    os.utime(left, (1, 1))
    _download._clean(models)
    assert listing(models) == [NAME, f"{NAME}.sha256"]


@pytest.mark.parametrize("damage", ["flipped", "cut", "replaced"])
def test_what_is_damaged_later_is_noticed_where_keras_states_no_digest(mode, models, damage):
    mode.write_text("fine")
    path = resolve_weights(ROW, "imagenet").path
    changed = bytearray(CONTENT)
    changed[70_000] ^= 4
    content = {"flipped": bytes(changed), "cut": CONTENT[:-1], "replaced": b"other"}[damage]
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        resolve_weights(ROW, "imagenet")
    assert f"damaged or not the one described by {path}.sha256" in str(caught.value)
    assert f"expected digest {CHECKED.weights_hash}, got {hashlib.sha256(content).hexdigest()}" in str(
        caught.value
    )


def test_a_note_of_ones_own_counts_and_an_empty_one_does_not(tmp_path):
    path = tmp_path / "mine.weights.h5"
    path.write_bytes(CONTENT)
    note = tmp_path / "mine.weights.h5.sha256"
    note.write_text(f"{CHECKED.weights_hash.upper()} *mine.weights.h5\n")
    assert resolve_weights(ROW, path).digest == CHECKED.weights_hash
    note.write_text("")
    assert resolve_weights(ROW, path).digest == CHECKED.weights_hash
    note.write_text("0" * 64)
    with pytest.raises(WeightsError, match=f"expected digest {'0' * 64}"):
        resolve_weights(ROW, path)


# Into a folder, for another machine


def test_weights_for_a_machine_without_a_network(mode, tmp_path, monkeypatch, capsys):
    mode.write_text("fine")
    registry.add(CHECKED)
    there = tmp_path / "there"
    assert main(["download", "fake", "scattering", "--to", str(there)]) == 0
    assert listing(there) == [NAME, f"{NAME}.sha256"]
    out = capsys.readouterr().out
    assert f"SHA-256 {CHECKED.weights_hash}" in out
    assert "scattering: needs no weights" in out
    mode.write_text("offline")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(there))
    assert resolve_weights(CHECKED, "imagenet").path == there / NAME
    (there / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="is damaged"):
        resolve_weights(dataclasses.replace(CHECKED, weights_hash=None), "imagenet")


def test_weights_under_the_name_of_the_backbone_keep_it(tmp_path, monkeypatch):
    registry.add(ROW)
    (tmp_path / "fake.weights.h5").write_bytes(b"mine")
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(tmp_path))
    path, _ = download_weights("fake", tmp_path / "there")
    assert path.name == "fake.weights.h5"
    assert download_weights("fake", tmp_path)[0] == tmp_path / "fake.weights.h5", "it is there already"


def test_nothing_is_downloaded_before_all_names_are_known(mode, tmp_path, capsys):
    mode.write_text("fine")
    registry.add(ROW)
    assert main(["download", "fake", "fakes", "--to", str(tmp_path / "there")]) == 2
    assert "Did you mean 'fake'" in capsys.readouterr().err
    assert not (tmp_path / "there").exists()


def test_weights_that_are_no_file_cannot_be_taken_along(tmp_path):
    registry.add(dataclasses.replace(ROW, weights_file=None))
    with pytest.raises(InvalidInputError, match="must have weights in a file"):
        download_weights("fake", tmp_path)

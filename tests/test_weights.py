"""Where weights are looked for, what stands for them in a cache key, and what a missing file says."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from transferkit.backbones import Backbone, get_backbone, resolve_weights
from transferkit.errors import InvalidInputError, WeightsError

KERAS_NAME = "fake_notop.h5"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that TRANSFERKIT_WEIGHTS names."""
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


@pytest.fixture
def keras_models(tmp_path, monkeypatch):
    """Keras's own folder."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "keras" / "models").mkdir(parents=True)
    return tmp_path / "keras" / "models"


def no_network(include_top, weights, input_shape):
    """Fail as keras.utils.get_file does."""
    raise Exception(f"URL fetch failure on https://example.org/{KERAS_NAME}: None -- no name resolution")


def fake(constructor=no_network, **details):
    return Backbone("fake", constructor, constructor, 32, weights_file=KERAS_NAME, **details)


def put(path, content):
    path.write_bytes(content)
    return path


def test_the_look_up_goes_from_our_name_to_kerass_name_to_kerass_folder(folder, keras_models):
    row = fake()
    chain = [folder / "fake.weights.h5", folder / KERAS_NAME, keras_models / KERAS_NAME]
    for i, path in reversed(list(enumerate(chain))):
        put(path, bytes([i]))
        weights = resolve_weights(row, "imagenet")
        assert (weights.kind, weights.path, weights.digest) == ("imagenet", path, sha256(path))


def test_a_folder_that_takes_the_place_of_a_file_is_passed_over(folder, keras_models):
    (folder / "fake.weights.h5").mkdir()
    put(folder / KERAS_NAME, b"1")
    assert resolve_weights(fake(), "imagenet").path == folder / KERAS_NAME


def test_home_folders_are_understood(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", "~/weights")
    (tmp_path / "weights").mkdir()
    path = put(tmp_path / "weights" / KERAS_NAME, b"1")
    assert resolve_weights(fake(), "imagenet").path == path
    assert resolve_weights(fake(), f"~/weights/{KERAS_NAME}").path == path


def test_kerass_folder_is_in_the_home_folder_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".keras" / "models").mkdir(parents=True)
    path = put(tmp_path / ".keras" / "models" / KERAS_NAME, b"1")
    assert resolve_weights(fake(), "imagenet").path == path


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_by_its_path(tmp_path, kind):
    path = put(tmp_path / "mine.weights.h5", b"mine")
    weights = resolve_weights(fake(), kind(path))
    assert (weights.kind, weights.path, weights.digest) == ("file", path, sha256(path))


def test_a_file_under_kerass_name_keeps_the_meaning_imagenet(tmp_path):
    path = put(tmp_path / KERAS_NAME, b"1")
    assert resolve_weights(fake(), path).kind == "imagenet"


def test_a_file_that_is_missing_names_its_neighbours(tmp_path):
    put(tmp_path / "b.weights.h5", b"")
    put(tmp_path / "a.h5", b"")
    put(tmp_path / "c.txt", b"")
    path = tmp_path / "no.weights.h5"
    with pytest.raises(WeightsError) as caught:
        resolve_weights(fake(), path)
    assert str(caught.value) == (
        "weights must be a file that exists, made with model.save_weights('….weights.h5'). "
        f"Got {str(path)!r}. Its folder has a.h5, b.weights.h5."
    )
    assert (caught.value.name, caught.value.path) == ("fake", str(path))
    assert isinstance(caught.value, OSError)


@pytest.mark.parametrize(
    ("name", "tail"),
    [("empty/x.h5", r"Its folder has no \.h5 file\.$"), ("nowhere/x.h5", r"x\.h5'\.$"), ("empty", "")],
)
def test_a_file_that_is_missing_among_none(tmp_path, name, tail):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=f"Got '.*{tail}"):
        resolve_weights(fake(), tmp_path / name)


def test_none_is_seeded_and_needs_no_file(folder):
    weights = resolve_weights(fake(), None)
    assert (weights.kind, weights.path, weights.digest) == ("random", None, "random:0")


@pytest.mark.parametrize("asked", [None, "imagenet"])
def test_fixed_filters_need_no_weights(asked):
    weights = resolve_weights(get_backbone("scattering"), asked)
    assert (weights.kind, weights.path, weights.digest) == ("fixed", None, "fixed")


def test_fixed_filters_refuse_weights(tmp_path):
    with pytest.raises(InvalidInputError) as caught:
        resolve_weights(get_backbone("scattering"), "some.weights.h5")
    assert str(caught.value) == (
        "Backbone 'scattering' has fixed filters and loads no weights. "
        "Got weights='some.weights.h5'. Leave weights out."
    )


@pytest.mark.parametrize("weights", [3, True, b"imagenet", ["imagenet"]])
def test_weights_of_another_type_are_refused(weights):
    with pytest.raises(InvalidInputError) as caught:
        resolve_weights(fake(), weights)
    assert str(caught.value) == (
        'weights must be "imagenet", the path of a weights file, or None for seeded random weights. '
        f"Got {weights!r}."
    )


def test_a_row_without_a_file_leaves_imagenet_to_its_constructor():
    weights = resolve_weights(dataclasses.replace(fake(), weights_file=None), "imagenet")
    assert (weights.kind, weights.path) == ("constructor", None)


def test_the_digest_follows_every_byte(tmp_path):
    path = put(tmp_path / "mine.weights.h5", bytes(3 << 20))
    seen = {resolve_weights(fake(), path).digest}
    for position in (0, (1 << 20) + 5, (3 << 20) - 1):
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        put(path, bytes(content))
        seen.add(resolve_weights(fake(), path).digest)
        assert sha256(path) in seen
    assert len(seen) == 4


def test_the_digest_follows_a_file_put_in_place_with_the_same_size_and_time(tmp_path):
    path = put(tmp_path / "mine.weights.h5", b"old")
    os.utime(path, ns=(10**18, 10**18))
    before = resolve_weights(fake(), path).digest
    other = put(tmp_path / "other", b"new")
    os.utime(other, ns=(10**18, 10**18))
    other.replace(path)
    assert resolve_weights(fake(), path).digest == sha256(path) != before


def test_a_file_that_stands_still_is_hashed_once(tmp_path, monkeypatch):
    path = put(tmp_path / "mine.weights.h5", b"old")
    first = resolve_weights(fake(), path)
    monkeypatch.setattr(hashlib, "sha256", None)
    assert resolve_weights(fake(), path) == first


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_damage_under_kerass_name_is_refused(folder, keras_models, algorithm):
    good = b"what Keras published"
    row = fake(weights_hash=hashlib.new(algorithm, good).hexdigest())
    for path in (folder / KERAS_NAME, keras_models / KERAS_NAME):
        put(path, good)
        assert resolve_weights(row, "imagenet").digest == hashlib.sha256(good).hexdigest()
        put(path, good[:-1])
        with pytest.raises(WeightsError) as caught:
            resolve_weights(row, "imagenet")
        assert str(caught.value) == (
            f"{path} is damaged or not the file that Keras published: expected digest {row.weights_hash}, "
            f"got {hashlib.new(algorithm, good[:-1]).hexdigest()}. Delete it and download it again."
        )
        assert (caught.value.name, caught.value.path) == ("fake", str(path))
        with pytest.raises(WeightsError, match="damaged"):
            resolve_weights(row, path)
        path.unlink()


def test_files_under_other_names_are_not_held_to_kerass_digest(folder):
    row = fake(weights_hash="0" * 32)
    path = put(folder / "fake.weights.h5", b"converted")
    assert resolve_weights(row, "imagenet").path == path
    assert resolve_weights(row, path).kind == "file"


@pytest.mark.parametrize("variable", [True, False])
def test_without_a_network_the_message_says_what_to_put_where(keras_models, tmp_path, monkeypatch, variable):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(tmp_path / "mine") if variable else "")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(fake(), "imagenet")
    message = str(caught.value)
    target = keras_models / KERAS_NAME
    folder = (
        f"the folder {tmp_path / 'mine'} (TRANSFERKIT_WEIGHTS, which does not exist)"
        if variable
        else "a folder named by"
    )
    assert f"Put the file {KERAS_NAME}, or fake.weights.h5 from model.save_weights, into {folder}" in message
    assert f"or at {target}" in message
    assert "backbone='scattering' needs no weights at all" in message
    assert (caught.value.name, caught.value.path) == ("fake", str(target))
    assert "URL fetch failure" in str(caught.value.__cause__)
    assert list(keras_models.iterdir()) == []


def test_a_broken_download_leaves_nothing_behind(keras_models):
    target = keras_models / KERAS_NAME

    def break_off(include_top, weights, input_shape):
        put(target, b"half")
        raise ValueError("Incomplete or corrupted file detected.")

    for _ in range(2):
        with pytest.raises(WeightsError, match="could not be downloaded"):
            resolve_weights(fake(break_off), "imagenet")
        assert not target.exists()


def test_a_download_asks_kerass_constructor_once(keras_models):
    asked = []

    def download(include_top, weights, input_shape):
        asked.append((include_top, weights, input_shape))
        put(keras_models / KERAS_NAME, b"published")

    row = fake(download, image_size=299, weights_hash=hashlib.md5(b"published").hexdigest())
    weights = resolve_weights(row, "imagenet")
    assert weights == resolve_weights(row, "imagenet")
    assert (weights.kind, weights.path) == ("imagenet", keras_models / KERAS_NAME)
    assert asked == [(False, "imagenet", (299, 299, 3))]


def test_a_download_with_other_contents_is_refused(keras_models):
    def download(include_top, weights, input_shape):
        put(keras_models / KERAS_NAME, b"a log-in page")

    with pytest.raises(WeightsError, match="damaged or not the file"):
        resolve_weights(fake(download, weights_hash="0" * 64), "imagenet")


def test_a_constructor_that_downloads_elsewhere_is_found_out(keras_models):
    with pytest.raises(WeightsError, match="could not be downloaded"):
        resolve_weights(fake(lambda **_: None), "imagenet")


def test_resolving_a_file_loads_no_keras(tmp_path):
    put(tmp_path / "vgg16.weights.h5", b"1")
    code = """
import sys
from transferkit.backbones import get_backbone, resolve_weights
assert resolve_weights(get_backbone("vgg16"), "imagenet").kind == "imagenet"
assert resolve_weights(get_backbone("vgg16"), None).kind == "random"
sys.exit("keras" in sys.modules)
"""
    environment = {**os.environ, "TRANSFERKIT_WEIGHTS": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_random_weights_are_those_of_a_backend(tmp_path, monkeypatch):
    """Each draws others from the same seed, so features must not be found under one name."""
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    row = get_backbone("vgg16")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert resolve_weights(row, None).digest == "random:0"
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert resolve_weights(row, None).digest == "random:0:jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert resolve_weights(row, None).digest == "random:0:torch"
    (tmp_path / "keras.json").write_text("[]")
    monkeypatch.delenv("KERAS_BACKEND")
    assert resolve_weights(row, None).digest == "random:0"

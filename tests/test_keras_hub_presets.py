"""Folders of presets: where they are found, what counts of them, and what is said of damage."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from tests.tiny_presets import CONFIGS, OFFSET, SCALE, SIDE, row, save
from transferkit.backbones import build_network, check_backbone, get_backbone, resolve_weights
from transferkit.errors import InvalidInputError, MissingDependencyError, WeightsError

pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra hub)")
PIXELS = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    base = tmp_path_factory.mktemp("originals")
    for family in ("vit", "siglip"):
        save(family, base / f"{family}_preset")
    return base


@pytest.fixture
def folder(originals, tmp_path):
    """A copy of the preset of a ViT."""
    return shutil.copytree(originals / "vit_preset", tmp_path / "weights" / "vit_preset")


def change(path, **values):
    document = json.loads(path.read_text())
    document["config"].update(values)
    path.write_text(json.dumps(document))


def build(backbone, folder):
    return build_network(backbone, resolve_weights(backbone, folder), SIDE)


def test_it_is_looked_up_under_both_names(folder, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(folder.parent))
    found = resolve_weights(row("vit"), "imagenet")
    assert (found.kind, found.path, len(found.digest)) == ("file", folder, 64)
    mine = shutil.copytree(folder, folder.parent / "tiny_vit")
    assert resolve_weights(row("vit"), "imagenet").path == mine
    assert resolve_weights(row("vit"), mine) == resolve_weights(row("vit"), "imagenet")


def test_the_digest_is_of_what_can_change_a_feature(folder, tmp_path):
    def digest(where=folder):
        return resolve_weights(row("vit"), where).digest

    first = digest()
    (folder / "metadata.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    assert digest() == first == digest(shutil.copytree(folder, tmp_path / "elsewhere"))
    seen = {first}
    for name in ("config.json", "model.weights.h5", "image_converter.json"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(before + b" ")
        seen.add(digest())
        (folder / name).write_bytes(before)
    assert len(seen) == 4
    assert digest() == first


def test_files_that_change_between_digest_and_reading_are_refused(folder):
    backbone = row("vit")
    weights = resolve_weights(backbone, folder)
    change(folder / "image_converter.json", scale=0.5)
    with pytest.raises(WeightsError, match="was replaced while it was in use: its SHA-256 was") as caught:
        build_network(backbone, weights, SIDE)
    assert (caught.value.name, caught.value.path) == ("tiny_vit", str(folder))


@pytest.mark.slow
def test_pixels_are_scaled_as_the_preset_says(folder):
    def pixels():
        return build(row("vit"), folder).tap(("pixels",))(PIXELS)[0]

    np.testing.assert_allclose(pixels(), PIXELS * SCALE + np.array(OFFSET), atol=1e-6)
    converter = folder / "image_converter.json"
    change(converter, scale=1 / 255, offset=None)
    np.testing.assert_allclose(pixels(), PIXELS / 255, rtol=1e-5)
    # As presets of earlier versions say it.
    change(converter, scale=1 / 255, mean=[0.4, 0.5, 0.6], variance=[0.04, 0.09, 0.16], height=32, width=32)
    expected = (PIXELS / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    np.testing.assert_allclose(pixels(), expected, rtol=1e-4, atol=1e-5)
    inner = json.loads(converter.read_text())
    converter.unlink()
    (folder / "preprocessor.json").write_text(json.dumps({"config": {"image_converter": inner}}))
    np.testing.assert_allclose(pixels(), expected, rtol=1e-4, atol=1e-5)
    (folder / "preprocessor.json").unlink()
    np.testing.assert_allclose(pixels(), PIXELS / 127.5 - 1, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_weights_in_several_files(folder):
    from keras_hub.models import Backbone

    network = Backbone.from_preset(str(folder))
    expected = build(row("vit"), folder).tap(("last",))(PIXELS)[0]
    (folder / "model.weights.h5").unlink()
    network.save_weights(folder / "model.weights.json", max_shard_size=2e-5)
    shards = sorted(folder.glob("model_*.weights.h5"))
    assert len(shards) > 1
    np.testing.assert_array_equal(build(row("vit"), folder).tap(("last",))(PIXELS)[0], expected)
    before = resolve_weights(row("vit"), folder).digest
    shards[-1].write_bytes(shards[-1].read_bytes() + b" ")
    assert resolve_weights(row("vit"), folder).digest != before
    shards[-1].unlink()
    with pytest.raises(WeightsError, match=f"lacks {shards[-1].name}"):
        resolve_weights(row("vit"), folder)


@pytest.mark.slow
def test_any_precision_is_read_as_float32(folder):
    import keras

    expected = build(row("vit"), folder).tap(("last",))(PIXELS)[0]
    change(folder / "config.json", dtype="bfloat16")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        found = build(row("vit"), folder)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(found.tap(("last",))(PIXELS)[0], expected)


@pytest.mark.slow
def test_of_two_encoders_only_that_of_images_is_built(originals, tmp_path):
    from keras_hub.models import Backbone

    folder = shutil.copytree(originals / "siglip_preset", tmp_path / "siglip_preset")
    whole = Backbone.from_preset(str(folder))
    document = json.loads((folder / "config.json").read_text())
    document["config"]["text_encoder"]["config"]["vocabulary_size"] = 10**12  # none has room for that
    (folder / "config.json").write_text(json.dumps(document))
    network = build(row("siglip"), folder)
    assert network.n_parameters == whole.vision_encoder.count_params() < whole.count_params()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "lacks config.json, and has image_converter.json, "),
        (lambda f: (f / "model.weights.h5").unlink(), "lacks model.weights.h5, and has config.json"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "holds no JSON object"),
        (lambda f: (f / "model.weights.h5").write_bytes(b"?" * 999), "cannot be loaded as a preset of ViT"),
        (lambda f: change(f / "config.json", num_layers=3), "cannot be loaded as a preset of ViTBackbone"),
        (lambda f: change(f / "config.json", num_heads="two"), "cannot be loaded as a preset"),
        (lambda f: change(f / "image_converter.json", colour=3), "has an image converter that cannot be"),
    ],
)
def test_damage_is_named(folder, damage, message):
    damage(folder)
    with pytest.raises(WeightsError, match=message) as caught:
        build(row("vit"), folder)
    assert caught.value.name == "tiny_vit"
    assert str(folder) in caught.value.path


def test_no_folder_and_a_file_are_no_presets(folder, tmp_path):
    for path in (tmp_path / "nowhere", folder / "config.json"):
        with pytest.raises(WeightsError, match="weights must be the folder of a KerasHub preset"):
            resolve_weights(row("vit"), path)


def test_a_preset_of_another_network_is_refused(originals):
    message = "must hold a preset of DeiTBackbone for backbone 'tiny_deit'.*names 'ViTBackbone'"
    with pytest.raises(WeightsError, match=message):
        build(row("deit"), originals / "vit_preset")


def test_a_preset_names_no_class_to_import(folder):
    document = json.loads((folder / "config.json").read_text())
    document |= {"module": "os", "registered_name": "system"}
    (folder / "config.json").write_text(json.dumps(document))
    build(row("vit"), folder)  # what it says of modules is not read


@pytest.mark.slow
def test_random_weights_are_the_same_every_time():
    import random

    backbone = row("vit", config=tuple(CONFIGS["vit"].items()))
    maps = []
    for seed in (1, 2):
        random.seed(seed)
        state = random.getstate()
        maps.append(build(backbone, None).tap(("last",))(PIXELS)[0])
        assert random.getstate() == state
    np.testing.assert_array_equal(*maps)
    check_backbone(backbone)


def test_random_weights_need_an_architecture():
    with pytest.raises(
        WeightsError, match="the architecture of 'tiny_vit' stands in its preset 'vit_preset'"
    ):
        resolve_weights(row("vit"), None)


class Client:
    """What downloads presets, without a network."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def model_download(self, handle):
        self.asked.append(handle)
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


def test_a_preset_is_downloaded_in_its_version(folder, monkeypatch):
    client = Client(folder)
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(folder.parent / "empty"))
    assert resolve_weights(row("vit"), "imagenet").path == folder
    assert client.asked == ["somebody/model/keras/vit_preset/1"]


def test_what_cannot_be_downloaded_says_where_to_put_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", Client(OSError("403 Client Error\nmore")))
    with pytest.raises(WeightsError, match="could not be downloaded: 403 Client Error. Or put the") as caught:
        resolve_weights(get_backbone("dinov2_small"), "imagenet")
    assert "'dinov2_small' (config.json, model.weights.h5, ..., from" in str(caught.value)
    assert "folder named by TRANSFERKIT_WEIGHTS" in str(caught.value)
    with pytest.raises(WeightsError) as caught:
        resolve_weights(get_backbone("dinov3_small"), "imagenet")
    page = "https://www.kaggle.com/models/keras/dinov3"
    assert f"under the DINOv3 License: log in and accept it at {page} first." in str(caught.value)


@pytest.mark.parametrize(("package", "weights"), [("kagglehub", "imagenet"), ("keras_hub", None)])
def test_a_missing_package_is_named(package, weights, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    backbone = get_backbone("dinov2_small")
    message = r"^backbone 'dinov2_small' needs keras-hub.*pip install \"transferkit\[hub\]\"$"
    with pytest.raises(MissingDependencyError, match=message):
        build_network(backbone, resolve_weights(backbone, weights), 56)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("dinov2_small", 225, "must be a multiple of 14 .*Got 225. Pass image_size=224 or 238."),
        ("dinov2_small", 13, "must be a multiple of 14 .*Pass image_size=14."),
        ("dinov2_small", 42, "must be at least 56 for"),
        ("clip_b32", 256, "must be 224 for backbone 'clip_b32', which has learned positions"),
        ("swin_tiny", 240, "must be a multiple of 32"),
    ],
)
def test_sizes_that_cannot_be_seen(name, size, message):
    from transferkit import Classifier

    with pytest.raises(InvalidInputError, match=message):
        get_backbone(name).check_image_size(size)
    with pytest.raises(InvalidInputError, match=message):
        Classifier(name, weights=None, image_size=size).fit([], [])

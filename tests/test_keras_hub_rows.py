"""The rows of KerasHub's networks, and estimators on them."""

from __future__ import annotations

import copy
import pickle
import shutil

import numpy as np
import pytest

from tests.tiny_presets import OFFSET, SCALE, SIDE, row, save
from transferkit import (
    Classifier,
    FeatureExtractor,
    KeypointRegressor,
    list_backbones,
    list_layers,
    load,
    register_backbone,
)
from transferkit.backbones import build_network, is_declared, is_shipped, resolve_weights
from transferkit.backbones.keras_hub import BACKBONES
from transferkit.datasets import make_faces
from transferkit.errors import WeightsError

keras_hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra hub)")
# Rows above this size are built by hand only: their random weights would fill the memory of a test machine.
MOST_PARAMETERS = 120_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the preset of a tiny DINOv2, and of a tiny SigLIP."""
    base = tmp_path_factory.mktemp("presets")
    for family in ("dinov2", "siglip"):
        save(family, base / f"{family}_preset")
    return base


def preset_of(source):
    """What KerasHub says of a preset."""
    classes = [getattr(keras_hub.models, name) for name in dir(keras_hub.models) if name.endswith("Backbone")]
    found = [kind.presets[source.preset] for kind in classes if source.preset in kind.presets]
    assert found, f"KerasHub has no preset {source.preset!r}"
    return found[0]


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda backbone: backbone.name)
def test_kerashub_has_the_preset_in_this_version(backbone):
    source = backbone.constructor
    assert preset_of(source)["kaggle_handle"] == f"kaggle://{source.handle}"
    assert backbone.layers[-1] == "last"
    assert is_shipped(backbone)
    assert is_declared(backbone)
    for other in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        assert other == backbone
        assert hash(other) == hash(backbone)
        assert is_shipped(other)


def test_names_and_identity(folder, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(folder))
    described = [
        FeatureExtractor(row("siglip", config=(("patch_size", side),)), weights=weights)
        .fit()
        .describe()["backbone"]
        for side, weights in ((8, "imagenet"), (8, None), (16, None))
    ]
    assert described[0]["preset"] == "siglip_preset"
    assert len({str(each) for each in described}) == 3
    sizes = ("base", "large", "small")
    assert list_backbones("dinov3*") == [f"dinov3_{size}" for size in sizes]


@pytest.mark.slow
def test_a_classifier_sees_maps_and_the_summary(folder, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(folder))
    paths, labels = pictures
    mine = row("dinov2")
    details = {"image_size": SIDE, "layers": mine.layers}
    register_backbone(mine.name, mine.constructor, mine.preprocess_input, SIDE, **details)
    for layers, least in (("summary", 0.3), ("auto", 0.8), ("last", 0.8)):  # random blocks mix places
        extractor = FeatureExtractor(progress=False)
        # Left and right are mirror images, so these are left out.
        classifier = Classifier(mine.name, layers=layers, augment=None, extractor=extractor)
        assert classifier.fit(paths[:40], labels[:40]).score(paths[40:], labels[40:]) > least
    found = classifier.predict_proba(paths[40:])
    classifier.save(tmp_path / "model.safetensors")
    np.testing.assert_allclose(
        load(tmp_path / "model.safetensors").predict_proba(paths[40:]), found, atol=1e-6
    )


@pytest.mark.slow
def test_a_model_names_the_folder_of_its_preset(folder, pictures, tmp_path):
    paths, labels = pictures
    mine, preset = row("siglip"), shutil.copytree(folder / "siglip_preset", tmp_path / "preset")
    register_backbone(mine.name, mine.constructor, mine.preprocess_input, SIDE, image_size=SIDE)
    extractor = FeatureExtractor(progress=False)
    classifier = Classifier(mine.name, weights=preset, extractor=extractor).fit(paths[:20], labels[:20])
    classifier.save(tmp_path / "model.safetensors")
    expected = classifier.predict_proba(paths[:4])
    np.testing.assert_allclose(
        load(tmp_path / "model.safetensors").predict_proba(paths[:4]), expected, atol=1e-6
    )
    moved = preset.rename(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match="preset, which has the weights of the model, does not exist"):
        load(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors", weights=moved)
    np.testing.assert_allclose(loaded.predict_proba(paths[:4]), expected, atol=1e-6)


@pytest.mark.slow
def test_larger_images_make_larger_maps(folder):
    preset = folder / "dinov2_preset"  # saved for a side of 40
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    network = build_network(row("dinov2"), resolve_weights(row("dinov2"), preset), 64)
    maps, summary = network.tap(("last", "summary"))(pixels)
    theirs = keras_hub.models.Backbone.from_preset(str(preset), image_shape=(64, 64, 3))
    scaled = pixels * np.array(SCALE, np.float32) + np.array(OFFSET, np.float32)
    tokens = np.asarray(theirs({"images": scaled}))
    np.testing.assert_allclose(maps, tokens[:, 3:].reshape(2, 8, 8, 16), atol=1e-4)
    np.testing.assert_allclose(summary, tokens[:, 0], atol=1e-4)


@pytest.mark.slow
def test_keypoints_are_found_on_maps_of_patches(folder, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(folder))
    faces = make_faces(30, size=SIDE)
    extractor = FeatureExtractor(progress=False)
    regressor = KeypointRegressor(row("siglip"), head="linear", layers="auto", refine=0, extractor=extractor)
    regressor.fit(faces.images, faces.keypoints)
    assert regressor.predict(faces.images).shape == faces.keypoints.shape


@pytest.mark.slow
def test_a_network_of_real_size_has_the_layers_that_its_row_recommends():
    assert list_layers("deit_tiny")[-4:] == ["block_11", "block_12", "summary", "last"]


def stated(source):
    return preset_of(source)["metadata"]["params"]


@pytest.mark.full
@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda backbone: backbone.name)
def test_numbers_of_parameters_are_those_that_kerashub_states(backbone):
    """Of image encoders alone it states none."""
    source = backbone.constructor
    if source.family in ("siglip", "clip", "metaclip2"):
        pytest.skip("KerasHub counts both encoders")
    if not source.config or stated(source) > MOST_PARAMETERS:
        pytest.skip("its architecture is not known here, or it is too large for a test")
    size = 518 if source.family == "dinov2" else backbone.image_size  # the size that it was saved at
    found = build_network(backbone, resolve_weights(backbone, None), size).n_parameters
    rounded = stated(source) % 100_000 == 0
    classifier = 2049 * 1000 if backbone.name == "resnet50_vd" else 0  # counted there
    assert found + classifier == pytest.approx(stated(source), rel=5e-3 if rounded else 0)


@pytest.mark.slow
def test_dinov2_of_real_size(pictures):
    paths, labels = pictures
    extractor = FeatureExtractor(progress=False)
    classifier = Classifier("dinov2_small", weights=None, extractor=extractor).fit(paths[:8], labels[:8])
    assert classifier.predict(paths[:8]).shape == (8,)
    whole = FeatureExtractor("dinov2_small", weights=None, layers="last", grid="full", progress=False)
    assert whole.fit().transform(paths[:1]).shape == (1, 16 * 16 * 384)

"""Networks of KerasHub: tiny ones, saved as presets and read as the real ones are."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_presets import CELLS, CONFIGS, PATCH, PREFIX, SHAPES, SIDE, WIDTH, row, save, swin_may_warn
from transferkit.backbones import (
    build_network,
    check_backbone,
    resolve_weights,
)
from transferkit.engines import EngineRequest, keras_engine, openvino_engine
from transferkit.errors import EngineError

keras_hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra hub)")


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """A function that makes the preset of a family once, and returns the folder that all of them are in."""
    base = tmp_path_factory.mktemp("presets")

    def folder_with(family):
        if not (base / f"{family}_preset").exists():
            save(family, base / f"{family}_preset")
        return base

    return folder_with


QUICK = ("dinov2", "resnet")  # a transformer and a convolutional network


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CONFIGS],
)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def built(family, presets):
    """A row, its weights and its network, found by ``TRANSFERKIT_WEIGHTS``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFERKIT_WEIGHTS", str(presets(family)))
        backbone = row(family)
        weights = resolve_weights(backbone, "imagenet")
        return backbone, weights, build_network(backbone, weights, SIDE)


@pytest.fixture(scope="module")
def pixels():
    """Pictures that differ as much as pictures can."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    pixels[1::2] = np.linspace(0, 255, SIDE, dtype=np.uint8)[None, :, None, None]
    pixels[2], pixels[4] = pixels[2] // 9, 255
    return pixels


def layers_of(family):
    return tuple(SHAPES[family])


@swin_may_warn()
def theirs(family, folder, pixels):
    """What KerasHub's own converter and network give for pixels, as maps and a vector, made by hand."""
    import keras

    sized = {"image_shape": (SIDE, SIDE, 3)} if family.startswith("dino") else {}
    network = keras_hub.models.Backbone.from_preset(str(folder), **sized)
    images = keras_hub.layers.ImageConverter.from_preset(str(folder))(pixels)

    def run(outputs, of=network):
        answer = keras.Model(of.inputs, outputs)(images, training=False)
        return [np.asarray(each) for each in (answer if isinstance(answer, list) else [answer])]

    if family in ("resnet", "efficientnet"):
        *_, first, _ = layers_of(family)
        found = run([network.pyramid_outputs[first], network.output])
        return dict(zip(layers_of(family), found, strict=True))
    if family == "swin":
        found = run([stage.output for stage in network.stages] + [network.output])
        return dict(zip(layers_of(family), [each.reshape(-1, 4, 4, 16) for each in found], strict=True))
    skipped = PREFIX[family]
    summary, blocks = None, {}
    if family.startswith("dino"):
        *stages, last = run([network.pyramid_outputs[f"stage{i}"] for i in (1, 2)] + [network.output])
        blocks = {f"block_{i}": stage for i, stage in enumerate(stages, 1)}
    elif family in ("vit", "deit"):
        (last,) = run(network.output)
    else:
        tower = network.vision_encoder
        *stages, last = run([block.output for block in tower.encoder_layers] + [tower.output], tower)
        blocks = {f"block_{i}": stage for i, stage in enumerate(stages, 1)}
        if family == "siglip":
            summary = last
            (last,) = run(tower.post_layer_norm.output, tower)
        if family == "metaclip2":
            last = np.asarray(network.vision_post_layer_norm(last))
    maps = {
        key: tokens[:, skipped:].reshape(-1, CELLS, CELLS, WIDTH)
        for key, tokens in {**blocks, "last": last}.items()
    }
    return {**maps, "summary": last[:, 0] if summary is None else summary}


def assert_close(found, expected, tolerance):
    """Compare relative to the spread of the features."""
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= tolerance * expected.std()


def test_layers_are_maps_and_a_vector(family, built, pixels):
    backbone, _, network = built
    assert network.layer_names() == ["pixels", *SHAPES[family]]
    for maps, shape in zip(network.tap(layers_of(family))(pixels), SHAPES[family].values(), strict=True):
        assert maps.shape == (len(pixels), *shape)
    assert not network.model.trainable_weights
    assert set(backbone.layers) <= set(network.layer_names())


def test_features_are_those_of_kerashubs_own_pipeline(family, built, presets, pixels):
    backbone, _, network = built
    expected = theirs(family, presets(family) / f"{family}_preset", pixels)
    found = dict(
        zip(SHAPES[family], network.tap(layers_of(family))(backbone.preprocess(pixels)), strict=True)
    )
    assert set(expected) >= {"last", *(name for name in found if name == "summary")}
    for name, maps in expected.items():
        assert_close(found[name], maps, 1e-4)


def test_evaluation_mode_batches_and_pixels(family, built, presets, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_WEIGHTS", str(presets(family)))
    assert check_backbone(built[0], weights="imagenet") is built[0]


def test_features_are_those_of_the_other_engine(family, built, pixels):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    backbone, weights, _ = built
    request = EngineRequest(backbone, weights, SIDE, layers_of(family), 8)
    if family == "swin":  # it writes its masks piece by piece, at every call
        with pytest.raises(EngineError, match="cannot run backbone 'tiny_swin': OpConversionFailure"):
            openvino_engine(request)
        return
    expected = keras_engine(request).run(pixels)
    for found, maps in zip(openvino_engine(request).run(pixels), expected, strict=True):
        assert_close(found, maps, 1e-3)
        assert_close(found.mean(axis=0), maps.mean(axis=0), 1e-4)


def test_patches_lie_where_they_are_in_the_picture(presets):
    """A patch changes its own place most: without attention, rows and columns would show if exchanged."""
    backbone = row("vit")
    weights = resolve_weights(backbone, presets("vit") / "vit_preset")
    network = build_network(backbone, weights, SIDE)
    grey = np.full((2, SIDE, SIDE, 3), 128, np.uint8)
    grey[1, PATCH : 2 * PATCH, 3 * PATCH :] = 255
    (maps,) = network.tap(("block_1",))(grey)
    change = np.abs(maps[1] - maps[0]).sum(axis=-1)
    assert np.unravel_index(change.argmax(), change.shape) == (1, 3)

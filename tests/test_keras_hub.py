"""Networks of KerasHub: tiny ones, saved as presets and read as the real ones are."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings

import numpy as np
import pytest

from transferkit.backbones import (
    Backbone,
    build_network,
    check_backbone,
    resolve_weights,
)
from transferkit.backbones.keras_hub import HubPreset
from transferkit.engines import EngineRequest, keras_engine, openvino_engine
from transferkit.errors import EngineError

keras_hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra hub)")

SIDE, PATCH, WIDTH, CELLS = 32, 8, 16, 4
SCALE, OFFSET = (1 / 100, 1 / 120, 1 / 140), (-0.9, -1.0, -1.1)  # of no family: presets say their own
BLOCKS = {"patch_size": PATCH, "num_layers": 2, "hidden_dim": WIDTH, "num_heads": 2}
TOKENS = {**BLOCKS, "intermediate_dim": 24}
SEEN = {"image_shape": (SIDE, SIDE, 3)}
TEXT = {"vocabulary_size": 40, "embedding_dim": 8, "hidden_dim": 8, "num_layers": 2, "num_heads": 2}
# Parameters of tiny networks: of the image encoder, if there are two.
CONFIGS = {
    "dinov2": {**TOKENS, "num_register_tokens": 2, "position_embedding_shape": (40, 40)},
    "dinov3": {**TOKENS, "num_register_tokens": 3, "use_key_bias": False},
    "vit": {**BLOCKS, **SEEN, "mlp_dim": 24},
    "deit": {**TOKENS, **SEEN, "dropout_rate": 0.5},
    "siglip": {**TOKENS, **SEEN},
    "clip": {**TOKENS, **SEEN},
    "metaclip2": {**TOKENS, **SEEN},
    "swin": {"embed_dim": 8, "depths": (2, 2), "num_heads": (2, 4), "window_size": 4, "drop_path": 0.5},
    "resnet": {
        "input_conv_filters": (64,),
        "input_conv_kernel_sizes": (3,),
        "stackwise_num_filters": (64, 24),
        "stackwise_num_blocks": (1, 1),
        "stackwise_num_strides": (1, 2),
        "block_type": "basic_block",
    },
    "efficientnet": {
        "stackwise_width_coefficients": [1.0] * 2,
        "stackwise_depth_coefficients": [1.0] * 2,
        "stackwise_kernel_sizes": [3, 3],
        "stackwise_num_repeats": [1, 2],
        "stackwise_input_filters": [8, 8],
        "stackwise_output_filters": [8, 16],
        "stackwise_expansion_ratios": [1, 4],
        "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
        "stackwise_strides": [1, 2],
        "stackwise_block_types": ["v1", "v1"],
        "dropout": 0.5,
    },
}
CLASSES = {
    **{
        "dinov2": "DINOV2",
        "dinov3": "DINOV3",
        "vit": "ViT",
        "deit": "DeiT",
        "siglip": "SigLIP",
        "clip": "CLIP",
    },
    **{
        "metaclip2": "MetaCLIP2",
        "swin": "SwinTransformer",
        "resnet": "ResNet",
        "efficientnet": "EfficientNet",
    },
}
PREFIX = {"dinov2": 3, "dinov3": 4, "vit": 1, "deit": 2, "siglip": 0, "clip": 1, "metaclip2": 1}
TWO_TOWERS = ("siglip", "clip", "metaclip2")
SHAPES = {
    **dict.fromkeys(
        PREFIX,
        {f"block_{i}": (CELLS, CELLS, WIDTH) for i in (1, 2)}
        | {"summary": (WIDTH,), "last": (CELLS, CELLS, WIDTH)},
    ),
    "swin": {"stage_1": (4, 4, 16), "stage_2": (4, 4, 16), "last": (4, 4, 16)},
    "resnet": {"P2": (8, 8, 64), "last": (4, 4, 24)},
    "efficientnet": {"P1": (16, 16, 8), "last": (8, 8, 1280)},
}


def row(family, **details):
    """A backbone whose preset is called ``<family>_preset``."""
    transformer = family in PREFIX
    fixed = SIDE if transformer and not family.startswith("dino") else None
    source = HubPreset(family, f"somebody/model/keras/{family}_preset/1", PATCH if transformer else 1, fixed)
    names = tuple(SHAPES[family])
    return Backbone(
        f"tiny_{family}",
        dataclasses.replace(source, **details),
        "transferkit.backbones.pixels:preprocess_input",
        min_size=SIDE,
        image_size=SIDE,
        layers=("block_1", "summary", "last") if transformer else names,
    )


def whole(family):
    """KerasHub's own network."""
    models, config = keras_hub.models, CONFIGS[family]
    if family == "swin":
        config = {**config, **SEEN}
    if family.startswith("dino"):
        config = {**config, "image_shape": (40, 40, 3)}  # not the size that is asked for below
    if family not in TWO_TOWERS:
        return getattr(models, f"{CLASSES[family]}Backbone")(**config)
    image = getattr(models, f"{CLASSES[family]}VisionEncoder")(**config, name="image")
    text = {**TEXT, "hidden_dim": WIDTH, "embedding_dim": WIDTH, "intermediate_dim": 24}
    text = getattr(models, f"{CLASSES[family]}TextEncoder")(**text, max_sequence_length=8, name="text")
    projection = {} if family == "siglip" else {"projection_dim": 12}
    return getattr(models, f"{CLASSES[family]}Backbone")(
        vision_encoder=image, text_encoder=text, **projection
    )


def stir(network):
    """Give a network weights of which none is zero or one."""
    generator = np.random.default_rng(0)
    for weight in network.weights:
        if "position_embeddings" in weight.path or "int" in str(weight.dtype):
            continue  # DINOv2 derives one from the other
        noise = generator.normal(0, 0.3, weight.shape)
        variance = "moving_variance" in weight.path
        weight.assign(generator.uniform(0.5, 2, weight.shape) if variance else weight.numpy() + noise)


@contextlib.contextmanager
def swin_may_warn():
    """KerasHub's Swin gives a layer masks that it has not declared."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Layer 'attn'")
        yield


def save(family, folder):
    with swin_may_warn():
        network = whole(family)
        stir(network)
        network.save_to_preset(str(folder))
    converter = getattr(keras_hub.layers, f"{CLASSES[family]}ImageConverter")
    converter(image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET).save_to_preset(str(folder))


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """A function that makes the preset of a family once, and returns the folder that all of them are in."""
    base = tmp_path_factory.mktemp("presets")

    def folder_with(family):
        if not (base / f"{family}_preset").exists():
            save(family, base / f"{family}_preset")
        return base

    return folder_with


@pytest.fixture(scope="module", params=CONFIGS)
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

"""Tiny networks of KerasHub with the parts of the real ones, saved as presets."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings

import numpy as np

from transferkit.backbones import Backbone, keras_defaults
from transferkit.backbones.keras_hub import HubPreset
from transferkit.backbones.reproducible import reproducible

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
    import keras_hub

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
    import keras_hub

    with keras_defaults(), reproducible(), swin_may_warn():
        network = whole(family)
        stir(network)
        network.save_to_preset(str(folder))
    converter = getattr(keras_hub.layers, f"{CLASSES[family]}ImageConverter")
    converter(image_size=(SIDE, SIDE), scale=SCALE, offset=OFFSET).save_to_preset(str(folder))

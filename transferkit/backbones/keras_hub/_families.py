"""Find features in the networks of KerasHub: their blocks as maps, their summary as a vector.

A transformer of patches gives tokens of shape (n, t, c): first the class token and registers, if there are
any, then the patches row by row. Here the patches become maps (n, h, w, c), so that the rest of the library
need not know about transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

# Normalisation by ImageNet, by CLIP's training images, and (x - 0.5) / 0.5: scale and offset for 0..255.
Pixels = tuple[tuple[float, ...], tuple[float, ...]]


def _pixels(means: tuple[float, ...], deviations: tuple[float, ...]) -> Pixels:
    return (
        tuple(1 / 255 / deviation for deviation in deviations),
        tuple(-mean / deviation for mean, deviation in zip(means, deviations, strict=True)),
    )


# https://github.com/huggingface/transformers, src/transformers/image_utils.py
_IMAGENET = _pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = _pixels((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALF = _pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Family:
    """What networks of one architecture share.

    Parameters
    ----------
    backbone : str
        Name of the class in ``keras_hub.models`` of its presets.
    taps : callable
        ``taps(network, pixels)`` returns Keras tensors by name, from the input to ``"last"``.
    pixels : tuple
        Scale and offset of pixels in 0..255, for presets without an image converter.
    towers : tuple of str, default=()
        Classes of the image encoder and the text encoder, if the network has both; only the former is used.
    resizes : bool, default=False
        Whether the network is built for the size of the image, instead of that of its preset.
    """

    backbone: str
    taps: Callable[[Any, Any], dict[str, Any]]
    pixels: Pixels
    towers: tuple[str, ...] = ()
    resizes: bool = False


def _through(blocks: Iterable[Any], tokens: Any, **arguments: Any) -> list[Any]:
    """Return the output of each block."""
    outputs = []
    for block in blocks:
        outputs.append(tokens := block(tokens, **arguments))
    return outputs


def _as_map(tokens: Any, side: int) -> Any:
    """Return the map of tokens that are patches, row by row."""
    import keras

    # Not a Reshape layer, which would look at the static shape: SigLIP's says one token too many.
    return keras.ops.reshape(tokens, (-1, side, side, tokens.shape[-1]))


def _tapped(tower: Any, pixels: Any, outputs: list[Any], last: Any, prefix: int) -> dict[str, Any]:
    """Return maps of patches, and a vector: the class token, or what the tower pools the patches to."""
    patch = tower.patch_size
    side = pixels.shape[1] // (patch if isinstance(patch, int) else patch[0])
    maps = [_as_map(tokens[:, prefix:] if prefix else tokens, side) for tokens in (*outputs, last)]
    summary = last[:, 0] if prefix else tower.head(last)
    blocks = {f"block_{i}": tokens for i, tokens in enumerate(maps[:-1], 1)}
    return {**blocks, "summary": summary, "last": maps[-1]}


def _dinov2(network: Any, pixels: Any) -> dict[str, Any]:
    outputs = _through(network.encoder.layers, network.embeddings(pixels))
    return _tapped(network, pixels, outputs, network.layernorm(outputs[-1]), 1 + network.num_register_tokens)


def _dinov3(network: Any, pixels: Any) -> dict[str, Any]:
    prefix = 1 + network.num_register_tokens
    places = {"position_embeddings": network.rope_embedding(pixels), "num_prefix_tokens": prefix}
    outputs = _through(network.encoder.layers, network.embeddings(pixels), **places)
    return _tapped(network, pixels, outputs, network.layernorm(outputs[-1]), prefix)


def _vit(network: Any, pixels: Any) -> dict[str, Any]:
    encoder = network.get_layer("vit_encoder")
    tokens = encoder.dropout(network.get_layer("vit_patching_and_embedding")(pixels))
    outputs = _through(encoder.encoder_layers, tokens)
    return _tapped(network, pixels, outputs, encoder.layer_norm(outputs[-1]), 1)


def _deit(network: Any, pixels: Any) -> dict[str, Any]:
    import keras

    encoder = network.get_layer("deit_encoder")
    tokens, outputs = network.get_layer("deit_patching_and_embedding")(pixels), []
    for block in encoder.encoder_layers:
        # Call the parts, because a block also returns attention scores, which are None, and Keras refuses
        # that. Wrap them in a model, because the parts have the same names in all blocks.
        start = keras.Input(tokens.shape[1:])
        normal = block.layer_norm_1(start)
        seen = block.mha(normal, normal) + start
        end = block.output_layer(block.mlp(block.layer_norm_2(seen)), seen)
        outputs.append(tokens := keras.Model(start, end, name=block.name)(tokens))
    # The class token comes first, then that of distillation.
    return _tapped(network, pixels, outputs, encoder.layer_norm(tokens), 2)


def _siglip(network: Any, pixels: Any) -> dict[str, Any]:
    tower = getattr(network, "vision_encoder", network)
    outputs = _through(tower.encoder_layers, tower.embedding(pixels))
    return _tapped(tower, pixels, outputs, tower.post_layer_norm(outputs[-1]), 0)


def _clip(network: Any, pixels: Any) -> dict[str, Any]:
    tower = getattr(network, "vision_encoder", network)
    outputs = _through(tower.encoder_layers, tower.pre_layer_norm(tower.embedding(pixels)))
    return _tapped(tower, pixels, outputs, tower.layer_norm(outputs[-1]), 1)


def _metaclip2(network: Any, pixels: Any) -> dict[str, Any]:
    import keras

    tower = getattr(network, "vision_encoder", network)
    # The network normalises only the class token, outside of the tower; here all tokens, as in CLIP.
    norm = getattr(network, "vision_post_layer_norm", None) or keras.layers.LayerNormalization(epsilon=1e-5)
    outputs = _through(tower.encoder_layers, tower.pre_layer_norm(tower.embedding(pixels)))
    return _tapped(tower, pixels, outputs, norm(outputs[-1]), 1)


def _swin(network: Any, pixels: Any) -> dict[str, Any]:
    """Return the output of each stage; except for the last, these have the resolution of the next stage."""
    import keras

    for stage in network.stages:
        for block in stage.blocks:  # otherwise Keras warns of the masks of shifted windows at every call
            block.attn.supports_masking = True
    stages = [stage.output for stage in network.stages]
    *outputs, last = keras.Model(network.inputs, [*stages, network.output])(pixels)

    maps = [_as_map(tokens, round(tokens.shape[1] ** 0.5)) for tokens in (*outputs, last)]
    return {**{f"stage_{i}": tokens for i, tokens in enumerate(maps[:-1], 1)}, "last": maps[-1]}


def _pyramid(network: Any, pixels: Any) -> dict[str, Any]:
    """Return the last map of each stride, as KerasHub calls them: P2 for a stride of 4, P3 for 8."""
    import keras

    # A last level that is the output has one name: OpenVINO may crash on two of one tensor.
    levels = {key: maps for key, maps in network.pyramid_outputs.items() if maps is not network.output}
    *maps, last = keras.Model(network.inputs, [*levels.values(), network.output])(pixels)
    return {**dict(zip(levels, maps, strict=True)), "last": last}


FAMILIES = {
    "dinov2": Family("DINOV2Backbone", _dinov2, _IMAGENET, resizes=True),
    "dinov3": Family("DINOV3Backbone", _dinov3, _IMAGENET, resizes=True),
    "vit": Family("ViTBackbone", _vit, _HALF),
    "deit": Family("DeiTBackbone", _deit, _IMAGENET),
    "siglip": Family("SigLIPBackbone", _siglip, _HALF, ("SigLIPVisionEncoder", "SigLIPTextEncoder")),
    "clip": Family("CLIPBackbone", _clip, _CLIP, ("CLIPVisionEncoder", "CLIPTextEncoder")),
    "metaclip2": Family(
        "MetaCLIP2Backbone", _metaclip2, _CLIP, ("MetaCLIP2VisionEncoder", "MetaCLIP2TextEncoder")
    ),
    "swin": Family("SwinTransformerBackbone", _swin, _IMAGENET, resizes=True),
    "resnet": Family("ResNetBackbone", _pyramid, _IMAGENET, resizes=True),
    "efficientnet": Family("EfficientNetBackbone", _pyramid, _IMAGENET),
}

"""Image networks of KerasHub as data, without importing it or Keras.

``layers`` of a transformer are the outputs of its blocks at a half and three quarters of its depth, its
summary (the class token, or what pools the patches), and its normalised patches. Sizes are those of the
papers; a test compares numbers of parameters with those that KerasHub states.
"""

from __future__ import annotations

from typing import Any

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.keras_hub._preset import HubPreset

_AS_THEY_ARE = "transferkit.backbones.pixels:preprocess_input"  # the network itself scales pixels
_SMALL, _BASE, _LARGE, _HUGE = (12, 384, 6), (12, 768, 12), (24, 1024, 16), (32, 1280, 16)


def _transformer(
    name: str,
    family: str,
    path: str,
    sizes: tuple[int, int, int],
    patch: int,
    min_size: int | None = None,
    licence: str = "",
    wide: str = "intermediate_dim",
    **config: Any,
) -> Backbone:
    """Return a row; ``path`` is that of the preset on Kaggle, ``sizes`` are depth, width and heads."""
    depth, width, heads = sizes
    config |= {"patch_size": patch, "num_layers": depth, "hidden_dim": width, "num_heads": heads}
    config[wide] = 4 * width
    if min_size is None:  # it has positions for a single size only
        config["image_shape"] = (224, 224, 3)
    layers = f"block_{depth // 2}", f"block_{depth * 3 // 4}", "summary", "last"
    only = None if min_size else 224
    source = HubPreset(family, f"keras/{path}", patch, only, tuple(config.items()), licence)
    return Backbone(name, source, _AS_THEY_ARE, min_size or 224, layers=layers)


def _swin(name: str, path: str, width: int, depths: tuple[int, ...], heads: tuple[int, ...]) -> Backbone:
    config = {"embed_dim": width, "depths": depths, "num_heads": heads, "window_size": 7}
    source = HubPreset("swin", f"keras/{path}", 32, None, tuple(config.items()))
    # In smaller images, the last stage is smaller than a window, which KerasHub cannot build.
    return Backbone(name, source, _AS_THEY_ARE, 224, layers=("stage_1", "stage_2", "stage_3", "last"))


def _convolutional(name: str, family: str, path: str, layers: tuple[str, ...], **config: Any) -> Backbone:
    source = HubPreset(family, f"keras/{path}", config=tuple(config.items()))
    return Backbone(name, source, _AS_THEY_ARE, 32, layers=layers)


_DINOV2: dict[str, Any] = {"layer_scale_init_value": 1.0, "position_embedding_shape": (518, 518)}
_REGISTERS: dict[str, Any] = {**_DINOV2, "num_register_tokens": 4, "antialias_in_interpolation": True}
_DINOV3: dict[str, Any] = {
    "num_register_tokens": 4,
    "use_key_bias": False,
    "rope_theta": 100.0,
    "layer_norm_eps": 1e-5,
}
_RESNET: dict[str, Any] = {
    "stackwise_num_filters": (64, 128, 256, 512),
    "stackwise_num_strides": (1, 2, 2, 2),
}
_STRIDES = ("P3", "P4", "last")

# fmt: off
BACKBONES = (
    *(
        _transformer(f"dinov2_{size}", "dinov2", f"dinov2/keras/dinov2_{size}/1", sizes, 14, 56, **_DINOV2)
        for size, sizes in (("small", _SMALL), ("base", _BASE), ("large", _LARGE))
    ),
    *(
        _transformer(f"dinov2_{size}_registers", "dinov2", f"dinov2/keras/dinov2_with_registers_{size}/1",
                     sizes, 14, 56, **_REGISTERS)
        for size, sizes in (("small", _SMALL), ("base", _BASE), ("large", _LARGE))
    ),
    *(
        _transformer(f"dinov3_{size}", "dinov3", f"dinov3/keras/dinov3_vit_{size}_lvd1689m/1", sizes, 16, 64,
                     "DINOv3 License", **_DINOV3)
        for size, sizes in (("small", _SMALL), ("base", _BASE), ("large", _LARGE))
    ),
    _transformer("siglip_base", "siglip", "siglip/keras/siglip_base_patch16_224/1", _BASE, 16),
    _transformer("siglip2_base", "siglip", "siglip/keras/siglip2_base_patch16_224/1", _BASE, 16),
    _transformer("clip_b16", "clip", "clip/keras/clip_vit_base_patch16/3", _BASE, 16),
    _transformer("clip_b32", "clip", "clip/keras/clip_vit_base_patch32/3", _BASE, 32),
    _transformer("clip_l14", "clip", "clip/keras/clip_vit_large_patch14/3", _LARGE, 14),
    _transformer("metaclip2_h14", "metaclip2", "metaclip2/keras/metaclip_2_vit_huge_patch14_224/1", _HUGE,
                 14),
    _transformer("vit_b16", "vit", "vit/keras/vit_base_patch16_224_imagenet/4", _BASE, 16, wide="mlp_dim"),
    _transformer("vit_l16", "vit", "vit/keras/vit_large_patch16_224_imagenet/4", _LARGE, 16, wide="mlp_dim"),
    *(
        _transformer(f"deit_{size}", "deit", f"deit/keras/deit_{size}_distilled_patch16_224_imagenet/1",
                     sizes, 16)
        for size, sizes in (("tiny", (12, 192, 3)), ("small", _SMALL), ("base", _BASE))
    ),
    *(
        _swin(f"swin_{size}", f"swin-transformer/keras/swin_{size}_patch4_window7_224/1", width,
              (2, 2, depth, 2), heads)
        for size, width, depth, heads in (
            ("tiny", 96, 6, (3, 6, 12, 24)),
            ("small", 96, 18, (3, 6, 12, 24)),
            ("base", 128, 18, (4, 8, 16, 32)),
        )
    ),
    _convolutional("resnet18", "resnet", "resnetv1/keras/resnet_18_imagenet/3", _STRIDES,
                   input_conv_filters=(64,), input_conv_kernel_sizes=(7,),
                   stackwise_num_blocks=(2, 2, 2, 2), block_type="basic_block", **_RESNET),
    _convolutional("resnet50_vd", "resnet", "resnet_vd/keras/resnet_vd_50_ssld_v2_imagenet/2", _STRIDES,
                   input_conv_filters=(32, 32, 64), input_conv_kernel_sizes=(3, 3, 3),
                   stackwise_num_blocks=(3, 4, 6, 3), block_type="bottleneck_block_vd", **_RESNET),
    # Their widths and strides are known only from the presets.
    _convolutional("efficientnet_lite0", "efficientnet",
                   "efficientnet/keras/efficientnet_lite0_ra_imagenet/2", _STRIDES),
    _convolutional("efficientnet_b0_ra4", "efficientnet",
                   "efficientnet/keras/efficientnet_b0_ra4_e3600_r224_imagenet/2", _STRIDES),
)
# fmt: on

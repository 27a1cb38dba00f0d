"""Size, cost and published accuracy of backbones, by which people choose."""

from __future__ import annotations

from typing import NamedTuple

KERAS = "https://keras.io/api/applications"
DINOV2 = "https://github.com/facebookresearch/dinov2"  # linear classifier on frozen features


class Size(NamedTuple):
    """Size of a network without its top, at its default image size.

    Parameters
    ----------
    parameters : float
        Number of parameters in millions.
    gflop : float
        Billions of operations per image in convolutions and dense layers; a multiplication and an addition
        count as two.
    width : int
        Number of channels of ``"last"``.
    imagenet : float, optional
        Published top-1 accuracy on ImageNet in per cent: of the classifier that the network was trained with,
        or of a linear classifier trained on frozen features.
    source : str, default=KERAS
        Source of this accuracy.
    """

    parameters: float
    gflop: float
    width: int
    imagenet: float | None = None
    source: str = KERAS


SIZES = {
    "convnext_base": Size(87.6, 30.7, 1024, 85.3),
    "convnext_large": Size(196.2, 68.7, 1536, 86.3),
    "convnext_small": Size(49.5, 17.4, 768, 82.3),
    "convnext_tiny": Size(27.8, 8.9, 768, 81.3),
    "convnext_xlarge": Size(348.1, 121.8, 2048, 86.7),
    "densenet121": Size(7.0, 5.7, 1024, 75.0),
    "densenet169": Size(12.6, 6.7, 1664, 76.2),
    "densenet201": Size(18.3, 8.6, 1920, 77.3),
    "efficientnet_b0": Size(4.0, 0.77, 1280, 77.1),
    "efficientnet_b1": Size(6.6, 1.4, 1280, 79.1),
    "efficientnet_b2": Size(7.8, 2.0, 1408, 80.1),
    "efficientnet_b3": Size(10.8, 3.7, 1536, 81.6),
    "efficientnet_b4": Size(17.7, 8.8, 1792, 82.9),
    "efficientnet_b5": Size(28.5, 20.5, 2048, 83.6),
    "efficientnet_b6": Size(41.0, 38.1, 2304, 84.0),
    "efficientnet_b7": Size(64.1, 75.5, 2560, 84.3),
    "efficientnet_v2_b0": Size(5.9, 1.4, 1280, 78.7),
    "efficientnet_v2_b1": Size(6.9, 2.4, 1280, 79.8),
    "efficientnet_v2_b2": Size(8.8, 3.4, 1408, 80.5),
    "efficientnet_v2_b3": Size(12.9, 6.0, 1536, 82.0),
    "efficientnet_v2_l": Size(117.7, 112.2, 1280, 85.7),
    "efficientnet_v2_m": Size(53.2, 49.2, 1280, 85.3),
    "efficientnet_v2_s": Size(20.3, 16.7, 1280, 83.9),
    "inception_resnet_v2": Size(54.3, 26.3, 1536, 80.3),
    "inception_v3": Size(21.8, 11.4, 2048, 77.9),
    "mobilenet": Size(3.2, 1.1, 1024, 70.4),
    "mobilenet_v2": Size(2.3, 0.6, 1280, 71.3),
    "mobilenet_v3_large": Size(3.0, 0.43, 960),
    "mobilenet_v3_small": Size(0.9, 0.11, 576),
    "nasnet_large": Size(84.9, 47.6, 4032, 82.5),
    "nasnet_mobile": Size(4.3, 1.1, 1056, 74.4),
    "pixels": Size(0.0, 0, 3),
    "resnet50": Size(23.6, 7.7, 2048, 74.9),
    "resnet50_v2": Size(23.6, 7.0, 2048, 76.0),
    "resnet101": Size(42.7, 15.1, 2048, 76.4),
    "resnet101_v2": Size(42.6, 14.4, 2048, 77.2),
    "resnet152": Size(58.4, 22.6, 2048, 76.6),
    "resnet152_v2": Size(58.3, 21.8, 2048, 78.0),
    "scattering": Size(0.0, 0, 219),
    "vgg16": Size(14.7, 30.7, 512, 71.3),
    "vgg19": Size(20.0, 39.0, 512, 71.3),
    "xception": Size(20.9, 16.7, 2048, 79.0),
    # Transformers, including the products of attention; calculated from depth, width and tokens.
    "dinov2_small": Size(22.2, 12.2, 384, 81.1, DINOV2),
    "dinov2_base": Size(86.6, 46.3, 768, 84.5, DINOV2),
    "dinov2_large": Size(304.4, 162.0, 1024, 86.3, DINOV2),
    "dinov2_small_registers": Size(22.2, 12.5, 384, 80.9, DINOV2),
    "dinov2_base_registers": Size(86.6, 47.1, 768, 84.6, DINOV2),
    "dinov2_large_registers": Size(304.4, 164.6, 1024, 86.7, DINOV2),
    "dinov3_small": Size(21.6, 9.4, 384),
    "dinov3_base": Size(86, 35.9, 768),
    "dinov3_large": Size(303, 125.7, 1024),
    "siglip_base": Size(92.9, 34.9, 768),
    "siglip2_base": Size(92.9, 34.9, 768),
    "clip_b16": Size(85.8, 35.1, 768),
    "clip_b32": Size(87.5, 8.8, 768),
    "clip_l14": Size(303, 162.0, 1024),
    "metaclip2_h14": Size(631, 334.6, 1280),
    "vit_b16": Size(85.8, 35.1, 768),
    "vit_l16": Size(303, 123.1, 1024),
    "deit_tiny": Size(5.5, 2.5, 192),
    "deit_small": Size(21.7, 9.2, 384),
    "deit_base": Size(85.8, 35.3, 768),
}
"""By name; checked against the networks by the tests."""

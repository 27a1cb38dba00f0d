"""The 40 networks of ``keras.applications``, as data; Keras is not imported.

``layers`` are the last activations at strides 8, 16 and 32, and one inside the long stage of stride 16, from
fine to coarse (MobileNet's were chosen by cross-validation on training images). Automatic names are numbered
within the model: ``add_5`` is the sixth unnamed addition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.backbones.backbone import Backbone

_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"
# The divisors in IMAGENET_STDDEV_RGB of keras/src/applications/efficientnet.py.
_DEVIATIONS = (0.229, 0.224, 0.225)


def _rescale_again(model: Any) -> None:
    """Divide EfficientNet's normalised input by the square root of ImageNet's deviations, as Keras does.

    Keras adds this second rescaling only for ``weights="imagenet"``
    (https://github.com/tensorflow/tensorflow/issues/49930). With the same weights loaded from a file, inputs
    would be half as large. Here the factor becomes part of the variance.
    """
    layer = next(layer for layer in model.layers if type(layer).__name__ == "Normalization")
    mean, variance, *count = layer.get_weights()
    layer.set_weights([mean, variance * np.array(_DEVIATIONS, variance.dtype), *count])
    layer.finalize_state()


def _backbone(
    name: str,
    module: str,
    function: str,
    layers: tuple[str, ...],
    weights_file: str,
    weights_hash: str | None = None,
    image_size: int = 224,
    min_size: int = 32,
    **details: Any,
) -> Backbone:
    return Backbone(
        name,
        f"keras.applications:{function}",
        f"keras.applications.{module}:preprocess_input",
        min_size,
        image_size,
        layers,
        weights_file=weights_file,
        weights_hash=weights_hash,
        **details,
    )


_EFFICIENT = ("block4a_expand_activation", "block5a_expand_activation", "block6a_expand_activation", "last")

# fmt: off
BACKBONES = (
    _backbone("vgg16", "vgg16", "VGG16", ("block4_conv3", "block5_conv1", "block5_conv3", "last"),
              "vgg16" + _KERNELS, "6d6bbae143d832006294945121d1f1fc"),
    _backbone("vgg19", "vgg19", "VGG19", ("block4_conv4", "block5_conv1", "block5_conv4", "last"),
              "vgg19" + _KERNELS, "253f8cb515780f3b799900260a226db6"),
    *(
        _backbone(f"resnet{depth}", "resnet", f"ResNet{depth}",
                  (f"conv3_block{fine}_out", f"conv4_block{mid}_out", f"conv4_block{end}_out", "last"),
                  f"resnet{depth}{_KERNELS}", md5)
        for depth, fine, mid, end, md5 in (
            (50, 4, 3, 6, "4d473c1dd8becc155b73f8504c6f6626"),
            (101, 4, 12, 23, "88cf7a10940856eca736dc7b7e228a21"),
            (152, 8, 18, 36, "ee4c566cf9a93f14d82f913c2dc6dd0c"),
        )
    ),
    *(
        # The output of a stage's last block already has the next stride; its preactivation does not.
        _backbone(f"resnet{depth}_v2", "resnet_v2", f"ResNet{depth}V2",
                  (f"conv3_block{fine}_preact_relu", f"conv4_block{mid}_preact_relu",
                   f"conv4_block{end}_preact_relu", "last"),
                  f"resnet{depth}v2{_KERNELS}", md5)
        for depth, fine, mid, end, md5 in (
            (50, 4, 3, 6, "fac2f116257151a9d068a22e544a4917"),
            (101, 4, 12, 23, "c0ed64b8031c3730f411d2eb4eea35b5"),
            (152, 8, 18, 36, "ed17cf2e0169df9d443503ef94b23b33"),
        )
    ),
    *(
        _backbone(f"densenet{depth}", "densenet", f"DenseNet{depth}",
                  ("pool3_relu", f"conv4_block{mid}_concat", "pool4_relu", "last"),
                  f"densenet{depth}{_KERNELS}", md5)
        for depth, mid, md5 in (
            (121, 12, "30ee3e1110167f948a6b9946edeeb738"),
            (169, 16, "b8c4d4c20dd625c148057b9ff1c1176b"),
            (201, 24, "c13680b51ded0fb44dff2d8f86ac8bb1"),
        )
    ),
    _backbone("mobilenet", "mobilenet", "MobileNet",
              ("conv_pw_5_relu", "conv_pw_8_relu", "conv_pw_12_relu", "last"),
              "mobilenet_1_0_224_tf_no_top.h5", grid=(2, 7, 2, 1), aliases=("mobilenet_v1",)),
    _backbone("mobilenet_v2", "mobilenet_v2", "MobileNetV2",
              ("block_6_expand_relu", "block_10_expand_relu", "block_13_expand_relu", "last"),
              "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", grid=(3, 7, 3, 1)),
    _backbone("mobilenet_v3_small", "mobilenet_v3", "MobileNetV3Small",
              ("expanded_conv_2_add", "expanded_conv_5_add", "expanded_conv_7_add", "last"),
              "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    _backbone("mobilenet_v3_large", "mobilenet_v3", "MobileNetV3Large",
              ("expanded_conv_5_add", "expanded_conv_8_add", "expanded_conv_11_add", "last"),
              "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", "07fb09a5933dd0c8eaafa16978110389"),
    _backbone("inception_v3", "inception_v3", "InceptionV3", ("mixed2", "mixed5", "mixed7", "last"),
              "inception_v3" + _KERNELS, "bcbd6486424b2319ff4ef7d526e38f63", 299, 75),
    _backbone("inception_resnet_v2", "inception_resnet_v2", "InceptionResNetV2",
              ("block35_10_ac", "block17_10_ac", "block17_20_ac", "last"),
              "inception_resnet_v2" + _KERNELS, "d19885ff4a710c122648d3b5c3b684e4", 299, 75),
    _backbone("xception", "xception", "Xception",
              ("block4_sepconv2_bn", "block9_sepconv1_act", "block13_sepconv2_bn", "last"),
              "xception" + _KERNELS, "b0042744bf5b25fce3cb969f33bebb97", 299, 71),
    _backbone("nasnet_mobile", "nasnet", "NASNetMobile",
              ("normal_concat_3", "normal_concat_6", "normal_concat_8", "last"),
              "nasnet_mobile_no_top.h5", "1ed92395b5b598bdda52abe5c0dbfd63"),
    _backbone("nasnet_large", "nasnet", "NASNetLarge",
              ("normal_concat_5", "normal_concat_9", "normal_concat_12", "last"),
              "nasnet_large_no_top.h5", "d81d89dc07e6e56530c4e77faddd61b5", 331),
    *(
        _backbone(f"efficientnet_{variant.lower()}", "efficientnet", f"EfficientNet{variant}", _EFFICIENT,
                  f"efficientnet{variant.lower()}_notop.h5", md5, size,
                  finish=_rescale_again, lost_layer="rescaling_1")
        for variant, size, md5 in (
            ("B0", 224, "50bc09e76180e00e4465e1a485ddc09d"),
            ("B1", 240, "74c4e6b3e1f6a1eea24c589628592432"),
            ("B2", 260, "111f8e2ac8aa800a7a99e3239f7bfb39"),
            ("B3", 300, "af6d107764bb5b1abb91932881670226"),
            ("B4", 380, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
            ("B5", 456, "38879255a25d3c92d5e44e04ae6cec6f"),
            ("B6", 528, "9ecce42647a20130c1f39a5d4cb75743"),
            ("B7", 600, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
        )
    ),
    *(
        _backbone(f"efficientnet_v2_{variant.lower()}", "efficientnet_v2", f"EfficientNetV2{variant}",
                  _EFFICIENT, f"efficientnetv2-{variant.lower()}_notop.h5", md5, size)
        for variant, size, md5 in (
            ("B0", 224, "893217f2bb855e2983157299931e43ff"),
            ("B1", 240, "0e80663031ca32d657f9caa404b6ec37"),
            ("B2", 260, "1dfe2e7a5d45b6632553a8961ea609eb"),
            ("B3", 300, "f6abf7b5849ac99a89b50dd3fd532856"),
            ("S", 384, "af0682fb74e8c54910f2d4393339c070"),
            ("M", 480, "1b8dc055df72dde80d614482840fe342"),
            ("L", 480, "b0b66b5c863aef5b46e8608fe1711615"),
        )
    ),
    *(
        _backbone(f"convnext_{variant.lower()}", "convnext", f"ConvNeXt{variant}",
                  ("add_5", f"add_{mid}", f"add_{end}", "last"),
                  f"convnext_{variant.lower()}_notop.h5", sha256)
        for variant, mid, end, sha256 in (
            ("Tiny", 10, 14, "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1"),
            ("Small", 19, 32, "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab"),
            ("Base", 19, 32, "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45"),
            ("Large", 19, 32, "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd"),
            ("XLarge", 19, 32, "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05"),
        )
    ),
)
# fmt: on

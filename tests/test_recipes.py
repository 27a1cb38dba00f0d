"""The checkable facts of the public tutorials: shapes and parameter counts, without a forward pass."""

from __future__ import annotations

import math

import numpy as np
import pytest

from transferkit.backbones import build_network, get_backbone, resolve_weights
from transferkit.heads import ConvHead, MLPHead


@pytest.fixture(scope="module")
def backbone():
    """From a name and a size to the frozen network; each is built once."""
    built = {}

    def get(name, size):
        if (name, size) not in built:
            row = get_backbone(name)
            built[name, size] = build_network(row, resolve_weights(row, None), size).model
        return built[name, size]

    return get


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("vgg16", 256, (8, 8, 512)),
        ("vgg16", 300, (9, 9, 512)),
        ("vgg16", 224, (7, 7, 512)),
        ("vgg19", 300, (9, 9, 512)),
        pytest.param("resnet50", 256, (8, 8, 2048), marks=pytest.mark.slow),
    ],
)
def test_feature_maps_of_the_tutorials(backbone, name, size, shape):
    model = backbone(name, size)
    assert model.input_shape == (None, size, size, 3)
    assert model.output_shape == (None, *shape)


def test_vgg16_has_the_parameters_of_the_tutorial_and_trains_none(backbone):
    model = backbone("vgg16", 256)
    assert model.count_params() == 14_714_688
    assert model.trainable_weights == []


@pytest.mark.parametrize(
    ("filters", "hidden", "channels", "layers"),
    [
        (512, 128, 512, (2_359_808, 589_952, 129)),
        (2048, 1024, 2048, (37_750_784, 18_875_392, 1_025)),
    ],
)
def test_convolutional_heads_have_the_parameters_of_the_tutorials(filters, hidden, channels, layers):
    model = ConvHead(filters=filters, hidden=hidden).build([(8, 8, channels)], 1)
    assert tuple(count for layer in model.layers if (count := layer.count_params())) == layers
    assert model.count_params() == sum(layers)


def test_totals_as_the_tutorials_print_them():
    assert ConvHead(filters=512, hidden=128).build([(8, 8, 512)], 1).count_params() == 2_949_889
    assert ConvHead(filters=2048, hidden=1024).build([(8, 8, 2048)], 1).count_params() == 56_627_201


def test_two_convolutional_blocks():
    model = ConvHead(filters=(512, 512), hidden=512).build([(10, 10, 2048)], 1)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[1:] == ["Conv2D", "MaxPooling2D"] * 2 + ["Flatten", "Dense", "Dropout", "Dense"]


def test_keypoint_head_ends_in_136_sigmoids():
    head = ConvHead(filters=512, hidden=512, output_activation="sigmoid")
    model = head.build([(7, 7, 512)], 136, regression=True)
    assert model.output_shape == (None, 136)
    assert model.layers[-1].activation.__name__ == "sigmoid"


def test_keypoint_head_for_vgg16_at_224_pixels():
    """7 x 7 x 512: Conv2D(512) leaves 5 x 5, pooling 2 x 2."""
    model = ConvHead(filters=512, hidden=512, output_activation="sigmoid").build([(7, 7, 512)], 136)
    counts = [count for layer in model.layers if (count := layer.count_params())]
    assert counts == [2_359_808, 2 * 2 * 512 * 512 + 512, 512 * 136 + 136]


SCRATCH = {"filters": (64, 128, 256, 512), "padding": ("valid", "same", "same", "same"), "hidden": 100}


@pytest.mark.parametrize(("size", "pool", "last"), [(50, 2, 6), (300, 2, 37), (300, 3, 11)])
def test_network_from_scratch(size, pool, last):
    """R3: four convolutions on pixels, three of them pooled, and aggressive pooling at 300 pixels."""
    head = ConvHead(**SCRATCH, pool_size=(pool, pool, pool, 1), dropout=0, scaling="none")
    flat = last * last * 512
    shapes = head.weight_shapes([(size, size, 3)], 1)
    assert sum(map(math.prod, shapes)) == (
        (27 * 64 + 64)
        + (576 * 128 + 128)
        + (1152 * 256 + 256)
        + (2304 * 512 + 512)
        + (flat * 100 + 100)
        + 101
    )
    if size == 50:
        model = head.build([(size, size, 3)], 1)
        kinds = [type(layer).__name__ for layer in model.layers][1:]
        pooled = ["Conv2D", "MaxPooling2D"] * 3
        assert kinds == [*pooled, "Conv2D", "Flatten", "Dense", "Dropout", "Dense"]
        assert model.count_params() == 3_394_377
        assert [layer.pool_size for layer in model.layers if hasattr(layer, "pool_size")] == [
            (pool, pool)
        ] * 3


def test_pixels_are_divided_by_255_and_no_network_is_there():
    row = get_backbone("pixels")
    model = build_network(row, resolve_weights(row, None), 50).model
    assert model.count_params() == 0
    pixels = np.random.default_rng(0).integers(0, 256, (2, 50, 50, 3), dtype=np.uint8)
    np.testing.assert_allclose(np.asarray(model(row.preprocess(pixels))), pixels / 255, atol=1e-6)


TUBERCULOSIS = MLPHead(
    hidden=128, dropout=0.8, hidden_dropout=0.0, l2=0.3, batch_norm=True, output_batch_norm=True
)


def test_tuberculosis_head_is_that_of_the_tutorial():
    """On 100 x 100 pixels ResNet50 has a map of 4 x 4 x 2048; the tutorial trains two units."""
    model = TUBERCULOSIS.build([(4, 4, 2048)], 2)
    kinds = [type(layer).__name__ for layer in model.layers if getattr(layer, "rate", 1) > 0]
    assert kinds[1:] == [
        *("GlobalAveragePooling2D", "BatchNormalization", "Dropout", "Dense", "BatchNormalization"),
        *("Activation", "Dense", "BatchNormalization"),
    ]
    assert model.count_params() == 4 * 2048 + (2048 * 128 + 128) + 4 * 128 + (128 * 2 + 2) + 4 * 2
    assert [weight.shape for weight in model.get_weights()] == TUBERCULOSIS.weight_shapes([(4, 4, 2048)], 2)


def test_tuberculosis_head_has_its_regularisers():
    model = TUBERCULOSIS.build([(4, 4, 2048)], 2)
    dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    assert [layer.units for layer in dense] == [128, 2]
    assert [float(layer.kernel_regularizer.l2) for layer in dense] == pytest.approx([0.3, 0.3])
    assert [layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"] == [0.8, 0.0]
    # A penalty of 0.3 on the squared weights of two fresh layers is paid at once.
    assert len(model.losses) == 2
    squares = sum(float((layer.get_weights()[0] ** 2).sum()) for layer in dense)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(0.3 * squares, rel=1e-5)

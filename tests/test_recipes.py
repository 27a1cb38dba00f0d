"""The checkable facts of the public tutorials: shapes and parameter counts, without a forward pass."""

from __future__ import annotations

import pytest

from transferkit.backbones import build_model, get_backbone, resolve_weights
from transferkit.heads import ConvHead, MLPHead


@pytest.fixture(scope="module")
def backbone():
    """From a name and a size to the frozen network; each is built once."""
    built = {}

    def get(name, size):
        if (name, size) not in built:
            row = get_backbone(name)
            built[name, size] = build_model(row, resolve_weights(row, None), size)
        return built[name, size]

    return get


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("vgg16", 256, (8, 8, 512)),
        ("vgg16", 300, (9, 9, 512)),
        ("vgg16", 224, (7, 7, 512)),
        ("vgg19", 300, (9, 9, 512)),
        ("resnet50", 256, (8, 8, 2048)),
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


def test_tuberculosis_head_has_its_regularisers():
    model = MLPHead(hidden=128, dropout=0.8, l2=0.3, batch_norm=True).build([(4, 4, 2048)], 2)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("BatchNormalization") == 2
    assert kinds[1] == "GlobalAveragePooling2D"
    dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    assert [layer.units for layer in dense] == [128, 2]
    assert [float(layer.kernel_regularizer.l2) for layer in dense] == pytest.approx([0.3, 0.3])
    assert {layer.rate for layer in model.layers if type(layer).__name__ == "Dropout"} == {0.8}
    # A penalty of 0.3 on the squared weights of two fresh layers is paid at once.
    assert len(model.losses) == 2
    squares = sum(float((layer.get_weights()[0] ** 2).sum()) for layer in dense)
    assert sum(float(loss) for loss in model.losses) == pytest.approx(0.3 * squares, rel=1e-5)

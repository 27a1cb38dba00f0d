"""Every row of the registry passes ``check_backbone``, and backbones with a known fault do not."""

from __future__ import annotations

import numpy as np
import pytest

from transferkit.backbones import (
    Backbone,
    any_weights,
    build_network,
    check_backbone,
    get_backbone,
    is_shipped,
    list_backbones,
    register_backbone,
)
from transferkit.backbones.keras_hub import HubPreset
from transferkit.errors import BackboneCheckError, InvalidInputError

QUICK = ("pixels", "scattering", "mobilenet")
COMMON = ("vgg16", "mobilenet_v3_small")
ROWS = [name for name in list_backbones() if is_shipped(get_backbone(name))]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in COMMON)])
def test_common_rows_pass(name):
    assert check_backbone(name) is get_backbone(name)


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in ROWS if name not in QUICK + COMMON])
def test_every_row_passes(name):
    import keras

    skip_what_cannot_be_built(get_backbone(name))
    keras.backend.clear_session()
    assert check_backbone(name) is get_backbone(name)


def skip_what_cannot_be_built(row):
    """Skip rows of an extra that is not installed, or whose random weights fill the memory."""
    if isinstance(row.constructor, HubPreset):
        pytest.importorskip("keras_hub", reason="KerasHub is not installed (extra hub)")
        if not row.constructor.config:
            pytest.skip(
                "its architecture stands in its preset alone; tests/test_keras_hub.py has a small one"
            )
        if row.name.startswith("metaclip2"):
            pytest.skip("630 million parameters; tests/test_keras_hub.py has a small one")


def operations(model):
    """Return the multiplications and additions of convolutions and dense layers for one image."""
    total = 0
    for layer in model.layers:
        if hasattr(layer, "layers"):
            total += operations(layer)
        elif "Conv" in type(layer).__name__ or type(layer).__name__ == "Dense":
            positions = np.prod(layer.output.shape[1:-1] or 1)
            kernels = sum(np.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
            total += 2 * positions * kernels
    return total


def check_size(name):
    backbone = get_backbone(name)
    skip_what_cannot_be_built(backbone)
    (facts,) = list_backbones(name, details=True)
    if facts["parameters"] is None:
        pytest.skip("not stated")
    network = build_network(backbone, any_weights(backbone), backbone.image_size)
    assert facts["parameters"] == pytest.approx(network.n_parameters / 1e6, rel=0.01, abs=0.05)
    if not isinstance(backbone.constructor, HubPreset):  # whose layers hide what they multiply
        assert facts["gflop"] == pytest.approx(operations(network.model) / 1e9, rel=0.05, abs=0.05)
    assert facts["width"] == network.tensors["last"].shape[-1]
    assert (facts["imagenet"] is None) == (facts["source"] is None)


@pytest.mark.parametrize("name", ["mobilenet", "vgg16"])
def test_sizes_are_those_of_the_networks(name):
    check_size(name)


@pytest.mark.full
@pytest.mark.parametrize("name", ROWS)
def test_all_sizes_are_those_of_the_networks(name):
    check_size(name)


def row(constructor, preprocess_input=lambda x: x / 127.5 - 1, **details):
    return Backbone("faulty", constructor, preprocess_input, 32, **details)


def network(*layers, training=None):
    """A constructor of a small functional network, by functions that make its layers."""

    def constructor(include_top, weights, input_shape):
        import keras

        inputs = x = keras.Input(input_shape)
        for make in layers:
            layer = make(keras.layers)
            takes_training = type(layer).__name__ in {"BatchNormalization", "Dropout"}
            x = layer(x, training=training) if training and takes_training else layer(x)
        return keras.Model(inputs, x)

    return constructor


def always(make):
    """A layer that is in training mode whatever it is told."""

    def wrapped(layers):
        layer = make(layers)
        call = layer.call
        layer.call = lambda x, training=None, mask=None: call(x, training=True)
        return layer

    return wrapped


def convolve(layers):
    return layers.Conv2D(8, 3, strides=4, activation="relu")


def normalise(layers):
    return layers.BatchNormalization()


def drop(layers):
    return layers.Dropout(0.5)


GOOD = network(convolve, normalise, drop)


def failures(row):
    with pytest.raises(BackboneCheckError) as caught:
        check_backbone(row)
    assert caught.value.name == "faulty"
    assert str(caught.value).startswith(
        f"Backbone 'faulty' failed {len(caught.value.failures)} check(s):\n  - "
    )
    return caught.value.failures


def test_the_network_that_the_faults_are_put_into_passes():
    good = row(GOOD)
    assert check_backbone(good) is good
    assert check_backbone(row(GOOD, image_size=64), image_size=40).name == "faulty"


def test_batch_normalisation_in_training_mode():
    # Statistics of the batch; Keras's own layer never takes them once the model is frozen, see below.
    faulty = network(convolve, lambda layers: layers.Lambda(lambda x: x / (1e-3 + abs(x[:1] - x[-1:]))))
    (failure,) = failures(row(faulty))
    assert failure.startswith("an image alone and in a batch of 8 has other features")
    assert "batch normalisation in training mode" in failure


def test_active_dropout():
    found = failures(row(network(convolve, always(drop))))
    assert found == ("the same images give other features the second time: is dropout active?",)


def test_training_mode_that_keras_overrides_is_no_fault():
    check_backbone(row(network(convolve, normalise, drop, training=True)))
    check_backbone(row(network(convolve, always(normalise))))


@pytest.mark.parametrize(
    ("scale", "preprocess_input", "what"),
    [
        (1 / 255, lambda x: x / 255, "its own Rescaling layer and preprocess_input"),
        (1 / 127.5, lambda x: x / 127.5 - 1, "its own Rescaling layer and preprocess_input"),
        (None, lambda x: x / 255**2, "preprocess_input"),
    ],
)
def test_pixels_scaled_twice(scale, preprocess_input, what):
    layers = [convolve] if scale is None else [lambda layers: layers.Rescaling(scale), convolve]
    (failure,) = failures(row(network(*layers), preprocess_input))
    assert failure.startswith(f"pixels are scaled twice: after {what} their deviation is 0.00")


@pytest.mark.parametrize("scale", [1 / 255, 1 / 127.5])
def test_pixels_scaled_once_inside_the_network(scale):
    check_backbone(row(network(lambda layers: layers.Rescaling(scale), convolve), lambda x: x))


def test_pixels_blown_up():
    (failure,) = failures(row(GOOD, lambda x: x * 255))
    assert failure.startswith("pixels are not scaled: the network sees a deviation of 1.")


def test_preprocessing_that_returns_nan():
    def divide_by_deviation(x):
        with np.errstate(all="ignore"):
            return (x - x.mean()) / (x.std(axis=0) * 0)

    found = failures(row(GOOD, divide_by_deviation))
    message = "preprocess_input returns NaN or infinity for pixels in 0..255, such as all black or all white."
    assert found == (message,)


def test_preprocessing_that_fails_on_black():
    def logarithm(x):
        with np.errstate(divide="ignore"):
            return np.log(x)

    assert "such as all black" in failures(row(GOOD, logarithm))[0]


def test_preprocessing_that_looks_at_the_batch():
    found = failures(row(GOOD, lambda x: (x - x.mean()) / (x.std() + 1)))
    assert len(found) == 1
    assert "treats an image alone and in a batch differently" in found[0]


def test_features_that_are_not_finite():
    faulty = network(convolve, lambda layers: layers.Lambda(lambda x: x / 0.0))
    assert failures(row(faulty)) == ("features are not finite.",)


def test_preprocessing_that_changes_the_shape():
    (failure,) = failures(row(GOOD, lambda x: x[:, ::2]))
    assert failure == "preprocess_input must keep (n, height, width) = (8, 32, 32). Got (8, 16, 32, 3)."


def test_constructor_that_does_not_accept_the_shape():
    (failure,) = failures(row(lambda include_top, weights: None))
    assert failure.startswith("the constructor must accept input_shape=(32, 32, 3), include_top=False: ")
    assert "input_shape" in failure.partition(": ")[2]


def test_constructor_that_needs_a_larger_picture_than_the_row_says():
    (failure,) = failures(row("keras.applications:Xception"))
    assert failure.startswith("the constructor must accept input_shape=(32, 32, 3)")
    assert "71" in failure


def test_constructor_that_returns_no_model():
    (failure,) = failures(row(lambda **_: None))
    assert "must return a keras.Model" in failure


def test_layers_that_do_not_exist():
    found = failures(row(GOOD, layers=("conv2d", "convolution", "last", "nothing")))
    assert found == ("layers has names that the network does not have: convolution, nothing.",)


def test_a_network_that_does_not_see_the_picture():
    faulty = network(convolve, lambda layers: layers.Rescaling(0, offset=3))
    assert failures(row(faulty)) == (
        "all images have the same features: the output does not depend on the image.",
    )


def test_a_network_that_sees_too_little_for_its_rounding():
    # Constants of 1000 leave fewer than 2e-5 of their size to the picture.
    faulty = network(convolve, lambda layers: layers.Rescaling(1e-3, offset=1000))
    assert any("does not depend on the image" in failure for failure in failures(row(faulty)))


def test_features_of_tiny_size_are_features():
    check_backbone(row(network(convolve, lambda layers: layers.Lambda(lambda x: x * 1e-21))))


def test_every_fault_is_told_at_once():
    found = failures(row(network(convolve, always(drop)), lambda x: x / 255**2, layers=("nothing",)))
    assert [failure.partition(":")[0] for failure in found] == [
        "pixels are scaled twice",
        "layers has names that the network does not have",
        "the same images give other features the second time",
    ]


def test_weights_of_the_wrong_type_are_not_blamed_on_the_constructor():
    with pytest.raises(InvalidInputError, match="weights must be"):
        check_backbone(row(GOOD), weights=3)


def test_registering_with_check_refuses_what_fails():
    with pytest.raises(BackboneCheckError, match="scaled twice"):
        register_backbone("faulty", GOOD, lambda x: x / 255**2, 32, check=True)
    assert "faulty" not in list_backbones()
    register_backbone("faulty", GOOD, lambda x: x / 255, 32, check=True)
    assert "faulty" in list_backbones()

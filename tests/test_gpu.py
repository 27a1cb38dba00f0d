"""Keras on a GPU, as far as a machine without one can tell: settings, precisions, memory that runs out."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from transferkit import FeatureExtractor, engines
from transferkit.backbones import Backbone, get_backbone, resolve_weights
from transferkit.engines import EngineRequest, _gpu, choose_engine, keras_engine
from transferkit.engines._gpu import InParts, full_float32, grow_memory, has_gpu
from transferkit.errors import EngineError, InvalidInputError

SIZE = 32
FUNCTION = Backbone.from_function(lambda batch: batch.mean((1, 2)), name="means", image_size=SIZE)


@pytest.fixture
def gpu(monkeypatch):
    """Imitate a machine with a GPU."""
    for module in (engines, sys.modules["transferkit.engines._keras"]):
        monkeypatch.setattr(module, "has_gpu", lambda: True)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (10, SIZE, SIZE, 3), dtype=np.uint8)


def build(name="mobilenet", precision="float32", layers=("conv_pw_5_relu", "last"), **options):
    row = get_backbone(name)
    return keras_engine(EngineRequest(row, resolve_weights(row, None), SIZE, layers, 8, precision, **options))


# Which engine


def test_a_gpu_is_used_by_networks_of_keras_alone(gpu):
    row = get_backbone("mobilenet")
    for precision in engines.PRECISIONS:
        assert choose_engine(row, "auto", precision) == ("keras", None)
    assert choose_engine(row, "openvino", "float32") == ("openvino", None)
    assert choose_engine(FUNCTION, "auto", "float32") == ("python", None)


def test_without_a_driver_keras_is_not_imported_to_look_for_a_gpu(monkeypatch):
    monkeypatch.setattr(_gpu, "_DEVICES", ("/no/such/device",))
    monkeypatch.setattr(_gpu, "keras_defaults", lambda: pytest.fail("Keras was imported"))
    monkeypatch.setattr(_gpu.platform, "system", lambda: "Linux")
    assert not has_gpu.__wrapped__()


def test_a_hidden_gpu_is_none(monkeypatch):
    monkeypatch.setattr(_gpu, "_DEVICES", ("/",))
    monkeypatch.setattr(_gpu, "_GPUS", dict.fromkeys(_gpu._GPUS, lambda: True))
    assert has_gpu.__wrapped__()
    monkeypatch.setattr(_gpu.platform, "system", lambda: "Linux")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert not has_gpu.__wrapped__()


# Settings of TensorFlow


def test_memory_grows_unless_tensorflow_has_started(monkeypatch):
    import tensorflow as tf

    asked = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}:0", f"{kind}:1"])
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda device, on: asked.append((device, on))
    )
    grow_memory()
    assert asked == [("GPU:0", True), ("GPU:1", True)]

    def too_late(device, on):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", too_late)
    grow_memory()


def test_float32_is_not_tf32_and_the_users_setting_returns(gpu, pixels, monkeypatch):
    import tensorflow as tf

    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    seen = []
    row = Backbone("mine", get_backbone("pixels").constructor, lambda x: x / 255, SIZE, image_size=SIZE)
    request = EngineRequest(row, resolve_weights(row, None), SIZE, ("last",), 8)
    tap = engines._keras.KerasNetwork.tap

    def watched(self, *args, **options):
        run = tap(self, *args, **options)
        return lambda batch: (seen.append(enabled()), run(batch))[1]

    monkeypatch.setattr(engines._keras.KerasNetwork, "tap", watched)
    assert enabled()
    keras_engine(request).run(pixels)
    assert (seen, enabled()) == ([False], True)
    with pytest.raises(ZeroDivisionError), full_float32():
        raise ZeroDivisionError
    assert enabled()


# Precision


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_near_and_is_no_float32(precision, pixels):
    layers = tuple(get_backbone("scattering").layers)
    full, half = build("scattering", layers=layers), build("scattering", precision, layers=layers)
    for exact, found in zip(full.run(pixels), half.run(pixels), strict=True):
        assert found.dtype == np.float32
        assert 1e-5 < np.abs(found - exact).max() / np.abs(exact).max() < 0.02


def test_a_network_of_the_user_stays_in_float32(pixels):
    import keras

    inputs = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv")(inputs))
    row = Backbone.from_keras(model, preprocess_input=lambda x: x / 255)
    full, half = (
        FeatureExtractor(row, grid=1, precision=precision, engine="keras", cache=False, progress=False)
        for precision in ("float32", "float16")
    )
    exact, found = full.transform(pixels), half.transform(pixels)
    assert 1e-6 < np.abs(found - exact).max() / np.abs(exact).max() < 0.01
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert (half.describe()["engine"], half.describe()["precision"]) == ("keras", "float16")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_functions_have_no_half_precision(precision):
    with pytest.raises(InvalidInputError, match="precision must be 'float32' for backbone 'means'"):
        choose_engine(FUNCTION, "auto", precision)


# Memory


class Memory:
    """A network for which there is memory for so many images."""

    def __init__(self, images, error):
        self.images, self.error, self.sizes = images, error, []

    def __call__(self, pixels, size):
        self.sizes.append(size)
        if size > self.images:
            raise self.error
        return [pixels.mean((1, 2)), pixels[:, 0, 0, :1]]


class ResourceExhaustedError(Exception):
    """As TensorFlow's."""


class XlaRuntimeError(RuntimeError):
    """As that of JAX."""


def padded(n, most):
    return min(max(n, 4), most)


@pytest.mark.parametrize(
    "error", [ResourceExhaustedError("OOM"), XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory")]
)
def test_a_batch_that_does_not_fit_is_halved_and_stays_so(error, pixels):
    network = Memory(3, error)
    run = InParts(network, padded, 10)
    means, corners = run(pixels)
    np.testing.assert_array_equal(means, pixels.mean((1, 2)))
    np.testing.assert_array_equal(corners, pixels[:, 0, 0, :1])
    assert network.sizes == [10, 5, 2, 2, 2, 2, 2]
    network.sizes.clear()
    run(pixels[:3])
    assert network.sizes == [2, 2]


def test_one_image_that_does_not_fit_is_an_error(pixels):
    run = InParts(Memory(0, ResourceExhaustedError("OOM")), padded, 10)
    with pytest.raises(EngineError, match="more memory for one image than is free"):
        run(pixels)


@pytest.mark.parametrize("error", [ValueError("RESOURCE_EXHAUSTED"), XlaRuntimeError("INTERNAL")])
def test_other_errors_are_not_tried_again(error, pixels):
    network = Memory(3, error)
    with pytest.raises(type(error)):
        InParts(network, padded, 10)(pixels)
    assert len(network.sizes) == 1

"""Keras on PyTorch and JAX: the same weights give the same features, and heads learn from them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transferkit import FeatureExtractor, config_context
from transferkit.datasets import make_faces

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
WORK = """
import sys
import keras
import numpy as np
from tests.test_keras_backends import FACES, features
from transferkit import Classifier, KeypointRegressor, config_context, load

folder, backend = sys.argv[1:]
assert keras.backend.backend() == backend
faces, options = FACES, {"weights": f"{folder}/mobilenet.weights.h5", "image_size": 64}
np.save(f"{folder}/{backend}.npy", features(folder))
with config_context(progress=False, cache=False, engine="keras"):
    clf = Classifier("mobilenet", **options, layers="conv_pw_5_relu", head="mlp")
    clf.fit(faces.images, faces.labels)
    clf.save(f"{folder}/{backend}.safetensors")
    again = load(f"{folder}/{backend}.safetensors")
    assert np.allclose(again.predict_proba(faces.images), clf.predict_proba(faces.images), atol=1e-6)
    kp = KeypointRegressor("mobilenet", **options, layers="conv_pw_5_relu", head="linear", refine=0)
    kp.fit(faces.images, faces.keypoints)
"""


FACES = make_faces(24, size=64, random_state=0)


def features(folder):
    """Features by the backend of Keras that this process has."""
    with config_context(progress=False, cache=False, engine="keras"):
        extractor = FeatureExtractor(
            "mobilenet", layers=["conv_pw_5_relu", "last"], grid=1,
            weights=f"{folder}/mobilenet.weights.h5", image_size=64,
        )  # fmt: skip
        return extractor.transform(FACES.images)


def run(backend, folder):
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-W", "error::RuntimeWarning", "-c", WORK, str(folder), backend]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return np.load(folder / f"{backend}.npy")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with weights whose activations neither vanish nor grow."""
    import keras

    folder = tmp_path_factory.mktemp("backends")
    model = keras.applications.MobileNet(include_top=False, weights=None, input_shape=(64, 64, 3))
    draw = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name in ("kernel", "depthwise_kernel"):
                fan_in = np.prod(variable.shape[: -1 if variable.name == "kernel" else 2])
                variable.assign(draw.normal(0, np.sqrt(2 / fan_in), variable.shape))
    model.save_weights(folder / "mobilenet.weights.h5")
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """Features on TensorFlow, which runs here: no other process needs to start it."""
    import keras

    assert keras.backend.backend() == "tensorflow"
    return features(folder)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_features_are_those_of_tensorflow(backend, folder, expected):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    found = run(backend, folder)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()

"""Shared fixtures: an isolated cache, and a tiny backbone that is numpy only."""

from __future__ import annotations

import gc
import itertools
import os
import resource
import sys
import threading
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from transferkit import engines, set_config
from transferkit.backbones import Backbone, registry
from transferkit.foundation import config
from transferkit.foundation.maps import pool_to_grid

os.environ.setdefault("MPLBACKEND", "Agg")

# Whoever imports openvino first would let it report to its makers, from threads that fork: the process may
# then wait for ever for locks of numpy's. transferkit itself does the same before it imports it.
sys.modules.setdefault("openvino_telemetry", None)

_LARGE_KB = 4 * 1024**2


@pytest.fixture(scope="module", autouse=True)
def no_networks_left():
    """Free the networks of a file once the process is large: all slow tests would leave 7 GB of them.

    Not after each file: looking for them takes three seconds, and four minutes of a run of all quick tests.
    """
    yield
    if "keras" in sys.modules and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _LARGE_KB:
        import keras

        keras.backend.clear_session()
        gc.collect()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_behind():
    """Restore configuration and registry after a file: what its fixtures set must not reach the next one."""
    with pytest.MonkeyPatch.context() as patch, registry.preserved():
        patch.setattr(config, "_process", {})
        yield


@pytest.fixture(scope="session")
def new_folder(tmp_path_factory):
    """Return a function that names a folder which nothing has used; it is not made.

    ``mktemp`` would look through all folders of the tests before, for each test.
    """
    place, numbers = tmp_path_factory.mktemp("isolated"), itertools.count()
    return lambda: place / str(next(numbers))


@pytest.fixture(autouse=True)
def isolated(new_folder, monkeypatch):
    """Keep tests away from the files of the user, and restore the registry."""
    folder = new_folder()
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(folder / "cache"))
    monkeypatch.delenv("TRANSFERKIT_WEIGHTS", raising=False)
    monkeypatch.setattr(config, "_process", {})
    monkeypatch.setenv("KERAS_HOME", str(folder / "keras"))
    with registry.preserved():
        yield


class FakeEngine:
    """A backbone in numpy that counts: block means, and their squares, of the pixels.

    Its layers are ``fine`` (8 x 8 x 6), ``last`` (4 x 4 x 3) and ``vector`` (5,), averaged over grids that
    are asked for.
    """

    def __init__(self):
        self.calls = 0
        self.images = 0
        self.built = 0
        self.lock = threading.Lock()

    def build(self, request):
        self.built += 1

        def run(pixels, keep=engines.as_they_are):
            assert pixels.dtype == np.uint8
            assert pixels.shape[1:] == (request.image_size, request.image_size, 3)
            assert len(pixels) <= request.batch_size
            with self.lock:  # batches run in several threads
                self.calls += 1
                self.images += len(pixels)
            x = pixels.astype(np.float32) / 255

            def blocks(n):
                side = request.image_size // n
                return x[:, : n * side, : n * side].reshape(len(x), n, side, n, side, 3).mean(axis=(2, 4))

            fine = blocks(8)
            maps = {
                "fine": np.concatenate([fine, fine**2], axis=-1),
                "last": blocks(4),
                "vector": np.stack([x.mean((1, 2, 3)), x.std((1, 2, 3)), *x.mean((1, 2)).T], axis=1),
            }
            found = [maps[layer] for layer in request.layers]
            if request.grids is not None:  # as OpenVINO may
                found = [pool_to_grid(each, grid) for each, grid in zip(found, request.grids, strict=True)]
            return keep(found)

        return engines.Engine("fake", run)


TINY = Backbone(
    "tiny",
    constructor="nowhere:never_imported",
    preprocess_input="nowhere:never_imported",
    min_size=16,
    image_size=32,
    layers=("fine", "last"),
    pretrained=False,
)
registry.ship(TINY)  # its network cannot be built, so it is identified by name and version


class PlainHead:
    """What the protocol of heads asks for, but kinds and what it learns; for heads of users."""

    layers: ClassVar = "last"
    pools: ClassVar = True
    uses_validation: ClassVar = False
    averages_views: ClassVar = True
    half: ClassVar = False
    refinement: ClassVar = None


@pytest.fixture
def engine(monkeypatch):
    """The fake engine, entered as ``"fake"``."""
    fake = FakeEngine()
    monkeypatch.setitem(engines.ENGINES, "fake", fake.build)
    return fake


@pytest.fixture
def tiny(engine):
    """Parameters of an estimator or extractor on the fake engine, which is configured to run."""
    set_config(engine="fake", progress=False)
    return {"backbone": TINY}


@pytest.fixture
def pictures(tmp_path):
    """Sixty picture files of two kinds, bright on the left or on the right, and their labels."""
    return make_pictures(tmp_path / "pictures", 60)


def make_pictures(folder, n, seed=0):
    """Write n PNG files of assorted sizes; return paths and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    paths, labels = [], []
    for i in range(n):
        height, width = generator.integers(30, 70, 2)
        pixels = generator.uniform(0, 160, (height, width, 3))
        label = ("left", "right")[i % 2]
        half = slice(None, width // 2) if label == "left" else slice(width // 2, None)
        pixels[:, half] += generator.uniform(10, 60)
        path = folder / f"{i:04}.png"
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
        paths.append(path)
        labels.append(label)
    return paths, np.array(labels)


def make_triangles(n=100):
    """Return pictures of a red, a green and a blue blob, their points, and which blue ones are hidden."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :80]
    images, points, hidden = [], [], generator.random(n) < 0.3
    for is_hidden in hidden:
        pixels = np.full((64, 80, 3), 30.0)
        x, y = generator.uniform(20, 30), generator.uniform(15, 25)
        shape = [[x, y], [x + 25, y], [x + generator.uniform(0, 25), y + generator.uniform(12, 25)]]
        for channel, (px, py) in enumerate(shape):
            if channel < 2 or not is_hidden:
                pixels[..., channel] += 200 * np.exp(-((columns - px) ** 2 + (rows - py) ** 2) / 60)
        images.append(pixels.clip(0, 255).astype(np.uint8))
        points.append(shape)
    return images, np.array(points), hidden

"""Activations of one layer, by name and by position."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY
from transferkit import FeatureExtractor, extract_activations
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.extraction import _activations


def activations(X, *args, **details):
    return extract_activations(TINY, X, *args, engine="fake", **details)


def test_they_are_those_of_the_layer_and_not_rounded(engine, pictures):
    paths, _ = pictures
    maps = activations(paths[:5], "fine", batch_size=2)
    assert maps.shape == (5, 8, 8, 6)
    assert maps.dtype == np.float32
    assert (engine.calls, engine.images) == (3, 5)
    extractor = FeatureExtractor(TINY, layers="fine", grid="full", engine="fake", cache=False, progress=False)
    np.testing.assert_allclose(maps, extractor.extract(paths[:5]).maps()[0], atol=1e-3)
    assert (maps != maps.astype(np.float16)).any()


def test_nothing_goes_into_the_cache(engine, pictures, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the cache was asked for")

    monkeypatch.setattr("transferkit.extraction._parameters.FeatureCache", refuse)
    activations(pictures[0][:2])


def test_float_arrays_have_one_range(engine):
    bright, dark = np.full((40, 40, 3), 200.0), np.full((40, 40, 3), 0.5)
    with pytest.raises(
        InvalidInputError, match=r"X has float arrays up to 200, .* Pass value_range=\(0, 255\)"
    ):
        activations([bright, dark])
    maps = activations([bright, dark], value_range=(0, 255))
    np.testing.assert_allclose(maps.mean((1, 2, 3)), [200 / 255, 0], atol=1 / 255)


def test_filters_are_kept_in_their_order(engine, pictures):
    whole = activations(pictures[0][0], "fine")
    np.testing.assert_array_equal(activations(pictures[0][0], "fine", filters=[4, 1]), whole[..., [4, 1]])
    for wrong in ([6], [-1], [], 3):
        with pytest.raises(InvalidInputError, match=r"numbers in 0\.\.5"):
            activations(pictures[0][0], "fine", filters=wrong)


def test_a_layer_may_be_told_by_its_position(engine, pictures, monkeypatch):
    monkeypatch.setattr(_activations, "list_layers", lambda *args, **kwargs: ["fine", "last"])
    assert activations(pictures[0][0], 0).shape == (1, 8, 8, 6)
    assert activations(pictures[0][0], -1).shape == (1, 4, 4, 3)
    for wrong in (2, -3, True):
        with pytest.raises(InvalidInputError, match=r"position in 0\.\.1. Got"):
            activations(pictures[0][0], wrong)


def test_layers_may_give_vectors(engine):
    assert activations(np.zeros((2, 20, 20, 3), np.uint8), "vector").shape == (2, 5)


def test_what_cannot_be_read_is_named(engine, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(BadImageError, match="Image 1: .*b.png"):
        activations([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(InvalidInputError, match="X has no images"):
        activations([])


@pytest.mark.slow
def test_first_layer_of_vgg16_by_its_position():
    """Recipe R8: positions count from the input, and the maps are as large as the picture."""
    from transferkit import list_layers

    layers = list_layers("vgg16", image_size=64)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    position = layers.index("block1_conv1")
    maps = extract_activations("vgg16", picture, position, weights=None, image_size=64)
    assert position == 1
    assert maps.shape == (1, 64, 64, 64)

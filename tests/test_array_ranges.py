"""Arrays of one fit have one black and one white: no row depends on the others of its batch."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.conftest import TINY
from transferkit import Classifier, FeatureExtractor, KeypointRegressor, load
from transferkit.backbones import registry
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.images import array_ranges

LABELS = [0, 1] * 10


@pytest.fixture
def stack():
    """Twenty images within 0..255 as floats, one of them nearly black."""
    images = np.random.default_rng(0).integers(0, 256, (20, 40, 40, 3)).astype(np.float64)
    images[7] = images[7] > 127
    return images


def bytes_of(stack):
    return np.rint(stack).astype(np.uint8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int16])
def test_a_nearly_black_image_is_read_as_the_others(tiny, stack, dtype):
    expected = FeatureExtractor(**tiny).transform(bytes_of(stack))
    extractor = FeatureExtractor(**tiny).fit(stack.astype(dtype))
    np.testing.assert_array_equal(extractor.transform(stack.astype(dtype)), expected)
    np.testing.assert_array_equal(extractor.transform(stack[7:8].astype(dtype)), expected[7:8])
    again = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(again.transform(stack[7:8].astype(dtype)), expected[7:8])


def test_16_bits_that_are_nearly_black(tiny, stack):
    wide = (stack * 257).astype(np.uint16)
    extractor = FeatureExtractor(**tiny).fit(wide)
    assert extractor.array_ranges_ == {"uint16": (0, 65535)}
    np.testing.assert_array_equal(
        extractor.transform(wide), FeatureExtractor(**tiny).transform((wide >> 8).astype(np.uint8))
    )


@pytest.mark.parametrize("kind", [Classifier, KeypointRegressor])
def test_a_model_keeps_the_range_of_its_training(tiny, stack, kind, tmp_path):
    registry.add(TINY)
    targets = LABELS if kind is Classifier else np.random.default_rng(1).uniform(5, 35, (20, 10))
    model = kind(**tiny, head="linear").fit(stack, targets)
    same = kind(**tiny, head="linear").fit(bytes_of(stack), targets)
    ask = "predict_proba" if kind is Classifier else "predict"
    expected = getattr(same, ask)(bytes_of(stack))
    model.save(tmp_path / "model.safetensors")
    for each in (model, pickle.loads(pickle.dumps(model)), load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(getattr(each, ask)(stack), expected)
        np.testing.assert_allclose(getattr(each, ask)(stack[7]), expected[7:8], rtol=1e-12)
    assert model.extractor_.describe()["array_ranges"] == {"float": [0, 255]}
    model.fit(stack / 255, targets)  # learned anew
    np.testing.assert_array_equal(getattr(model, ask)(stack / 255), expected)
    with pytest.raises(
        BadImageError, match=r"up to 255, but the arrays of fit were read as 0\.\.1\. Scale it"
    ):
        getattr(model, ask)(stack)


def test_what_a_model_reads_darker_than_its_training_has_a_note(tiny, stack):
    clf = Classifier(**tiny).fit(stack, LABELS)
    features = clf.extract(stack[7:8, ::-1])
    assert any("nearly black" in note for note in features.report.notes)


def test_one_range_is_kept_for_floats_and_another_for_integers(stack):
    images = [*stack, *(stack / 255).astype(np.float32)]
    with pytest.raises(InvalidInputError, match="fit a FeatureExtractor on all"):
        FeatureExtractor("scattering", weights=None).transform(images)
    assert array_ranges([stack[0], bytes_of(stack)[1], stack[2].astype(int), "a path"]) == {
        "float": (0, 255), "integer": (0, 255)
    }  # fmt: skip


@pytest.mark.parametrize(
    "change", [lambda x: x / 255 * 16, lambda x: x - 128, lambda x: x * 4, lambda x: x / 255 * 100]
)
@pytest.mark.parametrize("dtype", [float, int])
def test_doubtful_stacks_are_refused_before_anything_is_computed(tiny, engine, stack, change, dtype):
    doubtful = change(stack).astype(dtype)
    for fit in (
        lambda: Classifier(**tiny).fit(doubtful, LABELS),
        lambda: FeatureExtractor(**tiny).fit(doubtful),
    ):
        with pytest.raises(InvalidInputError, match=r"20 \w+ arrays with values from .*value_range="):
            fit()
    assert engine.images == 0


def test_the_digits_of_scikit_learn_are_named(tiny):
    digits = load_digits()
    images = digits.images[:200].repeat(3, 1).repeat(3, 2)  # 24 x 24
    target = digits.target[:200]
    with pytest.raises(InvalidInputError, match=r"from 0 to 16.*value_range=\(0, 16\)"):
        Classifier(**tiny).fit(images, target)
    clf = Classifier(**tiny, extractor=FeatureExtractor(value_range=(0, 16))).fit(images, target)
    assert clf.report_.failures == []


def test_a_pipeline_settles_it_too(tiny, stack):
    expected = make_pipeline(FeatureExtractor(**tiny, grid=1), LogisticRegression()).fit(
        bytes_of(stack), LABELS
    )
    pipeline = make_pipeline(FeatureExtractor(**tiny, grid=1), LogisticRegression()).fit(stack, LABELS)
    np.testing.assert_array_equal(
        pipeline.predict_proba(stack[7:8]), expected.predict_proba(bytes_of(stack)[7:8])
    )
    assert clone(pipeline[0]).array_ranges_ == {}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_row_never_depends_on_its_batch(data):
    n = data.draw(st.integers(2, 6))
    images = [
        np.full((16, 16), data.draw(st.sampled_from([0.0, 0.4, 1.0, 1.2, 17.0, 90.0, 200.0, 255.0])))
        for _ in range(n)
    ]
    some = data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True))

    def squares(which):
        from transferkit.images import read_source

        try:
            ranges = array_ranges(images)
        except InvalidInputError:
            return None
        return [read_source(images[i], ranges=ranges).decode().pixels.max() for i in which]

    everything = squares(range(n))
    if everything is not None:
        assert squares(some) == [everything[i] for i in some]
        high = max(image.max() for image in images)
        expected = [np.rint(image.max() * (255 if high <= 1 else 1)) for image in images]
        assert everything == expected


def test_the_row_of_an_image_that_is_read_alike_is_shared(tiny, engine, stack):
    FeatureExtractor(**tiny).fit(stack).transform(stack)
    count = engine.images
    rest = np.delete(stack, 7, axis=0)
    FeatureExtractor(**tiny).transform(rest)  # by itself, each of these is read as 0..255 too
    assert engine.images == count
    FeatureExtractor(**tiny).transform(stack[7:8])  # this one is not
    assert engine.images == count + 1

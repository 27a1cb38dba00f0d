"""Whatever hypothesis thinks of, as a model or as a picture: refused by name, or right."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tests.test_images_damage import healthy_files, repair_checksums
from tests.test_storage import changed, load_or_refuse, places
from transferkit import Classifier
from transferkit.errors import BadImageError
from transferkit.images import CATEGORIES, load_image
from transferkit.persistence._file import read_model, write_model

CALM = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=CALM)
LONG = settings(max_examples=5_000, deadline=None, suppress_health_check=CALM)

# Models

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
tensors_of_any_kind = st.dictionaries(
    st.sampled_from(["head.weights", "head.intercept", "head.mean", "round.0.mean", "weights", ""]),
    st.sampled_from([np.float32, np.float64, np.int8, np.bool_, np.uint64]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, max_side=6), fill=st.just(1))
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A path, the arrays and the document of a small model, and rows to ask it about."""
    X = np.random.default_rng(0).normal(size=(30, 5))
    path = tmp_path_factory.mktemp("fuzz") / "model"
    Classifier("precomputed").fit(X, np.arange(30) % 3).save(path)
    return path, *read_model(path), X


def load_any_model(saved, data):
    path, tensors, document, X = saved
    known = sorted(places(document), key=repr)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(known))
        try:
            document = changed(document, place, data.draw(values))
        except (KeyError, TypeError, IndexError):  # an earlier change took the place away
            continue
    try:
        text = json.dumps(document, allow_nan=False).encode()
        arrays = {**tensors, **data.draw(st.just({}) | tensors_of_any_kind)}
        write_model(path, arrays, document)
    except (ValueError, UnicodeEncodeError):  # not JSON that anybody can write: lone surrogates, NaN
        return
    assert len(text) < 1 << 20
    load_or_refuse(path, X)


@pytest.mark.slow
@given(data=st.data())
@QUICK
def test_any_model_is_refused_or_answers(saved, data):
    load_any_model(saved, data)


@pytest.mark.full
@given(data=st.data())
@LONG
def test_any_of_many_models_is_refused_or_answers(saved, data):
    load_any_model(saved, data)


# Pictures

HEALTHY = healthy_files()
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30), st.binary(max_size=12)), min_size=1, max_size=6
)


def load_any_picture(number, edits, repair):
    format, data = HEALTHY[number]
    for share, length, inserted in edits:
        at = int(share * len(data))
        data = data[:at] + inserted + data[at + length :]
    if repair and format == "PNG":
        data = repair_checksums(data)
    check_picture(data)


def check_picture(data):
    try:
        pixels, category = load_image(data).pixels, CATEGORIES[0]
    except BadImageError as error:
        pixels, category = np.zeros((1, 1, 3), np.uint8), error.category
    assert category in CATEGORIES
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


pictures = given(number=st.integers(0, len(HEALTHY) - 1), edits=edits, repair=st.booleans())


@pictures
@QUICK
def test_any_damage_gives_pixels_or_a_bad_image_error(number, edits, repair):
    load_any_picture(number, edits, repair)


@pytest.mark.full
@pictures
@LONG
def test_any_of_much_damage_gives_pixels_or_a_bad_image_error(number, edits, repair):
    load_any_picture(number, edits, repair)


@given(start=st.sampled_from([data[:n] for _, data in HEALTHY for n in (0, 4, 12, 40)]), rest=st.binary())
@example(start=b"BM", rest=bytes(60))
@QUICK
def test_any_bytes_after_any_beginning(start, rest):
    check_picture(start + rest)

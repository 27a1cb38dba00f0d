"""The Keras engine: a row of the answer depends on its own picture only, whoever asks and however many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from transferkit import FeatureExtractor, engines
from transferkit.backbones import Backbone, build_keras_network, get_backbone, resolve_weights
from transferkit.engines import EngineRequest, check_engine, keras_engine
from transferkit.engines._engine import pad
from transferkit.engines._keras import _padded_size
from transferkit.errors import InvalidInputError, quoted

SIZE = 32
LAYERS = ("conv_pw_5_relu", "conv_pw_11_relu", "last")
TOLERANCE = 2e-5  # of the deviation of the features


def build(name="mobilenet", layers=LAYERS, batch_size=32):
    row = get_backbone(name)
    return keras_engine(EngineRequest(row, resolve_weights(row, None), SIZE, layers, batch_size))


@pytest.fixture(scope="module")
def engine():
    return build()


@pytest.fixture(scope="module")
def vgg16():
    """Its preprocess_input writes into its argument."""
    return build("vgg16", ("block1_conv1",))


@pytest.fixture(scope="module")
def pixels():
    """Pictures that differ as much as pictures can: noise, gradients, black and white."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (40, SIZE, SIZE, 3), dtype=np.uint8)
    pixels[1::2] = np.linspace(0, 255, SIZE, dtype=np.uint8)[None, :, None, None]
    pixels[::4] = pixels[::4] // np.arange(1, 11, dtype=np.uint8)[:, None, None, None]
    pixels[5], pixels[6] = 0, 255
    return pixels


@pytest.fixture(scope="module")
def expected(engine, pixels):
    """Every picture alone, the first way."""
    return [np.concatenate(maps) for maps in zip(*(engine.run(p[None]) for p in pixels), strict=True)]


def test_engines_know_how_large_their_backbone_is(engine):
    assert engine.n_parameters == 3_228_864  # of MobileNet without its top


def assert_close(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == np.float32
        assert np.abs(a - b).max() <= TOLERANCE * b.std()


def test_answers_are_maps_by_layer_that_tell_pictures_apart(engine, expected):
    assert engine.name == "keras"
    assert [maps.shape for maps in expected] == [(40, 4, 4, 256), (40, 2, 2, 512), (40, 1, 1, 1024)]
    for maps in expected:
        assert np.isfinite(maps).all()
        assert np.abs(maps[0] - maps[1]).max() > 100 * TOLERANCE * maps.std()


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 32, 40])
def test_a_row_does_not_depend_on_the_size_of_its_batch(engine, pixels, expected, n):
    assert_close(engine.run(pixels[:n]), [maps[:n] for maps in expected])


def test_a_row_does_not_depend_on_its_neighbours_or_its_place(engine, pixels, expected):
    order = np.random.default_rng(1).permutation(32)
    assert_close(engine.run(pixels[order]), [maps[order] for maps in expected])
    twins = np.repeat(pixels[3:4], 7, axis=0)
    assert_close(engine.run(twins), [np.repeat(maps[3:4], 7, axis=0) for maps in expected])


def test_no_pictures_give_no_rows(engine, pixels):
    assert [maps.shape[0] for maps in engine.run(pixels[:0])] == [0, 0, 0]


@pytest.mark.parametrize(
    ("n", "batch_size", "padded"),
    [
        (1, 32, 1),
        (2, 32, 8),
        (8, 32, 8),
        (9, 32, 32),
        (32, 32, 32),
        (40, 32, 40),
        (3, 4, 4),
        (0, 8, 1),
        (9, 512, 32),
        (33, 512, 128),
        (129, 512, 512),
        (512, 512, 512),
    ],
)
def test_batches_are_padded_to_few_sizes(n, batch_size, padded):
    pixels = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    result = pad(pixels, _padded_size(n, batch_size))
    assert len(result) == padded
    np.testing.assert_array_equal(result[:n], pixels)
    assert (result[n:] == max(n - 1, 0)).all()


@pytest.mark.slow
def test_few_sizes_mean_few_traces(pixels, monkeypatch):
    tf = pytest.importorskip("tensorflow")
    made = []
    function = tf.function
    monkeypatch.setattr(tf, "function", lambda *args, **kw: made.append(function(*args, **kw)) or made[-1])
    engine = build("scattering", ("last",))
    for n in (1, 2, 3, 5, 8, 9, 20, 32, 1, 7):
        assert len(engine.run(pixels[:n])[0]) == n
    (call,) = [each for each in made if hasattr(each, "experimental_get_tracing_count")]
    assert call.experimental_get_tracing_count() == 3


@pytest.mark.slow
def test_several_layers_in_one_pass_equal_single_ones(engine, pixels):
    together = engine.run(pixels[:8])
    for layer, maps in zip(LAYERS, together, strict=True):
        assert_close(build(layers=(layer,)).run(pixels[:8]), [maps])


def test_layers_come_in_the_order_that_was_asked_for(pixels, expected):
    assert_close(build(layers=LAYERS[::-1]).run(pixels[:8]), [maps[:8] for maps in expected[::-1]])


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_pixels_of_the_caller_stay_as_they_are(vgg16, pixels, n, dtype):
    mine = pixels[:n].astype(dtype)
    before = mine.copy()
    first = vgg16.run(mine)
    np.testing.assert_array_equal(mine, before)
    mine.flags.writeable = False
    np.testing.assert_array_equal(vgg16.run(mine)[0], first[0])


def test_vgg16_does_write_into_its_argument(pixels):
    """Otherwise the test above proves nothing."""
    _, preprocess_input, _ = get_backbone("vgg16").triple
    mine = pixels[:1].astype(np.float32)
    preprocess_input(mine)
    assert not np.array_equal(mine, pixels[:1])


def test_features_are_those_of_keras_after_its_own_preprocessing(engine, pixels):
    keras = pytest.importorskip("keras")
    ready = keras.applications.mobilenet.preprocess_input(pixels[:8].astype(np.float32))
    row = get_backbone("mobilenet")
    model = build_keras_network(row, resolve_weights(row, None), SIZE).model
    assert_close(engine.run(pixels[:8])[-1:], [np.asarray(model(ready, training=False))])


def test_eight_threads_get_what_one_gets(pixels):
    engine = build()  # untraced, so that the threads race for the traces as well
    sizes = [1, 2, 5, 8, 9, 16, 1, 3] * 3
    batches = [np.roll(pixels, i, axis=0)[:n] for i, n in enumerate(sizes)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(engine.run, batches))
    for batch, maps in zip(batches, found, strict=True):
        assert_close(maps, engine.run(batch))


def test_names_of_engines():
    with pytest.raises(InvalidInputError) as caught:
        check_engine("tensorrt")
    assert str(caught.value) == f"engine must be {quoted(['auto', *engines.ENGINES], 'or')}. Got 'tensorrt'."


def test_unknown_layers_are_refused_when_the_engine_is_built():
    with pytest.raises(InvalidInputError, match=r"layers must name layers of the backbone\. Got 'nothing'\."):
        build(layers=("last", "nothing"))


def test_a_constructor_that_builds_something_else_is_never_stale():
    """The same function, other weights: nothing of the first model may be used again."""
    import keras

    fill = 1.0

    def constructor(include_top, weights, input_shape):
        inputs = keras.Input(input_shape)
        layer = keras.layers.Conv2D(2, 3, kernel_initializer=keras.initializers.Constant(fill))
        return keras.Model(inputs, layer(inputs))

    row = Backbone("changing", constructor, lambda x: x / 255, 16, image_size=16)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    first = FeatureExtractor(row, weights=None, grid=1, progress=False).transform(pixels)
    fill = 2.0
    second = FeatureExtractor(row, weights=None, grid=1, progress=False).transform(pixels)
    np.testing.assert_allclose(second, 2 * first, rtol=2e-3)

"""The OpenVINO engine: the features of Keras, row by row, whoever asks and however many."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from tests.contracts.test_backbones_contract import skip_what_cannot_be_built
from transferkit import Classifier, FeatureExtractor, list_backbones, load
from transferkit.backbones import Backbone, get_backbone, list_layers, resolve_weights
from transferkit.engines import (
    ENGINES,
    EngineRequest,
    _openvino,
    keras_engine,
    openvino_engine,
    shared_engine,
)
from transferkit.engines._parity import compare, disparity, probes
from transferkit.errors import EngineError, InvalidInputError, ModelFileError

pytest.importorskip("openvino", reason="OpenVINO is not installed")
pytestmark = pytest.mark.openvino

SIZE = 32
LAYERS = ("conv_pw_5_relu", "conv_pw_11_relu", "last")
TOLERANCE = 2e-5  # of the deviation of the features


def build(make=openvino_engine, name="mobilenet", layers=LAYERS, batch_size=32, precision="float32"):
    row = get_backbone(name)
    return make(EngineRequest(row, resolve_weights(row, None), SIZE, layers, batch_size, precision))


@pytest.fixture(scope="module")
def engine():
    return build()


@pytest.fixture(scope="module")
def pixels():
    """Pictures that differ as much as pictures can: noise, gradients, black and white."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 3), dtype=np.uint8)
    pixels[1::2] = np.linspace(0, 255, SIZE, dtype=np.uint8)[None, :, None, None]
    pixels[::4] = pixels[::4] // np.arange(1, 11, dtype=np.uint8)[:, None, None, None]
    pixels[5], pixels[6] = 0, 255
    return pixels


@pytest.fixture(scope="module")
def expected(engine, pixels):
    """Every picture alone."""
    return [np.concatenate(maps) for maps in zip(*(engine.run(p[None]) for p in pixels), strict=True)]


def assert_close(found, expected, tolerance=TOLERANCE):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == np.float32
        assert np.abs(a - b).max() <= tolerance * b.std()


def test_features_are_those_of_keras(pixels, expected):
    """Bfloat16, which this library never uses unasked, would be off by several hundredths."""
    assert_close(expected, build(keras_engine).run(pixels), 1e-4)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 32, 40])
def test_a_row_does_not_depend_on_the_size_of_its_batch(engine, pixels, expected, n):
    assert_close(engine.run(pixels[:n]), [maps[:n] for maps in expected])


@pytest.mark.parametrize(
    "batch_size", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(20, marks=pytest.mark.slow)]
)
def test_nor_on_the_size_that_was_asked_for(pixels, expected, batch_size):
    assert_close(build(batch_size=batch_size).run(pixels[:20]), [maps[:20] for maps in expected])


def test_a_row_does_not_depend_on_its_neighbours_or_its_place(engine, pixels, expected):
    order = np.random.default_rng(1).permutation(32)
    assert_close(engine.run(pixels[order]), [maps[order] for maps in expected])


def test_no_pictures_give_no_rows(engine, pixels):
    assert [maps.shape for maps in engine.run(pixels[:0])] == [
        (0, 4, 4, 256),
        (0, 2, 2, 512),
        (0, 1, 1, 1024),
    ]


def test_later_calls_leave_earlier_answers_alone(engine, pixels, expected):
    for n in (1, 3):
        first = engine.run(pixels[:n])
        engine.run(pixels[20 : 20 + n])
        assert_close(first, [maps[:n] for maps in expected])


def test_the_pixels_of_the_caller_stay_as_they_are(pixels):
    """The preprocess_input of VGG16 writes into its argument."""
    engine = build(name="vgg16", layers=("block1_conv1",))
    for n in (1, 8):  # of these no padded copy is made
        mine = pixels[:n].astype(np.float32)
        engine.run(mine)
        np.testing.assert_array_equal(mine, pixels[:n])


@pytest.mark.slow
def test_layers_come_in_the_order_that_was_asked_for(pixels):
    """With more than ten: their names, sorted, would come in another order."""
    names = [name for name in list_layers("mobilenet", image_size=SIZE) if name.endswith("relu")]
    order = tuple(names[i] for i in np.random.default_rng(0).permutation(len(names)))
    assert len(order) > 12
    assert_close(build(layers=order).run(pixels[:4]), build(keras_engine, layers=order).run(pixels[:4]), 1e-4)


@pytest.mark.slow
def test_eight_threads_get_what_one_gets(pixels, expected):
    engine = build()  # the one for single images is not compiled yet
    sizes = [1, 2, 5, 8, 9, 16, 1, 3] * 6
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda i: engine.run(np.roll(pixels, i, axis=0)[: sizes[i]]), range(len(sizes)))
        )
    for i, maps in enumerate(found):
        assert_close(maps, [np.roll(each, i, axis=0)[: sizes[i]] for each in expected])


def test_usage_statistics_are_not_sent():
    code = (
        "import sys, transferkit.engines._openvino as engine; engine.import_openvino().convert_model; "
        "sys.exit(sys.modules['openvino_telemetry'] is not None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_network_that_cannot_be_converted_is_named(monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no such operation\nand a long story")

    monkeypatch.setattr(_openvino, "_converted", fail)
    with pytest.raises(
        EngineError, match=r"cannot run backbone 'mobilenet': RuntimeError: no such operation\. Pass"
    ):
        build()


@pytest.mark.slow
def test_a_conversion_that_mixes_layers_up_is_refused(monkeypatch):
    real = _openvino._converted

    def swapped(openvino, *arguments):
        network = real(openvino, *arguments)
        return openvino.Model([network.outputs[i] for i in (0, 2, 1)], network.get_parameters())

    monkeypatch.setattr(_openvino, "_converted", swapped)
    with pytest.raises(EngineError, match="layer 'conv_pw_11_relu' has features of shape"):
        build()


# bfloat16


def can_bfloat16():
    core = _openvino.import_openvino().Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_bfloat16_is_near_and_does_not_depend_on_the_batch(pixels, expected):
    if not can_bfloat16():
        pytest.skip("this processor does not compute with bfloat16")
    engine = build(precision="bfloat16")
    together = engine.run(pixels)
    for found, right in zip(together, expected, strict=True):
        gap = np.abs(found - right).mean() / right.std()
        assert 1e-4 < gap < 0.1  # it is not single precision in disguise
    for n in (1, 3, 9):
        assert_close(engine.run(pixels[:n]), [maps[:n] for maps in together])


def test_a_processor_without_bfloat16_is_told(monkeypatch):
    core = SimpleNamespace(get_property=lambda device, name: ["FP32", "INT8"])
    monkeypatch.setattr(_openvino, "import_openvino", lambda: SimpleNamespace(Core=lambda: core))
    with pytest.raises(
        EngineError, match=r"needs a processor .* supports FP32, INT8\. Pass precision='float32'"
    ):
        build(precision="bfloat16")


# The proof


def test_probes_are_pictures_and_differ():
    pictures = probes(75)
    assert pictures.shape == (4, 75, 75, 3)
    assert (pictures.std(axis=(1, 2, 3)) > 5).all()
    for i in range(4):
        for j in range(i):
            assert np.abs(pictures[i].astype(int) - pictures[j]).mean() > 20


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda x: x, ""),
        (lambda x: x * (1 + 1e-5), ""),
        (lambda x: 0 * x, "cosine 0.000000"),
        (lambda x: x + 0.1, "differ from those of Keras"),
        (lambda x: x[:, ::-1], "differ from those of Keras"),
        (lambda x: x[..., :-1], "of shape (2, 2, 2) instead of (2, 2, 3)"),
        (lambda x: np.where(x == 1, np.nan, x), "cosine nan"),
    ],
)
def test_what_differs_is_found_in_the_one_picture_that_shows_it(change, complaint):
    right = np.random.default_rng(0).uniform(0, 1, (4, 2, 2, 3)).astype(np.float32)
    right[2, 0, 0, 0] = 1
    mine = change(right).astype(np.float32)
    if mine.shape == right.shape:
        mine[[0, 1, 3]] = right[[0, 1, 3]]
    found = disparity(["a", "b"], [right, right], [right, mine])
    assert (complaint in found and "'b'" in found) if complaint else not found


def test_zeros_agree_with_zeros():
    assert not disparity(["a"], [np.zeros((2, 3))], [np.zeros((2, 3))])


# The registry

ROWS = [
    pytest.param("mobilenet_v2", 32, marks=pytest.mark.slow),
    pytest.param("efficientnet_b0", 32, marks=pytest.mark.slow),
    ("scattering", 40),
    pytest.param("convnext_tiny", 32, marks=pytest.mark.full),  # half as long as all others together
]


@pytest.mark.parametrize(("name", "size"), ROWS)
def test_rows_of_the_registry_convert(name, size):
    assert not gap_of(name, size)


@pytest.mark.full
@pytest.mark.parametrize("name", list_backbones())
def test_every_row_converts_or_falls_back_with_a_reason(name, caplog):
    shared_engine.cache_clear()  # the largest ones take gigabytes
    row = get_backbone(name)
    skip_what_cannot_be_built(row)
    pictures = list(probes(row.min_size))
    parameters = {"weights": None, "image_size": row.min_size, "layers": "auto", "cache": False}
    with caplog.at_level(logging.WARNING, "transferkit"):
        extractor = FeatureExtractor(name, **parameters, progress=False)
        found = extractor.transform(pictures)
    if extractor.describe()["engine"] == "keras":
        assert [record.message.startswith("engine='auto' uses Keras: ") for record in caplog.records] == [
            True
        ]
    expected = FeatureExtractor(name, engine="keras", **parameters, progress=False).transform(pictures)
    assert found.shape == expected.shape
    scale = expected.std() + np.abs(expected).mean()
    assert np.median(np.abs(found - expected)) <= 1e-3 * scale


def gap_of(name, size):
    row = get_backbone(name)
    request = EngineRequest(row, resolve_weights(row, None), size, row.layers, 8)
    return compare(row.layers, size, ENGINES["keras"](request).run, ENGINES["openvino"](request).run)


def test_what_a_user_registers_runs_too():
    """And what runs is the model that was described: the constructor may build another one the next time."""
    calls = []

    def constructor(include_top, weights, input_shape):
        import keras

        calls.append(input_shape)

        inputs = keras.Input(input_shape)
        return keras.Model(inputs, keras.layers.Conv2D(4, 3, activation="swish")(inputs))

    row = Backbone("mine", constructor, lambda x: x / 255, 16, image_size=16)
    pictures = list(probes(16))
    found = []
    for name in ("auto", "keras"):
        extractor = FeatureExtractor(row, weights=None, engine=name, progress=False)
        found.append(extractor.transform(pictures))
        assert extractor.describe()["engine"] == {"auto": "openvino"}.get(name, name)
    assert len(calls) == 4  # twice each: a constructor that returns one model twice gets a copy
    np.testing.assert_allclose(*found, atol=2e-3)


@pytest.mark.slow
def test_the_engine_of_a_loaded_model_can_be_chosen(tmp_path, pictures):
    paths, labels = pictures
    clf = Classifier(
        "scattering", image_size=32, extractor=FeatureExtractor(engine="openvino", progress=False)
    )
    clf.fit(paths, labels).save(tmp_path / "model.safetensors")
    for engine in (None, "keras", "openvino", "auto"):
        again = load(tmp_path / "model.safetensors", engine=engine)
        assert again.extractor_.describe()["engine"] == ("keras" if engine == "keras" else "openvino")
        np.testing.assert_allclose(again.predict_proba(paths), clf.predict_proba(paths), atol=1e-3)
    with pytest.raises(InvalidInputError, match="engine must be"):
        load(tmp_path / "model.safetensors", engine="torch")


def test_no_other_engine_for_a_model_in_bfloat16(tmp_path, pictures):
    if not can_bfloat16():
        pytest.skip("this processor does not compute with bfloat16")
    extractor = FeatureExtractor(precision="bfloat16", progress=False)
    clf = Classifier("scattering", image_size=32, extractor=extractor).fit(*pictures)
    clf.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors", engine="openvino").extractor_.precision == "bfloat16"
    with pytest.raises(ModelFileError, match="engine was 'openvino' and is 'keras'"):
        load(tmp_path / "model.safetensors", engine="keras")


def test_a_conversion_that_fails_leaves_logging_alone(monkeypatch):
    """OpenVINO's converter sets the root logger to errors, and puts it back only if it succeeds."""
    import openvino

    root = logging.getLogger()
    before = root.level, list(root.filters), list(root.handlers)

    def fail(graph, **options):
        root.setLevel(logging.ERROR)
        root.addFilter(lambda record: False)
        raise RuntimeError("no such operation")

    monkeypatch.setattr(openvino, "convert_model", fail)
    with pytest.raises(EngineError, match="no such operation"):
        build()
    assert (root.level, root.filters, root.handlers) == before


@pytest.mark.slow
def test_one_tensor_under_two_names():
    """OpenVINO ends the process where a model has one output twice, so this must not be left to it."""
    row = get_backbone("mobilenet")
    layers = ("last", "conv_pw_5_relu", "conv_pw_13_relu")
    request = EngineRequest(row, resolve_weights(row, None), 32, layers, 8)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    found, expected = (ENGINES[name](request).run(pixels) for name in ("openvino", "keras"))
    np.testing.assert_array_equal(found[0], found[2])
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())

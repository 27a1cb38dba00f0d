"""Whatever is passed for a parameter is used, or refused by an error of our own that names it."""

import inspect
import pickle

import numpy as np
import pytest

import transferkit
from tests.conftest import TINY, FakeEngine
from transferkit import (
    Classifier,
    FeatureCache,
    FeatureExtractor,
    ImageRegressor,
    KeypointRegressor,
    NearestImages,
    compare,
    config_context,
    engines,
    evaluate,
    get_config,
)
from transferkit.backbones import registry
from transferkit.errors import TransferKitError
from transferkit.heads import ConvHead, LinearHead, MLPHead

# Of every kind that ends up in a parameter by mistake: of the wrong type, out of range, not to be hashed, and
# arrays, whose comparisons have no truth value.
VALUES = (
    None, "x", "", b"x", True, 0, -1, 1.5, float("nan"), float("inf"), [], ["mirror"], (1, 2, 3), {},
    {"x": 1}, {1}, object(), np.array([1, 2]), np.array(["a", "b"]), np.float32(-2), len,
)  # fmt: skip
IMAGES = [np.full((16, 16, 3), shade, np.uint8) for shade in range(10, 130, 10)]
LABELS = ["dark"] * 6 + ["bright"] * 6
NUMBERS = np.linspace(0.5, 6, 12)
POINTS = np.random.default_rng(0).uniform(2, 14, (12, 3, 2))
TARGETS = {Classifier: LABELS, ImageRegressor: NUMBERS, KeypointRegressor: POINTS}
# What the machine decides, not the type: a file that is there, a layer that the network has.
NOT_FOUND = (FileNotFoundError, KeyError)


def parameters_of(function):
    """Return the names of what a user may pass."""
    return [name for name in inspect.signature(function).parameters if name not in ("self", "old")]


def refusals(name, call, *, elsewhere=()):
    """Try all values; return how many are refused, and what is not refused as it should be."""
    refused, wrong = 0, []
    for value in VALUES:
        try:
            call(value)
        except TransferKitError as error:
            refused += 1
            if name not in str(error):
                wrong.append(f"{value!r}: {error}")
        except elsewhere:
            pass
        except Exception as error:  # noqa: BLE001 - what is looked for
            wrong.append(f"{value!r}: {error!r}")
    return refused, wrong


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    """Folders and files that are made of a word lie here."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def fitted():
    """One fit of each estimator for all tests that ask it, pickled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engines.ENGINES, "fake", FakeEngine().build)

        def fit(kind, **parameters):
            extractor = FeatureExtractor(engine="fake", cache=False, progress=False)
            return pickle.dumps(kind(TINY, **parameters, extractor=extractor).fit(IMAGES, TARGETS[kind]))

        return {
            "Classifier": fit(Classifier, augment=None),
            "KeypointRegressor": fit(KeypointRegressor),
            "ImageRegressor": fit(ImageRegressor, augment=None),
        }


@pytest.fixture
def models(tiny, fitted):
    """Each estimator, fitted, with what it learned from."""
    targets = {kind.__name__: y for kind, y in TARGETS.items()}
    return {name: (pickle.loads(data), targets[name]) for name, data in fitted.items()}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in (*TARGETS, FeatureExtractor, NearestImages) for name in parameters_of(kind)],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_parameters_of_estimators(tiny, kind, name):
    def call(value):
        own = tiny | {name: value}
        with config_context(cache=False):
            if kind is FeatureExtractor:
                kind(**own).transform(IMAGES)
            else:
                kind(**own).fit(IMAGES, TARGETS.get(kind))

    refused, wrong = refusals(name, call, elsewhere=NOT_FOUND if name == "layers" else ())
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.parametrize("name", ["threshold", "class_weight"])
def test_parameters_of_several_labels(name):
    features = np.random.default_rng(0).normal(size=(12, 2))
    y = (features > 0).astype(int)

    def call(value):
        clf = Classifier("precomputed", head="linear", **{name: value}).fit(features, y)
        clf.save("model.safetensors")
        assert (
            transferkit.load("model.safetensors").predict(features).tolist() == clf.predict(features).tolist()
        )

    refused, wrong = refusals(name, call)
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.parametrize("name", get_config())
def test_settings_of_the_configuration(tiny, name):
    def call(value):
        with config_context(**{"cache": False, name: value}):
            Classifier(**tiny).fit(IMAGES, LABELS)

    refused, wrong = refusals(name, call)
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.parametrize("name", parameters_of(Classifier))
def test_a_model_that_was_fitted_can_be_saved_and_loaded(name):
    """Also on features, where no extractor looks at what it does not need."""
    features = np.arange(24.0).reshape(12, 2)
    for value in VALUES:
        try:
            parameters = {"backbone": "precomputed", "head": "linear", name: value}
            clf = Classifier(**parameters).fit(features, LABELS)
        except (TransferKitError, OSError):
            continue
        clf.save("model.safetensors")
        loaded = transferkit.load("model.safetensors")
        assert loaded.predict(features).tolist() == clf.predict(features).tolist()


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in (LinearHead, MLPHead, ConvHead) for name in parameters_of(kind)],
    ids=lambda part: part if isinstance(part, str) else part.__name__,
)
def test_fields_of_heads(kind, name):
    refused, wrong = refusals(name, lambda value: kind(**{name: value}))
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", ["y", "groups", "validation_data", "sample_weight"])
def test_arguments_of_fit(tiny, kind, name):
    data = {"X": IMAGES, "y": TARGETS[kind]}
    refused, wrong = refusals(name, lambda value: kind(**tiny).fit(**(data | {name: value})))
    assert wrong == []
    assert refused >= len(VALUES) - 1  # None means none


@pytest.mark.parametrize("name", parameters_of(FeatureCache))
def test_parameters_of_the_cache(name):
    refused, wrong = refusals(name, lambda value: FeatureCache(**{name: value}).info())
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.parametrize("name", parameters_of(transferkit.load))
def test_arguments_of_load_and_save(name):
    clf = Classifier("precomputed", head="linear").fit(np.arange(24.0).reshape(12, 2), LABELS)
    clf.save("model.safetensors")
    arguments = {"path": "model.safetensors"}
    calls = [lambda value: transferkit.load(**(arguments | {name: value}))]
    if name == "path":
        calls.append(clf.save)
    for call in calls:
        refused, wrong = refusals(name, call, elsewhere=FileNotFoundError if name == "path" else ())
        assert wrong == []
        assert refused > len(VALUES) / 2


@pytest.mark.parametrize(
    "task",
    [
        "Classifier",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("ImageRegressor", "KeypointRegressor")),
    ],
)
@pytest.mark.parametrize("name", [name for name in parameters_of(evaluate) if name != "X"])
def test_arguments_of_evaluate(models, task, name):
    estimator, y = models[task]
    arguments = {"estimator": estimator, "X": IMAGES, "y": y}
    refused, wrong = refusals(name, lambda value: evaluate(**(arguments | {name: value})))
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.parametrize(("call", "name"), [("query", "k"), ("query", "copies"), ("duplicates", "threshold")])
def test_arguments_of_neighbours(tiny, call, name):
    nearest = NearestImages(**tiny, extractor=FeatureExtractor(cache=False)).fit(IMAGES)
    refused, wrong = refusals(name, lambda value: getattr(nearest, call)(**{name: value}))
    assert wrong == []
    assert refused > len(VALUES) / 2


@pytest.mark.filterwarnings("ignore:.*:tqdm.TqdmWarning")
@pytest.mark.parametrize(
    "kind",
    [
        Classifier,
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in (ImageRegressor, KeypointRegressor)),
    ],
)
@pytest.mark.parametrize("name", [name for name in parameters_of(compare) if name != "X"])
def test_arguments_of_compare(tiny, kind, name):
    arguments = {
        "backbones": [tiny["backbone"]], "X": IMAGES, "y": TARGETS[kind],
        "estimator": kind(), "cv": 2, "n_timed": 0, "progress": False,
    }  # fmt: skip
    # The tiny backbone runs on the fake engine only, which an estimator of its own would not ask for.
    elsewhere = ModuleNotFoundError if name == "estimator" else ()
    refused, wrong = refusals(name, lambda value: compare(**(arguments | {name: value})), elsewhere=elsewhere)
    assert wrong == []
    assert refused > len(VALUES) / 2


def test_numbers_of_numpy_are_saved(tiny, tmp_path, monkeypatch):
    """As searches hand them in."""
    registry.add(tiny["backbone"])
    extractor = FeatureExtractor(batch_size=np.int32(8), value_range=np.array([0, 255]))
    clf = Classifier(
        **tiny, head=LinearHead(penalty=np.float32(0.25)), image_size=np.int64(32), layers=["fine", "last"],
        grid=[np.int64(2), 1], extractor=extractor,
    ).fit(IMAGES, LABELS)  # fmt: skip
    clf.save(tmp_path / "model.safetensors")
    loaded = transferkit.load(tmp_path / "model.safetensors")
    assert loaded.head == LinearHead(penalty=0.25)
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), clf.predict_proba(IMAGES))

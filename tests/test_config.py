"""How work is run: an extractor's own parameters, then the block's, then the process's, then the defaults."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from transferkit import (
    Classifier,
    FeatureCache,
    FeatureExtractor,
    config_context,
    get_config,
    set_config,
)
from transferkit.errors import InvalidInputError
from transferkit.foundation import config


def batch_size(**parameters):
    return FeatureExtractor("scattering", **parameters).settings().batch_size


def test_the_nearest_setting_counts():
    assert batch_size() == get_config()["batch_size"] == 32
    set_config(batch_size=5)
    assert batch_size() == 5
    with config_context(batch_size=6):
        assert batch_size() == 6
        with config_context(progress=False):
            assert batch_size() == 6
            assert batch_size(batch_size=7) == 7
        assert get_config()["progress"] is True
    assert batch_size() == 5


def test_a_block_ends_with_an_error_too():
    with pytest.raises(KeyError), config_context(engine="keras"):
        raise KeyError
    assert get_config()["engine"] == "auto"


@pytest.mark.parametrize("call", [set_config, lambda **named: config_context(**named).__enter__()])
def test_unknown_settings_are_named(call):
    with pytest.raises(InvalidInputError, match="has no 'bach_size'. It has 'engine', 'batch_size'"):
        call(bach_size=3)


def test_extractors_follow_the_configuration_after_they_were_made(tiny, engine, pictures, tmp_path):
    extractor = FeatureExtractor(**tiny)
    for name in ("a", "b"):
        with config_context(cache=tmp_path / name):
            extractor.transform(pictures[0])
            assert FeatureCache(tmp_path / name).info().n_spaces == 1
    assert engine.images == 2 * 60


def test_the_engine_of_the_fit_is_kept(tiny, engine, pictures, monkeypatch):
    clf = Classifier(**tiny, augment=None).fit(*pictures)
    assert clf.extractor_.engine == "fake"
    assert clf.extractor is None
    set_config(engine="keras")
    assert clf.predict(pictures[0]).tolist() == pictures[1].tolist()
    assert engine.images == 60


def test_what_is_not_of_the_model_follows_the_configuration(tiny, pictures, tmp_path):
    clf = Classifier(**tiny, augment=None).fit(*pictures)
    with config_context(cache=tmp_path / "other"):
        clf.predict(pictures[0])
    assert FeatureCache(tmp_path / "other").info().n_rows > 0


WORKER = """
import pickle, sys
from transferkit import config_context
for path in sys.argv[1:]:
    estimator = pickle.load(open(path, "rb"))
    print(estimator.own_config()["cache"], estimator.own_config()["batch_size"])
    with config_context(batch_size=9):
        print(estimator.own_config()["batch_size"])
"""


@pytest.mark.slow
def test_a_worker_gets_the_configuration_of_its_sender(tmp_path):
    """One worker for both: what an estimator brings along is not that of the next."""
    paths = []
    for kind, cache, batch_size in ((Classifier, "somewhere", 4), (FeatureExtractor, "elsewhere", 5)):
        paths.append(tmp_path / cache)
        with config_context(cache=cache, batch_size=batch_size):
            paths[-1].write_bytes(pickle.dumps(kind("scattering")))
    done = subprocess.run(
        [sys.executable, "-c", WORKER, *map(str, paths)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["somewhere", "4", "9", "elsewhere", "5", "9"]


def test_a_copy_in_the_same_process_keeps_nothing():
    with config_context(batch_size=4):
        copy = pickle.loads(pickle.dumps(FeatureExtractor("scattering")))
    assert copy.own_config()["batch_size"] == 32
    assert "_sent_config" not in vars(copy)


def test_a_clone_in_a_worker_keeps_the_configuration_of_the_sender(monkeypatch):
    """Ensembles inside a search clone their estimators in the worker."""
    with config_context(batch_size=4):
        sent = pickle.dumps(Classifier("scattering", extractor=FeatureExtractor()))
    monkeypatch.setattr(config.os, "getpid", lambda: -1)
    received = pickle.loads(sent)
    for copy in (received, clone(received), clone(received).extractor, clone(clone(received))):
        assert copy.own_config()["batch_size"] == 4
        assert copy.was_sent


def test_features_can_be_sent(tiny, pictures):
    """Another process opens the cache again, and computes what it lacks."""
    features = FeatureExtractor(**tiny, layers="auto").extract(pictures[0])
    copy = pickle.loads(pickle.dumps(features))
    for found, expected in zip(copy.maps(), features.maps(), strict=True):
        np.testing.assert_array_equal(found, expected)
    alone = FeatureExtractor(**tiny, cache=False).extract(pictures[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(alone)).flat(), alone.flat())


def test_defaults_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        config.DEFAULTS["engine"] = "keras"

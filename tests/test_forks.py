"""A forked child is told at once that a network would hang in it; what needs no network works there."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from transferkit.backbones import list_layers
from transferkit.errors import EngineError
from transferkit.foundation import forks
from transferkit.heads import MLPHead
from transferkit.images import LIMITS, _sources, read_source

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# The engine of these tests is numpy only, so that a missing guard fails a test instead of hanging it.
CHILDREN = """
import faulthandler, os, signal, sys, threading, time, warnings
faulthandler.dump_traceback_later(50, exit=True)
warnings.filterwarnings("ignore", "This process.*fork", DeprecationWarning)
import numpy as np
from tests.conftest import FakeEngine, TINY, make_pictures
from pathlib import Path
from transferkit import Classifier, FeatureExtractor, engines, set_config
from transferkit.extraction import _settings
from transferkit.heads import MLPHead
fake = FakeEngine()
engines.ENGINES["fake"] = fake.build
set_config(engine="fake", progress=False)
tiny = {"backbone": TINY}
paths, labels = make_pictures(Path(sys.argv[1]), 30)

def in_child(work):
    child = os.fork()
    if not child:
        signal.alarm(20)
        try:
            print(work(), flush=True)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def run(code, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", CHILDREN + code, str(tmp_path)],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60,
        env={**os.environ, "TRANSFERKIT_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_a_child_is_told_at_once_and_uses_what_is_cached(tmp_path):
    lines = run(
        """
clf = Classifier(**tiny, augment=None)
in_child(lambda: clf.fit(paths, labels).score(paths, labels) > 0.9)  # nothing has run yet: all is well
FeatureExtractor(**tiny, cache=False).transform(paths)  # now one has run here
clf.fit(paths, labels)
expected = clf.predict_proba(paths)
in_child(lambda: FeatureExtractor(**tiny, layers="vector").transform(paths))
in_child(lambda: (clf.predict_proba(paths) == expected).all())
in_child(lambda: Classifier(**tiny, augment=None).fit(paths, labels).score(paths, labels) > 0.9)
in_child(lambda: Classifier(**tiny, augment=None, head=MLPHead(epochs=1)).fit(paths, labels))
""",
        tmp_path,
    )
    refusal = "EngineError This process was forked from one that had already run a network"
    assert lines[0] == "True"
    assert lines[1].startswith(refusal)
    assert "get_context('spawn')" in lines[1]
    assert lines[2:4] == ["True", "True"]
    assert lines[4].startswith(refusal)


@pytest.mark.slow
def test_locks_that_other_threads_hold_do_not_stay_held_in_the_child(tmp_path):
    lines = run(
        """
from transferkit.images import _quiet, load_image

FeatureExtractor(**tiny).transform(paths)
before = list(warnings.filters)

def hold(lock, held):
    with lock:
        held.set()
        time.sleep(0.3)  # an engine is being built; the header of a picture is parsed

def work():
    notes = load_image(paths[0]).notes
    return FeatureExtractor(**tiny).transform(paths).shape, notes, warnings.filters == before

for lock in (_settings.LOCK, _quiet.quiet()):
    held = threading.Event()
    thread = threading.Thread(target=hold, args=(lock, held))
    thread.start()
    held.wait()
    in_child(work)
    thread.join()
""",
        tmp_path,
    )
    assert lines == ["((30, 6), (), True)"] * 2


@pytest.mark.slow
def test_many_forks_while_threads_extract(tmp_path):
    lines = run(
        """
stop = threading.Event()

def work(i):
    while not stop.is_set():
        FeatureExtractor(**tiny, grid=1 + i, cache=Path(sys.argv[1]) / "c").transform(paths)

expected = FeatureExtractor(**tiny).transform(paths)
threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
for thread in threads:
    thread.start()
for i in range(12):
    in_child(lambda: (FeatureExtractor(**tiny).transform(paths) == expected).all())
stop.set()
for thread in threads:
    thread.join()
""",
        tmp_path,
    )
    assert lines == ["True"] * 12


def test_one_picture_is_hashed_while_another_is():
    """Deterministic, where the forks above may miss the moment: no lock is held while hashing."""
    begun, stop = threading.Event(), threading.Event()

    class Slow(_sources.EncodedSource):
        def _hash(self):
            begun.set()
            stop.wait(20)
            return "slow"

    slow = Slow(b"1", "slow", LIMITS)
    thread = threading.Thread(target=lambda: slow.digest)
    thread.start()
    begun.wait()
    digests = []
    other = threading.Thread(target=lambda: digests.append(read_source(b"2").digest))
    other.start()
    other.join(5)
    meanwhile = len(digests)
    stop.set()
    thread.join()
    other.join()
    assert meanwhile == 1
    assert slow.digest == "slow"


def test_tensorflow_started_by_the_user_counts(monkeypatch):
    class Context:
        _initialized = True

    class Module:
        _context = None

    monkeypatch.setattr(forks, "_started", False)
    monkeypatch.setattr(forks, "_inherited", False)
    monkeypatch.setattr(forks, "_forked", False)
    monkeypatch.setitem(sys.modules, "tensorflow.python.eager.context", Module)
    forks._in_child()
    forks.enter_network()
    monkeypatch.setattr(forks, "_started", False)
    Module._context = Context
    forks._in_child()
    with pytest.raises(EngineError, match="forked"):
        forks.enter_network()


def test_grandchildren_are_told_too(monkeypatch):
    monkeypatch.setattr(forks, "_started", True)
    monkeypatch.setattr(forks, "_inherited", False)
    monkeypatch.setattr(forks, "_forked", False)
    forks._in_child()
    forks._in_child()
    for use in (forks.enter_network, lambda: list_layers("vgg16"), lambda: MLPHead().fit(None)):
        with pytest.raises(EngineError, match="forked"):
            use()


JOBS = """
from sklearn.model_selection import cross_val_score

engines.ENGINES["keras"] = fake.build  # here only: the workers would need TensorFlow, and must not
set_config(engine="keras")  # the workers learn of it from the estimator that they are sent
clf = Classifier("pixels", augment=None)
one = cross_val_score(clf, paths, labels, cv=3)
two = cross_val_score(clf, paths, labels, cv=3, n_jobs=2)
print(one.tolist() == two.tolist(), (two > 0.5).all())
"""


@pytest.mark.slow
def test_joblibs_workers_share_the_cache(tmp_path):
    assert run(JOBS, tmp_path) == ["True True"]


COLD = """
import sys
from sklearn.model_selection import cross_val_score
from transferkit import Classifier, FeatureExtractor, set_config
from transferkit.datasets import make_faces

faces = make_faces(40, random_state=0)
set_config(engine="keras", progress=False, cache=sys.argv[1])
FeatureExtractor("scattering", image_size=32, cache=False).transform(faces.images[:2])
clf = Classifier("scattering", image_size=32)
two = cross_val_score(clf, faces.images, faces.labels, cv=2, n_jobs=2)
one = cross_val_score(clf, faces.images, faces.labels, cv=2)
print(one.tolist() == two.tolist())
"""


@pytest.mark.slow
def test_joblibs_workers_are_no_forks(tmp_path):
    """Each builds its own network, though TensorFlow runs in the parent."""
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(tmp_path)],
        capture_output=True, text=True, timeout=300, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.stdout.split() == ["True"], done.stderr

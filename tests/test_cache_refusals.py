"""The cache is an optimisation: where it evicts, is full, fails or is locked, a run finishes all the same."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_pictures
from transferkit import Classifier, FeatureExtractor
from transferkit.cache import FeatureCache, FeatureSpace, _patience
from transferkit.cache._database import Database


@pytest.fixture
def expected(tiny, pictures):
    """The features of the pictures, and what is counted from now on."""
    return FeatureExtractor(**tiny, cache=False).transform(pictures[0])


def failing(monkeypatch, message, name="_try_to_write"):
    """Let every access fail, as SQLite says it."""

    def fail(self, *arguments, **named):
        raise sqlite3.OperationalError(message)

    monkeypatch.setattr(Database, name, fail)


@pytest.mark.parametrize("message", ["database or disk is full", "disk I/O error", "database is locked"])
def test_a_disk_that_takes_nothing_stops_nothing(
    tiny, engine, pictures, expected, monkeypatch, caplog, message
):
    paths, labels = pictures
    failing(monkeypatch, message)
    extractor = FeatureExtractor(**tiny)
    np.testing.assert_array_equal(extractor.transform(paths), expected)
    (warning,) = [text for text in caplog.messages if "kept in memory" in text and "files.sqlite" not in text]
    assert message in warning
    count = engine.images
    np.testing.assert_array_equal(extractor.transform(paths), expected)
    assert engine.images == count, "computed once"
    clf = Classifier(**tiny).fit(paths, labels)
    answers = [clf.predict(path)[0] for path in paths[:5]]
    assert answers == list(clf.predict(paths[:5]))


@pytest.mark.parametrize("message", ["disk I/O error", "database is locked"])
def test_a_cache_that_cannot_be_read_stops_nothing(tiny, pictures, expected, monkeypatch, message):
    FeatureExtractor(**tiny).transform(pictures[0])
    failing(monkeypatch, message, "_connect")
    np.testing.assert_array_equal(FeatureExtractor(**tiny).transform(pictures[0]), expected)


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_lock_that_is_held_is_not_waited_for_at_each_batch(
    tiny, pictures, expected, monkeypatch, tmp_path, mode
):
    waits = []
    monkeypatch.setattr("transferkit.cache._sqlite.BUSY_SECONDS", 0.05)
    cache = FeatureCache(tmp_path / "cache")
    FeatureExtractor(**tiny, cache=cache).transform(pictures[0][:10])
    (space,) = [path for path in cache.folder.glob("*.sqlite") if path.stem != "files"]
    others = [sqlite3.connect(path, isolation_level=None) for path in (space, cache.files.path)]
    for other in others:
        other.execute(f"BEGIN {mode}")
    recover = Database._recover
    monkeypatch.setattr(Database, "_recover", lambda self, error: (waits.append(error), recover(self, error)))
    extractor = FeatureExtractor(**tiny, cache=FeatureCache(cache.folder), batch_size=4)
    np.testing.assert_array_equal(extractor.transform(pictures[0]), expected)
    assert len(waits) <= 4, "to read and to write each database, not for each batch"
    for other in others:
        other.execute("ROLLBACK")
        other.close()
    monkeypatch.setattr(_patience, "REST_SECONDS", 0)
    extractor = FeatureExtractor(**tiny, cache=FeatureCache(cache.folder))
    np.testing.assert_array_equal(extractor.transform(pictures[0]), expected)
    assert extractor.report_.n_cached == 10
    FeatureExtractor(**tiny, cache=FeatureCache(cache.folder)).transform(pictures[0])


@pytest.mark.parametrize("n", [10, 60])
def test_rows_that_are_evicted_before_they_are_read_are_kept_at_the_second_time(
    tiny, engine, pictures, expected, monkeypatch, n
):
    """Whatever another process does to the file, and whenever."""
    read = FeatureSpace.read_into

    def evicted(self, keys, part, out):
        self.database.write(lambda db: db.execute("DELETE FROM rows"))
        return read(self, keys, part, out)

    monkeypatch.setattr(FeatureSpace, "read_into", evicted)
    engine.images = 0
    found = FeatureExtractor(**tiny, batch_size=32).transform(pictures[0][:n])
    np.testing.assert_array_equal(found, expected[:n])
    assert engine.images <= 2 * n


WORK = """
import sys, time
from pathlib import Path
import numpy as np
from tests.conftest import TINY, FakeEngine
from transferkit import FeatureExtractor, engines, set_config
from transferkit.cache import FeatureCache

def build(request, fake=FakeEngine()):
    engine = fake.build(request)
    return engines.Engine("fake", lambda *arguments: (time.sleep(0.02), engine.run(*arguments))[1])

engines.ENGINES["fake"] = build
set_config(engine="fake", progress=False, batch_size=8)
folder, seed, max_bytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
paths = sorted(folder.glob("*.png"))
paths = paths[40 * (seed % 3) : 40 * (seed % 3) + 120]
expected = FeatureExtractor(TINY, cache=False).transform(paths)
print("ready", flush=True)
sys.stdin.readline()  # all three start at once
cache = FeatureCache(folder / "cache", max_bytes=max_bytes)
np.testing.assert_array_equal(FeatureExtractor(TINY, cache=cache).transform(paths), expected)
"""


@pytest.mark.slow
def test_processes_share_a_cache_that_is_smaller_than_their_work(tmp_path):
    failed = crowd(tmp_path, n_runs=6)
    assert not failed, f"{len(failed)} runs: {failed[0]}"


@pytest.mark.full
def test_many_processes_share_a_cache_that_is_smaller_than_their_work(tmp_path):
    failed = crowd(tmp_path, n_runs=36)
    assert not failed, f"{len(failed)} runs: {failed[0]}"


def crowd(folder, n_runs):
    """Return what went wrong in runs of three processes at a time with one small cache."""
    make_pictures(folder, 200)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    failed = []
    for first in range(0, n_runs, 3):
        max_bytes = 150_000 + 50_000 * (first % 4)  # the rows of a run take 230,000
        runs = [
            subprocess.Popen(
                [sys.executable, "-c", WORK, str(folder), str(seed), str(max_bytes)],
                env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for seed in range(first, first + 3)
        ]  # fmt: skip
        for run in runs:
            assert run.stdout.readline() == "ready\n"
        for run in runs:
            run.stdin.write("\n")
            run.stdin.flush()
        for run in runs:
            text = run.communicate(timeout=120)[1]
            if run.returncode:
                failed.append(text)
    return failed

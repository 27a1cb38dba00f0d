"""Ctrl-C and errors amid an extraction: what was computed stays, and the user is told how to go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import make_pictures
from transferkit import Classifier, FeatureCache, FeatureExtractor, engines
from transferkit.cache import _files
from transferkit.errors import BadImageError


@pytest.fixture
def interrupted(engine, monkeypatch):
    """An engine that is interrupted at its fourth batch, until this is set to None."""
    state = {"error": KeyboardInterrupt()}
    build = engine.build

    def broken(*arguments):
        made = build(*arguments)

        def run(pixels, keep):
            if engine.calls >= 3 and state["error"] is not None:
                raise state["error"]
            return made.run(pixels, keep)

        return engines.Engine("fake", run)

    monkeypatch.setitem(engines.ENGINES, "fake", broken)
    return state


@pytest.fixture
def bars(monkeypatch):
    """Where progress bars begin, and their ends."""
    import tqdm.auto

    seen = []
    real = tqdm.auto.tqdm

    def bar(*arguments, **options):
        seen.append((options["initial"], options["total"]))
        return real(*arguments, **options)

    monkeypatch.setattr(tqdm.auto, "tqdm", bar)
    return seen


def test_ctrl_c_keeps_what_was_computed_and_says_how_to_go_on(
    tiny, engine, pictures, interrupted, bars, caplog, monkeypatch
):
    monkeypatch.setattr(_files, "FRESH_NS", 0)
    paths, labels = pictures
    bad = paths[0].parent / "bad.png"
    bad.write_bytes(b"<html>")
    clf = Classifier(**tiny, augment=None, extractor=FeatureExtractor(batch_size=8))
    with pytest.raises(KeyboardInterrupt):
        clf.fit([bad, *paths], ["left", *labels])
    (message,) = caplog.messages
    assert "Interrupted after" in message
    assert "of 61 images" in message
    assert os.environ["TRANSFERKIT_CACHE"] in message
    assert "run the same call again to go on from there" in message
    interrupted["error"] = None
    clf.fit([bad, *paths], ["left", *labels])
    assert engine.images == 60, "no picture was computed twice"
    assert (clf.report_.n_cached, clf.report_.n_decoded) == (24, 36)
    assert clf.report_.n_known_failures == 1, "bad files are remembered, too"
    # The bar of the second run begins where the first one ended.
    assert bars == [(0, 61), (25, 61)]


def test_errors_keep_what_was_computed_and_say_what_they_say(tiny, engine, pictures, interrupted, caplog):
    paths, _ = pictures
    interrupted["error"] = RuntimeError("of the engine")
    with pytest.raises(RuntimeError, match="of the engine"):
        FeatureExtractor(**tiny, batch_size=8).transform(paths)
    with pytest.raises(BadImageError):
        FeatureExtractor(**tiny, batch_size=8).transform([*paths[:24], "missing.png"])
    assert caplog.messages == []
    assert engine.images == 24


@pytest.mark.parametrize("cache", ["none", "full"])
def test_where_nothing_is_kept_nothing_is_promised(tiny, pictures, interrupted, caplog, cache):
    with pytest.raises(KeyboardInterrupt):
        FeatureExtractor(
            **tiny, batch_size=8, cache=False if cache == "none" else FeatureCache(max_bytes=1)
        ).transform(pictures[0])
    assert not any("Interrupted" in message for message in caplog.messages)


SLOW = """
import logging, sys, time
from pathlib import Path
from tests.conftest import FakeEngine, TINY
from transferkit import Classifier, engines
fake = FakeEngine()
def build(*arguments):
    made = fake.build(*arguments)
    def run(pixels, keep):
        time.sleep(0.05)
        print(f"{fake.images}\\n", end="", flush=True)  # in one piece: two threads print
        return made.run(pixels, keep)
    return engines.Engine("fake", run)
engines.ENGINES["fake"] = build
paths = sorted(Path(sys.argv[1]).glob("*.png"))
labels = ["left", "right"] * (len(paths) // 2)
clf = Classifier(TINY, engine="fake", batch_size=4, augment=None, progress=False)
clf.fit(paths, labels)
print("done", clf.report_.n_cached, fake.images, clf.score(paths, labels) > 0.9, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(
    "kind",
    ["SIGINT", *(pytest.param(name, marks=pytest.mark.slow) for name in ("SIGTERM", "SIGKILL"))],
)
def test_a_process_that_was_stopped_is_continued(tmp_path, kind):
    paths, _ = make_pictures(tmp_path / "pictures", 200)
    old = time.time() - 10
    for path in paths:
        os.utime(path, (old, old))

    def start():
        return subprocess.Popen(
            [sys.executable, "-c", SLOW, str(tmp_path / "pictures")],
            cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TRANSFERKIT_CACHE": str(tmp_path / "cache")},
        )  # fmt: skip

    process = start()
    while int(process.stdout.readline()) < 60:
        pass
    process.send_signal(getattr(signal, kind))
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert ("Interrupted after" in err) == (kind == "SIGINT")
    out, _ = start().communicate(timeout=60)
    _, cached, computed, good = out.splitlines()[-1].split()
    assert int(cached) >= 60
    assert int(cached) + int(computed) == 200
    assert good == "True"

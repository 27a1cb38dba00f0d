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
from transferkit.foundation import progress
from transferkit.foundation.greetings import without_greetings


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
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: True)
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


@pytest.mark.slow
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
            # A parent that ignores SIGINT, such as a shell that runs this in the background, hands that down.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
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
    # Of the 60 that the backbone had run, a killed process loses the batch that the other worker was writing.
    assert int(cached) >= 60 - 4
    assert int(cached) + int(computed) == 200
    assert good == "True"


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_for_each_tenth_and_not_too_often(capsys, clock):
    with progress.progress_bar(10_000, "features", "img", done=1_000) as bar:
        for _ in range(900):
            clock[0] += 0.125
            bar.update(10)
            bar.set_postfix_str("x")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert 5 <= len(lines) <= 9, lines
    assert lines[0] == "features: 20 % (2,000 of 10,000 img, 12 s)"
    assert lines[-1].startswith("features: 100 % (10,000 of 10,000 img")
    assert "\r" not in err


def test_a_log_gets_nothing_of_short_work_and_nothing_that_was_not_asked_for(capsys, clock):
    for show in (True, False):
        with progress.progress_bar(100, "features", "img", show=show) as bar:
            for _ in range(100):
                clock[0] += 0.05 if show else 10
                bar.update()
    with progress.progress_bar(0, "features", "img") as bar:
        bar.update(0)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_and_a_notebook_get_bars(monkeypatch):
    import tqdm.auto

    class Widget(tqdm.auto.tqdm):
        __module__ = "tqdm.notebook"

    monkeypatch.setattr(progress, "_is_terminal", lambda stream: True)
    assert isinstance(progress.progress_bar(3, "a", "b"), tqdm.auto.tqdm)
    monkeypatch.setattr(progress, "_is_terminal", lambda stream: False)
    assert isinstance(progress.progress_bar(3, "a", "b"), progress.Lines)
    monkeypatch.setattr(tqdm.auto, "tqdm", Widget)
    assert isinstance(progress.progress_bar(3, "a", "b"), Widget)


def run_python(code):
    pytest.importorskip("tensorflow")
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True,
    )  # fmt: skip


QUIET = """
import numpy as np
from transferkit import FeatureExtractor
extractor = FeatureExtractor("scattering", image_size=32, cache=False, engine=ENGINE)
extractor.transform(np.zeros((1, 40, 40, 3), np.uint8))
"""


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["keras", "auto"])
def test_nothing_reaches_stderr(engine):
    assert run_python(QUIET.replace("ENGINE", repr(engine))).stderr == ""


def test_what_is_no_greeting_is_said(capfd):
    with without_greetings():
        os.write(2, b"I0000 00:00:1795889716.941736   26987 port.cc:153] oneDNN custom operations are on.\n")
        os.write(2, b"E0000 00:00:17.0   26987 cuda.cc:52] out of memory\nan error of mine\nI am here\n")
    assert capfd.readouterr().err.splitlines() == [
        "E0000 00:00:17.0   26987 cuda.cc:52] out of memory", "an error of mine", "I am here"
    ]  # fmt: skip


def test_who_asks_for_everything_gets_it(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with without_greetings():
        os.write(2, b"I0000 00:00:1795889716.941736   26987 port.cc:153] oneDNN\n")
    assert "oneDNN" in capfd.readouterr().err


INTERRUPTED = """
import sys
class Interrupting:
    times = 1
    def find_spec(self, name, path=None, target=None):
        if name == "keras.src.backend" and self.times:
            self.times -= 1
            raise KeyboardInterrupt
        if name.startswith("keras.src.backend") and not self.times and BROKEN:
            raise AttributeError("partially initialized module")
sys.meta_path.insert(0, Interrupting())
from transferkit.backbones import keras_defaults
for _ in range(2):
    try:
        with keras_defaults():
            print("works")
    except BaseException as error:
        print(type(error).__name__, "Restart Python" in str(error))
"""


@pytest.mark.slow
@pytest.mark.parametrize("broken", [False, True])
def test_ctrl_c_amid_the_import_of_keras(broken):
    run = run_python(INTERRUPTED.replace("BROKEN", str(broken)))
    assert run.stdout.splitlines() == ["KeyboardInterrupt False", "EngineError True" if broken else "works"]

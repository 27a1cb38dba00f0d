"""The full forms of what docs/reliability.md promises, with the number of faults that were tried.

    python benchmarks/reliability.py [--list] [--only kills bombs ...]

Each check is a test behind the marker ``slow``, or a function below. A network is TensorFlow's or OpenVINO's
only where the check is about them; elsewhere an engine in numpy stands for it, since faults do not lie there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pickle
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TRANSFERKIT_CACHE"] = tempfile.mkdtemp(prefix="transferkit-reliability-")

from benchmarks import edits
from tests.conftest import TINY, FakeEngine, make_pictures
from transferkit import Classifier, FeatureExtractor, engines, load, set_config
from transferkit.errors import BadImageError, EngineError, ModelFileError

ROOT = Path(__file__).resolve().parents[1]
FAKE = FakeEngine()
engines.ENGINES["fake"] = FAKE.build
SETTINGS = {"backbone": TINY}
set_config(engine="fake", progress=False)


@dataclass(frozen=True)
class Check:
    """One promise, what is done to it, and a function that returns the result or raises AssertionError."""

    promise: int
    name: str
    faults: str
    run: Callable[[], str]


def slow_tests(file: str, *names: str, **environment: str) -> Callable[[], str]:
    """Return a run of tests of one file, those behind the marker ``slow`` too."""
    nodes = [f"tests/{file}::{name}" for name in names] or [f"tests/{file}"]

    def run() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rP", "-m", "slow or not slow", *nodes],
            cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        told = re.search(
            r"(\d+ of \d+ rows were computed twice|every \d+th of \d+ calls) [^\n]*", done.stdout
        )
        return f"held{': ' + told.group() if told else ''}"

    return run


def megabytes() -> float:
    """Resident memory of this process."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def growth(clf: Classifier, n: int) -> float:
    """Growth in megabytes over n single predictions of different images, after 500 others."""
    generator = np.random.default_rng(0)
    for repeats in (500, n):
        before = megabytes()
        for _ in range(repeats):
            clf.predict(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    return megabytes() - before


def bad_files() -> str:
    """300 of 10,000 files are bad: labels stay aligned, cold and warm."""
    with tempfile.TemporaryDirectory() as folder:
        good, labels = make_pictures(Path(folder) / "good", 9_700)
        data = good[0].read_bytes()
        paths, y = list(good), list(labels)
        contents = [b"", b"<html>", data[:200], data[:99], b"version https://git-lfs", b"%PDF-1.7"]
        places = sorted(random.Random(0).sample(range(9_700), 300))
        for i, place in enumerate(places):
            bad = Path(folder) / f"bad{i}.png"
            bad.write_bytes(contents[i % 6] + (b"%d" % i if i % 6 else b""))
            paths.insert(place + i, bad)
            y.insert(place + i, "left")
        expected = Classifier(
            **SETTINGS, head="linear", augment=None, extractor=FeatureExtractor(cache=False)
        ).fit(good, labels)
        for _ in range(2):
            clf = Classifier(**SETTINGS, head="linear", augment=None).fit(paths, y)
            assert np.array_equal(clf.fitted_head_.weights, expected.fitted_head_.weights)
            assert [f.index for f in clf.report_.failures] == [place + i for i, place in enumerate(places)]
        return f"9,700 rows, equal weights; {clf.report_.n_known_failures} known the second time"


def bombs() -> str:
    """Milliseconds and megabytes until each bomb is refused."""
    from tests.test_images_damage import bombs as make
    from transferkit.images import load_image

    load_image(np.zeros((9, 9, 3), np.uint8))
    slowest, files = 0.0, list(make())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for format, data in files:
        started = time.perf_counter()
        try:
            load_image(data)
        except BadImageError as error:
            category = error.category
        else:
            category = "decoded"
        assert category == "too_large", (format, category)
        slowest = max(slowest, time.perf_counter() - started)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert slowest < 0.05
    assert grown < 50
    return f"{len(files)} refused; slowest {1000 * slowest:.1f} ms, {grown:.1f} MB"


def model_files() -> str:
    """100,000 mutated model files."""
    from tests.test_storage import mutate

    X = np.random.default_rng(0).normal(size=(30, 5))
    clf = Classifier("precomputed").fit(X, np.arange(30) % 3)
    expected = clf.decision_function(X)
    rng, refused = random.Random(3), 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / "m"
        clf.save(path)
        raw = path.read_bytes()
        for _ in range(100_000):
            path.write_bytes(mutate(raw, rng))
            try:
                found = load(path)
            except ModelFileError:
                refused += 1
            else:
                assert np.array_equal(found.decision_function(X), expected)
    return f"{refused:,} refused, {100_000 - refused:,} harmless (equal bits)"


def memory() -> str:
    """Growth of this process over an extraction of 100,000 pictures."""
    generator = np.random.default_rng(0)
    images = list(generator.integers(0, 256, (100_000, 16, 16, 3), dtype=np.uint8))
    extractor = FeatureExtractor(**SETTINGS, grid=1)
    extractor.extract(images[:500])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    extractor.extract(images)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 200
    return f"100,000 rows: {grown:.0f} MB more at most"


def predictions() -> str:
    """Growth over single predictions, by each engine that is installed."""
    from transferkit.datasets import make_faces

    faces = make_faces(40, random_state=0)
    told = []
    for name in ("keras", "openvino") if engines.has_openvino() else ("keras",):
        clf = Classifier("scattering", image_size=32, extractor=FeatureExtractor(engine=name))
        clf.fit(faces.images, faces.labels)
        grown = growth(clf, 10_000)
        told.append(f"{name} {grown:.1f} MB")
        assert grown < 20, told
    return ", ".join(told)


def uncached() -> str:
    """Growth over 20,000 single predictions of different images with ``cache=False``."""
    from transferkit.datasets import make_faces

    faces = make_faces(40, random_state=0)
    clf = Classifier("scattering", image_size=32, extractor=FeatureExtractor(cache=False, engine="auto"))
    clf.fit(faces.images, faces.labels)
    grown = growth(clf, 20_000)
    assert grown < 20, f"{grown:.1f} MB"
    return f"{grown:.1f} MB"


def threads() -> str:
    """32 threads with a real network, 50 predictions each, all equal to the serial ones."""
    from transferkit.datasets import make_faces

    faces = make_faces(72, random_state=0)
    told = []
    for name in ("keras", "openvino") if engines.has_openvino() else ("keras",):
        clf = Classifier("scattering", image_size=32, extractor=FeatureExtractor(engine=name, cache=False))
        clf.fit(faces.images[:40], faces.labels[:40])
        alone = pickle.loads(pickle.dumps(clf))  # noqa: S301 - our own
        answers: list[tuple[np.ndarray, np.ndarray]] = []

        def work(seed: int, clf: Classifier = clf, answers: list = answers) -> None:
            generator = np.random.default_rng(seed)
            for _ in range(50):
                image = np.array(faces.images[40 + int(generator.integers(32))])
                image[:4, :4] = generator.integers(0, 256, 3)  # no two are equal: the network runs each time
                answers.append((image, clf.predict_proba(image)))

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(32)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(answers) == 1600
        worst = max(float(np.abs(alone.predict_proba(image) - found).max()) for image, found in answers)
        assert worst < 1e-6, worst
        told.append(f"{name}: largest difference {worst:.1e}")
    return "; ".join(told)


def forks() -> str:
    """Children of a process whose network has run."""
    from transferkit.datasets import make_faces

    images = make_faces(4, random_state=0).images
    slowest = 0.0
    for name in ("keras", "openvino") if engines.has_openvino() else ("keras",):
        extractor = FeatureExtractor("scattering", image_size=32, engine=name, progress=False, cache=False)
        extractor.transform(images)
        for _ in range(20):
            started = time.perf_counter()
            child = os.fork()
            if not child:
                signal.alarm(10)
                try:
                    extractor.set_params(grid=2).transform(images)
                except EngineError:
                    os._exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0, "hung, or ran"
            slowest = max(slowest, time.perf_counter() - started)
    return f"each refused, the slowest after {1000 * slowest:.0f} ms"


def killed_decoders() -> str:
    """Helper processes are killed at random while 2,000 files are decoded."""
    from transferkit.images.isolation import _pool

    with tempfile.TemporaryDirectory() as folder:
        paths, _ = make_pictures(Path(folder), 2_000)
        expected = FeatureExtractor(**SETTINGS, cache=False).transform(paths)
        stop, kills = threading.Event(), []
        started: list[int] = []
        begin = _pool._Helper.__init__

        def note(self) -> None:
            begin(self)
            started.append(self._process.pid)

        _pool._Helper.__init__ = note

        def kill() -> None:
            rng = random.Random(0)
            while not stop.wait(rng.uniform(0, 0.15)):
                if started:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(started[-1], signal.SIGKILL)
                        kills.append(started[-1])

        killer = threading.Thread(target=kill)
        killer.start()
        features = FeatureExtractor(**SETTINGS, isolate=30, on_error="skip").extract(paths)
        stop.set()
        killer.join()
        _pool._Helper.__init__ = begin
        lost = len(features.report.failures)
        assert set(features.report.counts()) <= {"crashed"}
        assert lost <= len(set(kills))
        assert np.array_equal(features.flat(), expected[features.ok])
        return f"{len(set(kills))} kills cost {lost} files, all others right"


DAMAGE, PROCESSES, MODELS = "test_cache_damage.py", "test_cache_processes.py", "test_storage.py"
HOSTILE = ("test_nothing_is_run_and_no_other_file_is_opened", "test_a_foreign_file_is_refused")
RUNS: dict[str, tuple[int, str, Callable[[], str]]] = {
    "kills": (
        1,
        "200 SIGKILLs while writing",
        slow_tests(PROCESSES, "test_killed_at_random_times[200]"),
    ),
    "writes": (
        2,
        "every 10th write fails: EIO, ENOSPC; full disk",
        slow_tests(DAMAGE, "test_the_nth_write_fails[10]", "test_a_full_disk"),
    ),
    "limits": (2, "150 limits on the size of files", slow_tests(DAMAGE, "test_writes_that_fail[20000]")),
    "flips": (3, "10,000 bit flips", slow_tests(DAMAGE, "test_bit_flips[10000]")),
    "cuts": (
        3,
        "1,000 truncations, 2,000 damaged logs",
        slow_tests(DAMAGE, "test_truncations[1000]", "test_damaged_logs[2000]"),
    ),
    "processes": (
        4,
        "8 processes, 2,000 images",
        slow_tests(PROCESSES, "test_processes_share_a_cache[8]", MANY_IMAGES="1"),
    ),
    "small_cache": (
        4,
        "36 runs, 3 at a time, a cache smaller than their work",
        slow_tests("test_cache_refusals.py"),
    ),
    "resume": (
        5,
        "killed at 10, 50, 90 %",
        slow_tests(PROCESSES, "test_resuming_computes_only_what_is_missing"),
    ),
    "signals": (5, "SIGINT, SIGTERM, SIGKILL amid a fit", slow_tests("test_progress.py")),
    "bad_files": (8, "300 bad files of 10,000", bad_files),
    "images": (
        9,
        "10,000 mutated images",
        slow_tests("test_images_damage.py", "test_10000_damaged_files_give_pixels_or_bad_image_errors"),
    ),
    "decoders": (9, "decoders killed at random, isolate=True", killed_decoders),
    "bombs": (10, "image bombs", bombs),
    "memory": (14, "100,000 rows", memory),
    "predictions": (14, "10,000 single predictions by each engine", predictions),
    "uncached": (14, "20,000 single predictions, cache=False", uncached),
    "edits": (6, "500 random edits of weights, code, globals; pickles", edits.run),
    "threads": (15, "32 threads x 50 predictions by each engine", threads),
    "forks": (15, "20 forks for each engine", forks),
    "jobs": (15, "n_jobs=2, cold, beside a network", slow_tests("test_forks.py")),
    "models": (16, "100,000 mutated model files", model_files),
    "hostile": (16, "hostile model files, an audit hook", slow_tests(MODELS, *HOSTILE)),
    "saves": (
        17,
        "200 SIGKILLs while saving",
        slow_tests(MODELS, "test_many_kills_leave_the_old_or_the_new_model"),
    ),
    "leakage": (20, "other pixels held out", slow_tests("test_reliability.py")),
}
CHECKS = [Check(promise, name, faults, run) for name, (promise, faults, run) in RUNS.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[check.name for check in CHECKS], default=[])
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    print(f"{'#':>2}  {'name':12} {'faults':52} {'seconds':>8}  result")
    failed = False
    for check in CHECKS:
        if arguments.only and check.name not in arguments.only:
            continue
        line = f"{check.promise:2}  {check.name:12} {check.faults:52}"
        if arguments.list:
            print(line)
            continue
        started = time.perf_counter()
        try:
            result = check.run()
        except AssertionError as error:
            result, failed = f"BROKEN: {error}", True
        print(f"{line} {time.perf_counter() - started:8.1f}  {result}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()

"""Promises that no single module keeps: the same bits elsewhere, nothing learned from what is held out."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY, make_pictures
from transferkit import Classifier, FeatureCache, FeatureExtractor, KeypointRegressor, set_config
from transferkit.datasets import make_faces
from transferkit.heads import AutoHead, LinearHead, MLPHead, _reduction, auto


def digest(estimator):
    """SHA-256 of every number that was fitted."""
    arrays = dict(estimator.fitted_head_.tensors())
    for i, part in enumerate(getattr(estimator, "refinements_", [])):
        arrays |= {f"{i} {name}": array for name, array in part.tensors().items()}
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


# Promises 7 and 13: another process


def fit_all(folder):
    """Fit every closed-form head; return digests, and how often the backbone ran."""
    folder = Path(folder)
    set_config(engine="fake", progress=False)
    tiny = {"backbone": TINY}
    paths, labels = make_pictures(folder, 60)
    faces = make_faces(60, random_state=3)
    found = {
        "linear": digest(Classifier(**tiny, head="linear").fit(paths, labels)),
        "auto": digest(Classifier(**tiny, head="auto").fit(paths, labels)),
        "cascade": digest(KeypointRegressor(**tiny).fit(faces.images, faces.keypoints)),
    }
    with pytest.MonkeyPatch.context() as patch:  # as for thousands of rows, where the seed decides
        patch.setattr(_reduction, "EXACT_ROWS", 40)
        patch.setattr(_reduction, "LANDMARKS", 30)
        patch.setattr(auto, "_SELECTION_ROWS", 40)
        found["many rows"] = digest(Classifier(**tiny, random_state=5).fit(paths, labels))
        assert found["many rows"] != digest(Classifier(**tiny, random_state=6).fit(paths, labels))
    return found


AGAIN = """
import json, sys
from tests.conftest import FakeEngine
from tests.test_reliability import fit_all
from transferkit import engines

fake = FakeEngine()
engines.ENGINES["fake"] = fake.build
print(json.dumps([fit_all(sys.argv[1]), fake.calls]))
"""


def in_another_process(code, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_another_process_fits_the_same_bits_cold_and_warm(engine, tmp_path):
    here = fit_all(tmp_path / "a")
    cold, calls = in_another_process(
        AGAIN, tmp_path / "a", PYTHONHASHSEED="77", TRANSFERKIT_CACHE=str(tmp_path / "other")
    )
    assert cold == here
    assert calls == engine.calls
    # Moved, and by a process with another order of its sets: nothing is computed again.
    warm, calls = in_another_process(AGAIN, tmp_path / "b", PYTHONHASHSEED="5")
    assert warm == here
    assert calls == 0


def test_moved_touched_renamed_and_reordered_pictures_hit(tiny, engine, tmp_path):
    paths, _ = make_pictures(tmp_path / "a", 40)
    expected = FeatureExtractor(**tiny).transform(paths)
    order = np.random.default_rng(0).permutation(40)
    moved = []
    for i in order:
        path = tmp_path / f"b{i}" / f"other{i}.jpg"
        path.parent.mkdir()
        paths[i].rename(path)
        os.utime(path, (1, 1))
        moved.append(path)
    calls = engine.calls
    np.testing.assert_array_equal(FeatureExtractor(**tiny).transform(moved), expected[order])
    assert engine.calls == calls


# Promise 6: what looks alike and is not


def test_equal_names_sizes_and_times_in_two_folders_are_two_rows(tiny, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 40, 40, 3), dtype=np.uint8)
    paths = []
    for i in range(2):
        path = tmp_path / str(i) / "same.bmp"
        path.parent.mkdir()
        Image.fromarray(pixels[i]).save(path)
        os.utime(path, (1, 1))
        paths.append(path)
    assert paths[0].stat().st_size == paths[1].stat().st_size
    found = FeatureExtractor(**tiny).transform(paths)
    np.testing.assert_array_equal(found, FeatureExtractor(**tiny, cache=False).transform(list(pixels)))
    assert not np.array_equal(*found)


# Promise 15: threads


@pytest.mark.parametrize(
    "rounds", [pytest.param(3, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.full)]
)
def test_32_threads_predict_what_one_does(tiny, pictures, rounds):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    answers, problems = [], []

    def work(seed):
        generator = np.random.default_rng(seed)
        try:
            for _ in range(rounds):  # no two pictures are equal, so that each goes all the way
                images = generator.integers(0, 256, (generator.integers(1, 5), 40, 40, 3), dtype=np.uint8)
                answers.append((list(images), clf.predict_proba(list(images))))
        except Exception as error:  # noqa: BLE001 (a thread must hand its problem over)
            problems.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(answers) == 32 * rounds
    alone = Classifier(**tiny, extractor=FeatureExtractor(cache=False)).fit(paths, labels)
    for images, found in answers:
        np.testing.assert_array_equal(alone.predict_proba(images), found)


# Promise 20: nothing is learned from pictures that are held out


def held_out_pictures(folder, seed):
    """Test and validation pictures, whatever they show."""
    paths, labels = make_pictures(folder, 30, seed=seed)
    generator = np.random.default_rng(seed)
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return paths, labels


@pytest.mark.parametrize("head", [LinearHead(), AutoHead()], ids=["linear", "auto"])
def test_held_out_pixels_change_no_fitted_number(tiny, pictures, tmp_path, head):
    paths, labels = pictures
    alone = Classifier(**tiny, head=head, extractor=FeatureExtractor(cache=tmp_path / "alone")).fit(
        paths, labels
    )
    digests = set()
    for seed, when in ((1, "before"), (2, "together")):
        held, held_labels = held_out_pictures(tmp_path / "held", seed)  # the same names, other pixels
        cache = FeatureCache(tmp_path / when)
        clf = Classifier(**tiny, head=head, extractor=FeatureExtractor(cache=cache))
        if when == "before":  # other pictures, and other layers of them, are there already
            FeatureExtractor(**tiny, layers="auto", grid=4, cache=cache).transform(held)
            clf.fit(paths, labels)
        else:
            clf.fit(paths, labels, validation_data=(held, held_labels))
        clf.predict(held)
        digests.add(digest(clf))
    digests.add(digest(clf.fit(paths, labels)))  # and after all of it was seen
    assert digests == {digest(alone)}


def test_held_out_pixels_change_no_keypoint(tiny, tmp_path):
    faces = make_faces(90, random_state=3)
    some = faces.keypoints.reshape(90, -1, 2)[:, ::12]  # a few points take all the steps that 68 do
    images, points = faces.images[:60], some[:60]
    digests = set()
    for seed in (1, 2):
        held, _ = held_out_pictures(tmp_path / "held", seed)
        kp = KeypointRegressor(**tiny, extractor=FeatureExtractor(cache=tmp_path / str(seed)))
        kp.fit(images, points, validation_data=(held, some[60:] / 4))  # these pictures are smaller
        assert kp.refinements_
        kp.predict(held)
        digests.add(digest(kp))
    assert digests == {
        digest(KeypointRegressor(**tiny, extractor=FeatureExtractor(cache=False)).fit(images, points))
    }


@pytest.mark.slow
def test_held_out_pixels_change_no_network(tiny, pictures, tmp_path):
    paths, labels = pictures
    digests = set()
    for seed in (1, 2):
        held, held_labels = held_out_pictures(tmp_path / "held", seed)
        clf = Classifier(**tiny, head=MLPHead(epochs=3, patience=None))
        digests.add(digest(clf.fit(paths, labels, validation_data=(held, held_labels))))
    assert len(digests) == 1


# Promise 14: nothing is left behind by a prediction


def resident_megabytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.full)])
def test_single_predictions_leave_no_memory_behind(tiny, pictures, count):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    generator = np.random.default_rng(0)

    def predict(n):
        for _ in range(n):
            clf.predict(generator.integers(0, 256, (40, 40, 3), dtype=np.uint8))

    predict(100)
    before = resident_megabytes()
    predict(count)
    assert resident_megabytes() - before < 20

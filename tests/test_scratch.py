"""A memory limit puts large arrays into files, and changes no result."""

import errno
import os
import tempfile
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_pictures
from transferkit import Classifier, FeatureExtractor, KeypointRegressor
from transferkit.datasets import make_faces
from transferkit.errors import InvalidInputError
from transferkit.foundation.scratch import memory_limit, scratch
from transferkit.heads import LinearHead, TrainingData, _reduction
from transferkit.tasks import Classes


def test_large_arrays_lie_in_files_within_the_context_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with memory_limit(8 * 1000):
        small, large = scratch((125,)), scratch((126,))
        assert type(small) is np.ndarray
        assert isinstance(large, np.memmap)
        large[:] = np.arange(126)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(type(scratch((126,)))))
        thread.start()
        thread.join()
        assert seen == [np.ndarray]  # the limit is that of this call, not of others in the process
    assert type(scratch((126,))) is np.ndarray
    np.testing.assert_array_equal(large, np.arange(126))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no room")
def test_a_file_has_its_room_before_it_is_written_to(monkeypatch):
    """Otherwise a full disk would end the process, without a word, when it is."""
    made = []

    def temporary_file():
        made.append(tempfile.NamedTemporaryFile())  # noqa: SIM115 - read until the end of the test
        return made[-1].file

    with memory_limit(8 * 1000):
        monkeypatch.setattr("transferkit.foundation.scratch.tempfile.TemporaryFile", temporary_file)
        large = scratch((100, 1000))
        assert Path(made[0].name).stat().st_blocks * 512 >= large.nbytes

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match=r"0\.8 MB .*No space left.*TMPDIR") as caught:
            scratch((100, 1000))
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("rows", [40, 200])  # the exact way, and that of landmarks
@pytest.mark.parametrize("width", [20, 300])
def test_the_linear_head_learns_the_same_in_files(monkeypatch, rows, width):
    monkeypatch.setattr(_reduction, "EXACT_ROWS", 60)
    monkeypatch.setattr(_reduction, "LANDMARKS", 60)
    monkeypatch.setattr(_reduction, "_ROWS", 32)
    generator = np.random.default_rng(0)
    maps = [generator.random((rows, 2, 2, width), dtype=np.float32)]
    data = TrainingData(
        maps, generator.integers(0, 2, rows), Classes(np.arange(2)), np.ones(rows), np.arange(rows) // 2
    )
    free = LinearHead().fit(data)
    with memory_limit(1000):
        limited = LinearHead().fit(data)
    np.testing.assert_array_equal(limited.weights, free.weights)
    np.testing.assert_array_equal(limited.held_out, free.held_out)


def test_a_fit_in_files_holds_less_memory():
    generator = np.random.default_rng(0)
    rows, width = 30_000, 200
    maps = [generator.random((rows, width), dtype=np.float32)]
    data = TrainingData(
        maps, generator.integers(0, 2, rows), Classes(np.arange(2)), np.ones(rows), np.arange(rows)
    )
    peaks = []
    for limit in (None, 1e6):
        tracemalloc.start()
        with memory_limit(limit):
            LinearHead(penalty=0.1).fit(data)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    in_rows = rows * width * 8
    assert peaks[0] > 2 * in_rows  # the rows, and their decomposition
    assert peaks[1] < in_rows


@pytest.mark.slow
def test_estimators_predict_the_same_with_a_limit(tiny, tmp_path):
    paths, labels = make_pictures(tmp_path / "pictures", 40)
    free, limited = (
        Classifier(**tiny, extractor=FeatureExtractor(memory_limit=limit)).fit(paths[:30], labels[:30])
        for limit in (None, 1000)
    )
    np.testing.assert_array_equal(limited.decision_function(paths), free.decision_function(paths))
    faces = make_faces(20)
    free, limited = (
        KeypointRegressor(**tiny, extractor=FeatureExtractor(memory_limit=limit)).fit(
            faces.images, faces.keypoints
        )
        for limit in (None, 1000)
    )
    np.testing.assert_array_equal(limited.predict(faces.images[:9]), free.predict(faces.images[:9]))


def test_a_wrong_limit_is_named(tiny, tmp_path):
    paths, labels = make_pictures(tmp_path / "pictures", 4)
    for wrong in (0, -1, "2 GB", True):
        with pytest.raises(InvalidInputError, match="memory_limit must be a number of bytes"):
            Classifier(**tiny, extractor=FeatureExtractor(memory_limit=wrong)).fit(paths, labels)

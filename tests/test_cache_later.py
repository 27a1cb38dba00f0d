"""What one prediction computes is written to disk a moment later."""

import logging
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from transferkit import FeatureExtractor
from transferkit.cache import (
    FeatureCache,
    FeatureSpace,
    FileIndex,
    MemorySpace,
    RowKey,
    SpillingSpace,
    _later,
    _waiting,
)
from transferkit.cache._database import Database
from transferkit.cache._recipes import space_identity

RECIPE = {"backbone": "tiny"}
KEYS = [RowKey(f"{i:064x}", "original") for i in range(9)]


def rows_of(*keys, part="a"):
    return [(key, part, np.full(4, int(key.digest, 16), np.float32)) for key in keys]


@pytest.fixture
def never(monkeypatch):
    """Nothing is written by itself, as if the moment never came."""
    _later.finish()
    monkeypatch.setattr(_later, "DELAY_SECONDS", 1e6)
    yield
    if (timer := _later._timer) is not None:
        timer.cancel()
    _later.finish()


@pytest.fixture
def space(tmp_path):
    """A space whose file exists."""
    space = SpillingSpace(FeatureCache(tmp_path).space(RECIPE))
    space.write(rows_of(KEYS[0]))
    return space


@pytest.fixture
def n_writes(monkeypatch):
    """A list that grows with each transaction."""
    found, write = [], Database.write

    def count(database, change):
        found.append(database.path)
        return write(database, change)

    monkeypatch.setattr(Database, "write", count)
    return found


def on_disk(space, keys=KEYS):
    """Return the keys that another process would find."""
    with FeatureSpace(space.path, space_identity(RECIPE, "float16"), half=True) as plain:
        return plain.find(keys, ["a"])


def test_rows_are_written_after_a_moment(space, n_writes):
    recent = space.recent(soon=True)
    recent.write(rows_of(KEYS[1]))
    recent.write(rows_of(KEYS[2]))
    assert n_writes == []
    out = np.empty((2, 4), np.float32)
    assert recent.read_into(KEYS[1:3], "a", out).all()
    assert out[:, 0].tolist() == [1, 2]
    deadline = time.monotonic() + 30
    while len(on_disk(space)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert on_disk(space) == set(KEYS[:3])
    assert n_writes == [space.path], "both in one transaction"


@pytest.mark.usefixtures("never")
def test_no_row_is_missed_while_it_waits(space, tmp_path):
    space.recent(soon=True).write(rows_of(KEYS[1]))
    twin = SpillingSpace(FeatureCache(tmp_path).space(RECIPE))  # which writes what waits
    twin.recent(soon=True).write(rows_of(KEYS[2]))
    assert on_disk(space) == set(KEYS[:2])
    assert space.find(KEYS[3:], ["a"]) == set()
    assert on_disk(space) == set(KEYS[:2]), "nothing that is asked for waits, so nothing is written"
    assert space.find(KEYS, ["a"]) == set(KEYS[:3])
    twin.recent(soon=True).write(rows_of(KEYS[3]))
    out = np.empty((1, 4), np.float32)
    assert space.read_into(KEYS[3:4], "a", out).all()
    assert out[0, 0] == 3
    twin.recent(soon=True).write(rows_of(KEYS[4]))
    assert FeatureCache(tmp_path).info().spaces[0].rows == 5


@pytest.mark.usefixtures("never")
def test_many_rows_do_not_wait(space, monkeypatch):
    monkeypatch.setattr(_waiting, "_MOST_BYTES", 20)
    recent = space.recent(soon=True)
    recent.write(rows_of(*KEYS[1:3]))
    recent.write(rows_of(*KEYS[3:5]))
    assert on_disk(space) == {KEYS[0], *KEYS[3:5]}


@pytest.mark.usefixtures("never")
def test_a_deleted_folder_does_not_come_back(space, tmp_path):
    space.recent(soon=True).write(rows_of(KEYS[1]))
    space._space.close()
    shutil.rmtree(tmp_path)
    _later.finish()
    assert not tmp_path.exists()
    space.recent(soon=True).write(rows_of(KEYS[2]))
    assert on_disk(space) == {KEYS[2]}, "the first rows create the file, so they do not wait"


def test_an_error_is_logged_and_what_waits_after_it_is_written(space, caplog, monkeypatch):
    monkeypatch.setattr(_later, "DELAY_SECONDS", 1e6)
    _later.soon(lambda: 1 / 0)
    space.recent(soon=True).write(rows_of(KEYS[1]))
    with caplog.at_level(logging.ERROR, "transferkit"):
        _later.finish()
    assert "will be computed again" in caplog.text
    assert on_disk(space) == set(KEYS[:2])


@pytest.mark.usefixtures("never")
def test_what_an_interrupt_stops_is_written_the_next_time(space, monkeypatch):
    space.recent(soon=True).write(rows_of(KEYS[1]))
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", raises(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            _later.finish()
    space.recent(soon=True).write(rows_of(KEYS[2]))
    assert space.find(KEYS, ["a"]) == {KEYS[0], KEYS[2]}, "the first of them is computed again"
    assert on_disk(space) == {KEYS[0], KEYS[2]}


def raises(error):
    def fail(*_):
        raise error

    return fail


def test_without_a_thread_it_is_written_at_once(space, monkeypatch):
    monkeypatch.setattr(_later.threading.Thread, "start", raises(RuntimeError))
    space.recent(soon=True).write(rows_of(KEYS[1]))
    assert on_disk(space) == set(KEYS[:2])


@pytest.mark.usefixtures("never")
def test_what_waits_may_ask_for_what_waits(space):
    _later.soon(lambda: space.find(KEYS, ["a"]))
    space.recent(soon=True).write(rows_of(KEYS[1]))
    _later.finish()
    assert on_disk(space) == set(KEYS[:2])


def test_memory_keeps_rows_at_once():
    space = MemorySpace()
    space.recent(soon=True).write(rows_of(KEYS[1]))
    assert space.find(KEYS, ["a"]) == {KEYS[1]}


@pytest.mark.usefixtures("never")
def test_files_are_remembered_later(tmp_path):
    index = FileIndex(tmp_path / "files.sqlite")
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(b"image")
        os.utime(path, (1e9, 1e9))
    time.sleep(2.1)  # until the change time can be trusted
    assert index.lookup(paths) == [None, None]
    index.remember([(paths[0], paths[0].stat(), "ab" * 32)], soon=True)
    assert index.lookup(paths) == ["ab" * 32, None], "the first one creates the file"
    index.remember([(paths[1], paths[1].stat(), "cd" * 32)], soon=True)
    assert index.lookup(paths) == ["ab" * 32, None]
    _later.finish()
    assert index.lookup(paths) == ["ab" * 32, "cd" * 32]


@pytest.mark.usefixtures("never")
def test_one_prediction_writes_nothing_and_no_image_is_run_twice(tiny, pictures, n_writes):
    paths, _ = pictures
    first = FeatureExtractor(**tiny)
    first.transform(paths[:1])
    n_writes.clear()
    first.transform(paths[1:2])
    assert n_writes == []
    again = FeatureExtractor(**tiny)
    again.transform(paths[:2])
    assert again.report_.n_backbone_calls == 0
    assert len(n_writes) == len(set(n_writes)) > 0


# Processes

START = """
import multiprocessing, os, sys, time
from pathlib import Path
from tests.test_cache_later import *
from transferkit.cache import _later
_later.DELAY_SECONDS = 1e6
folder = Path(sys.argv[1])
def compute(*numbers):
    space = SpillingSpace(FeatureCache(folder).space(RECIPE))
    space.recent(soon=True).write(rows_of(*(KEYS[i] for i in numbers)))
    return space
if __name__ == "__main__":
    compute(0)
"""


def run(code, folder):
    script = folder / "script.py"
    script.write_text(START + code)
    done = subprocess.run(
        [sys.executable, script, folder], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        timeout=120, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    space = SpillingSpace(FeatureCache(folder).space(RECIPE))
    return {int(key.digest, 16) for key in on_disk(space)}, done.stderr


def test_the_end_of_a_process_does_not_lose_rows(tmp_path):
    code = "    _later._finalized_in = os.getpid()  # of multiprocessing\n    compute(1, 2)\n"
    assert run(code, tmp_path) == ({0, 1, 2}, "")


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_the_end_of_a_worker_process_does_not_lose_rows(method, tmp_path):
    code = f"""
    worker = multiprocessing.get_context("{method}").Process(target=compute, args=(1,))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
"""
    assert run(code, tmp_path) == ({0, 1}, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_neither_lose_nor_repeat_rows(tmp_path):
    code = """
    space = compute(1)
    if (child := os.fork()) == 0:
        assert _later._actions == []
        compute(2)
        _later.finish()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert on_disk(space) == set(KEYS[:3])
    _later.DELAY_SECONDS = 0.01
    compute(3)
    if (child := os.fork()) == 0:
        compute(4)
        time.sleep(2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert on_disk(space) == set(KEYS[:5])
"""
    assert run(code, tmp_path) == ({0, 1, 2, 3, 4}, "")

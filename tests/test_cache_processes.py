"""Several processes and threads at one cache, and processes that are killed."""

import contextlib
import hashlib
import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from transferkit.cache import FeatureCache, RowKey
from transferkit.cache._sqlite import check_owner

RECIPE = {"backbone": "tiny"}
PARTS = ("a", "b")
KEYS = [
    RowKey(hashlib.sha256(b"%d" % i).hexdigest(), "original")
    for i in range(2000 if os.environ.get("MANY_IMAGES") else 500)
]


def array_of(key, part):
    """Return what the row must be: known without computing anything."""
    return np.full((4, 64 if part == "a" else 900), int(key.digest[:3], 16) / 2, np.float16)


def rows_of(keys):
    return [(key, part, array_of(key, part)) for key in keys for part in PARTS]


def assert_right(folder, *, complete=False, together=True):
    """Check every row of a cache, and return the keys that have all parts."""
    with FeatureCache(folder).space(RECIPE) as space:
        found = space.read(KEYS, PARTS)
        for (key, part), array in found.items():
            assert (array == array_of(key, part)).all()
        whole = space.find(KEYS, PARTS)
        assert not together or len(found) == 2 * len(whole), "both parts of an image are written together"
        assert not complete or len(whole) == len(KEYS)
        return whole


def start(code, *arguments):
    code = f"from tests.test_cache_processes import *\n{code}"
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process, timeout=120):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return out


# Killed while writing

WRITE_ALL = """
cache = FeatureCache(sys.argv[1])
print("ready", flush=True)
with cache.space(RECIPE) as space:
    for start in range(0, len(KEYS), 16):
        batch = KEYS[start : start + 16]
        missing = set(batch) - space.find(batch, PARTS)
        space.write(rows_of(missing))
        print(len(missing), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("count", [6, pytest.param(200, marks=pytest.mark.full)])
def test_killed_at_random_times(tmp_path, count, caplog):
    rng = np.random.default_rng(0)
    caplog.set_level(logging.WARNING, "transferkit")
    folder = tmp_path / "0"
    grown = 0
    for i in range(count):
        before = assert_right(folder)
        if len(before) > 0.8 * len(KEYS):
            folder = tmp_path / str(i)
            before = set()
        process = start(WRITE_ALL, folder)
        assert process.stdout.readline() == "ready\n"
        acknowledged = 0
        while i % 2 and not acknowledged:  # every other one is killed after its first rows, however slow
            acknowledged = int(process.stdout.readline())
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        # not communicate(), which loses what readline() has read ahead
        acknowledged += sum(int(line) for line in process.stdout.read().split("\n")[:-1])
        process.communicate()
        after = assert_right(folder)
        assert before <= after, "rows are never lost"
        assert len(after) - len(before) >= acknowledged, "what write() returned from is there"
        grown += len(after) > len(before)
    assert grown > count / 4, "some were killed amid writing"
    finish(start(WRITE_ALL, folder))
    assert_right(folder, complete=True)
    assert caplog.messages == []


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize(
    "share", [0.5, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.1, 0.9))]
)
def test_resuming_computes_only_what_is_missing(tmp_path, share):
    process = start(WRITE_ALL, tmp_path)
    process.stdout.readline()
    stored = 0
    while stored < share * len(KEYS):
        stored += int(process.stdout.readline())
    process.kill()
    process.communicate()
    there = len(assert_right(tmp_path))
    assert there >= stored
    computed = finish(start(WRITE_ALL, tmp_path)).split("\n")[1:-1]
    assert sum(map(int, computed)) == len(KEYS) - there
    assert_right(tmp_path, complete=True)


# At the same time

RACE = """
rng = np.random.default_rng(int(sys.argv[2]))
cache = FeatureCache(sys.argv[1])
while time.time() < float(sys.argv[3]):
    pass
computed = 0
with cache.space(RECIPE) as space:
    for start in rng.permutation(range(0, len(KEYS), 50)):
        batch = KEYS[start : start + 50]
        missing = set(batch) - space.find(batch, PARTS)
        space.write(rows_of(missing))
        computed += len(missing)
        out = np.zeros((50, 4, 900), np.float32)
        assert space.read_into(batch, "b", out).all()
        assert (out == [array_of(key, "b") for key in batch]).all()
print(computed)
"""


@pytest.mark.parametrize("count", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_processes_share_a_cache(tmp_path, count):
    begin = time.time() + 1
    processes = [start(RACE, tmp_path, i, begin) for i in range(count)]
    computed = sum(int(finish(process)) for process in processes)
    print(f"{computed - len(KEYS)} of {len(KEYS)} rows were computed twice by {count} processes")
    assert len(KEYS) <= computed < count * len(KEYS)
    assert_right(tmp_path, complete=True)
    assert not list(tmp_path.glob("*damaged*"))


BEGIN = """
while time.time() < float(sys.argv[2]):
    pass
for i in range(40):
    with FeatureCache(sys.argv[1]).space({**RECIPE, "i": i}) as space:
        assert space.write(rows_of(KEYS[:3]))
        assert len(space.read(KEYS[:3], PARTS)) == 6
"""


@pytest.mark.slow
def test_processes_create_the_same_files_at_once(tmp_path):
    begin = time.time() + 1
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as folder:
        for process in [start(BEGIN, folder, begin) for _ in range(4)]:
            assert finish(process) == ""
        assert FeatureCache(folder).info().n_rows == 40 * 6
        assert not list(Path(folder).glob("*damaged*"))


def test_a_file_with_the_log_of_an_earlier_version(tmp_path):
    """It is used with its log as long as another process has it open, and without one from then on."""
    with FeatureCache(tmp_path).space(RECIPE) as space:
        space.write(rows_of(KEYS[:5]))
    other = sqlite3.connect(space.path, isolation_level=None)
    assert other.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    assert other.execute("SELECT count(*) FROM rows").fetchone() == (10,)
    for expected in ("wal", "delete"):
        with FeatureCache(tmp_path).space(RECIPE) as space:
            assert len(space.find(KEYS, PARTS)) == (5 if expected == "wal" else 6)
            space.write(rows_of(KEYS[5:6]))
            mode = space.database.read(lambda db: db.execute("PRAGMA journal_mode").fetchone())
            assert mode == (expected,)
        other.close()
    assert len(assert_right(tmp_path)) == 6


WORK_UNTIL = """
cache = FeatureCache(sys.argv[1])
with cache.space(RECIPE) as space:
    while time.time() < float(sys.argv[2]):
        batch = [KEYS[i] for i in np.random.default_rng().integers(0, len(KEYS), 16)]
        space.write(rows_of(set(batch) - space.find(batch, PARTS)))
        for (key, part), array in space.read(batch, PARTS).items():
            assert (array == array_of(key, part)).all()
print("done")
"""


def test_a_file_that_is_emptied_while_it_is_opened_is_no_strangers(tmp_path):
    connection = sqlite3.connect(tmp_path / "empty.sqlite")
    with pytest.raises(sqlite3.DatabaseError, match="emptied while it was opened"):
        check_owner(connection, tmp_path / "empty.sqlite", None)
    connection.close()


@pytest.mark.parametrize(
    "seconds", [pytest.param(2, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.full)]
)
def test_files_cut_under_a_running_process(tmp_path, seconds):
    """A program that synchronises folders may write into them: cut files cost rows, never the process."""
    rng = np.random.default_rng(0)
    end = time.time() + 1 + seconds
    process = start(WORK_UNTIL, tmp_path, end)
    cuts = 0
    while time.time() < end:
        for path in tmp_path.glob("*.sqlite*"):
            with contextlib.suppress(FileNotFoundError):
                os.truncate(path, int(rng.integers(0, 1 + path.stat().st_size // 2)))
                cuts += 1
        time.sleep(0.02)
    assert finish(process) == "done\n"
    assert cuts > 20
    assert_right(tmp_path, together=False)  # a cut may have taken one part


CLEAR = """
while time.time() < float(sys.argv[2]):
    FeatureCache(sys.argv[1]).clear()
    time.sleep(np.random.default_rng().uniform(0, 0.3))
"""


@pytest.mark.parametrize(
    "seconds", [pytest.param(2, marks=pytest.mark.slow), pytest.param(60, marks=pytest.mark.full)]
)
def test_another_process_clears_meanwhile(tmp_path, seconds):
    end = time.time() + seconds
    process = start(CLEAR, tmp_path, end)
    with FeatureCache(tmp_path).space(RECIPE) as space:
        while time.time() < end:
            space.write(rows_of(KEYS[:20]))
            for (key, part), array in space.read(KEYS[:20], PARTS).items():
                assert (array == array_of(key, part)).all()
    finish(process)
    with FeatureCache(tmp_path).space(RECIPE) as space:
        space.write(rows_of(KEYS[:20]))
        assert len(space.read(KEYS[:20], PARTS)) == 40


# Forks

FORK = """
import signal

signal.alarm(300)  # no process outlives the test that started it
import warnings

warnings.filterwarnings("ignore", "This process.*fork", DeprecationWarning)  # we know: that is the test
cache = FeatureCache(sys.argv[1])
space = cache.space(RECIPE)
space.write(rows_of(KEYS[:100]))
cache.files.lookup([sys.executable])
stop = threading.Event()

def work():  # another thread is in the middle of something whenever the fork happens
    while not stop.is_set():
        space.write(rows_of(KEYS[:10]))

threading.Thread(target=work).start()
children = []
for i in range(10):
    child = os.fork()
    if not child:
        try:
            assert len(space.find(KEYS[:100], PARTS)) == 100
            own = KEYS[100 + 10 * i : 110 + 10 * i]
            assert space.write(rows_of(own))
            assert len(space.read(own, PARTS)) == 20
            cache.files.lookup([sys.executable])
            space.close()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(child)
    if not i % 3:
        space.close()  # the last connection of the parent goes while children are at work
failed = [child for child in children if os.waitpid(child, 0)[1]]
stop.set()
assert not failed
assert len(space.find(KEYS[:200], PARTS)) == 200
space.close()
cache.files.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_children_write_and_read(tmp_path):
    finish(start(FORK, tmp_path), timeout=60)
    assert len(assert_right(tmp_path)) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_nothing_is_open_in_a_forked_child(tmp_path):
    code = """
space = FeatureCache(sys.argv[1]).space(RECIPE)
space.write(rows_of(KEYS[:1]))
child = os.fork()
if not child:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    os._exit(sum(".sqlite" in os.readlink(link) for link in links))
assert os.waitpid(child, 0)[1] == 0
space.close()
"""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    finish(start(code, tmp_path))


# Threads and copies


@pytest.mark.parametrize("shared", [True, False], ids=["one space", "a space each"])
def test_threads(tmp_path, shared):
    cache = FeatureCache(tmp_path)
    common = cache.space(RECIPE)
    problems = []

    def work(seed):
        try:
            rng = np.random.default_rng(seed)
            space = common if shared else cache.space(RECIPE)
            for start in rng.permutation(range(0, 200, 10)):
                space.write(rows_of(KEYS[start : start + 10]))
                found = space.read(KEYS[start : start + 10], PARTS)
                assert len(found) == 20
                for (key, part), array in found.items():
                    assert (array == array_of(key, part)).all()
            if not shared:
                space.close()
        except Exception as error:  # noqa: BLE001 (a thread must hand its problem over)
            problems.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    common.close()
    assert problems == []
    assert len(assert_right(tmp_path)) == 200


def test_a_pickled_cache_works_in_another_process(tmp_path):
    cache = FeatureCache(tmp_path)
    with cache.space(RECIPE) as space:
        space.write(rows_of(KEYS[:5]))
        code = "cache = pickle.loads(bytes.fromhex(sys.argv[1]))\nwith cache.space(RECIPE) as space:\n"
        code += "    print(len(space.find(KEYS, PARTS)))\n    space.write(rows_of(KEYS[5:9]))"
        assert finish(start(code, pickle.dumps(cache).hex())) == "5\n"
        assert len(space.find(KEYS, PARTS)) == 9


def test_a_space_that_is_dropped_closes_its_file(tmp_path):
    code = "FeatureCache(sys.argv[1]).space(RECIPE).write(rows_of(KEYS[:1]))\n"
    code += "held = [os.readlink(file) for file in Path('/proc/self/fd').iterdir() if file.is_symlink()]\n"
    code += "assert not [file for file in held if file.endswith('.sqlite')]"
    finish(start(code, tmp_path))

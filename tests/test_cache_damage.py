"""Bit rot, cut files, foreign files, full disks: the right row, a miss or a CacheError; never a wrong row."""

import contextlib
import hashlib
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from transferkit.cache import FeatureCache, RowKey, _folder
from transferkit.cache._sqlite import APPLICATION_ID
from transferkit.errors import CacheError

RECIPE = {"backbone": "tiny", "image_size": 32}
KEYS = [
    RowKey(hashlib.sha256(b"%d" % i).hexdigest(), view) for i in range(30) for view in ("original", "mirror")
]
PARTS = {"a@1": (24,), "b@4": (4, 4, 300)}  # within a page, and over several


def array_of(key, part):
    seed = int(key.digest[:8], 16) + len(key.view) + len(part)
    return np.random.default_rng(seed).integers(-99, 99, PARTS[part]).astype(np.float32)


ROWS = [(key, part, array_of(key, part)) for key in KEYS for part in PARTS]
EXPECTED = {(key, part): array for key, part, array in ROWS}


@pytest.fixture
def warnings(caplog):
    _folder._warned.clear()
    caplog.set_level(logging.WARNING, "transferkit")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def space(tmp_path):
    with FeatureCache(tmp_path).space(RECIPE) as space:
        yield space


@pytest.fixture
def full(space):
    """A space with rows, closed."""
    space.write(ROWS)
    space.keep_facts({"layers": ["a", "b"]})
    space.close()
    return space


@pytest.fixture
def memory(tmp_path):
    """A folder in memory where there is one: hundreds of copies, each synchronised, are slow on a disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as folder:
        yield Path(folder)


def check_never_wrong(cache):
    """Use a cache in every way.

    Return how many rows were there, whether something was raised, and whether what is written is
    found again in the end; an index out of order may hide a row from each search, which is a miss.
    """
    with cache.space(RECIPE) as space:
        try:
            assert space.find(KEYS, list(PARTS)) <= set(KEYS)
            found = space.read(KEYS, list(PARTS))
            for name, array in found.items():
                assert (array == EXPECTED[name]).all(), f"wrong row {name}"
            for part, shape in PARTS.items():
                assert space.part_shape(part) in (shape, None)
            assert space.find_facts("layers") in ({"layers": ["a", "b"]}, {})
            for _ in range(3):  # damage may be noticed, and the file set aside, after a write
                space.write(ROWS[::7])
                again = space.read(KEYS, list(PARTS))
                for name, array in again.items():
                    assert (array == EXPECTED[name]).all(), f"wrong row {name} after writing"
            healed = {(key, part) for key, part, _ in ROWS[::7]} <= set(again)
            cache.explain(KEYS[0].digest, RECIPE, list(PARTS))
            cache.info()
        except CacheError:
            return 0, True, False
        return len(found), False, healed


def damage_and_check(full, memory, count, damage, seed):
    """Damage a copy of the file again and again; return what `check_never_wrong` does for each."""
    original = full.path.read_bytes()
    rng = np.random.default_rng(seed)
    outcomes = []
    for i in range(count):
        folder = memory / f"copy{i}"
        folder.mkdir()
        (folder / full.path.name).write_bytes(damage(bytearray(original), rng))
        outcomes.append(check_never_wrong(FeatureCache(folder)))
        shutil.rmtree(folder)
    return np.array(outcomes)


def flip_bit(content, rng):
    """Flip one bit, in every other case among the pages that hold the structure."""
    end = len(content) if rng.random() < 0.5 else min(len(content), 16 * 8192)
    content[rng.integers(end)] ^= 1 << rng.integers(8)
    return content


def cut(content, rng):
    return content[: rng.integers(len(content))]


@pytest.mark.parametrize(
    "count", [pytest.param(300, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.full)]
)
def test_bit_flips(full, memory, count):
    outcomes = damage_and_check(full, memory, count, flip_bit, seed=1)
    assert outcomes[:, 1].mean() < 0.01, "errors are rare"
    assert outcomes[:, 2].mean() > 0.99, "nearly all heal"
    assert outcomes[:, 0].mean() > 0.8 * len(ROWS), "one bit costs few rows"
    assert (outcomes[:, 0] < len(ROWS)).mean() > 0.2, "many flips hit something"


@pytest.mark.parametrize("count", [30, pytest.param(1_000, marks=pytest.mark.full)])
def test_truncations(full, memory, count):
    outcomes = damage_and_check(full, memory, count, cut, seed=2)
    assert not outcomes[:, 1].any()
    assert outcomes[:, 2].all(), "all heal"


@pytest.mark.parametrize("count", [50, pytest.param(2_000, marks=pytest.mark.full)])
@pytest.mark.parametrize("mode", ["WAL", "DELETE"], ids=["log of an earlier version", "journal"])
def test_damaged_journals(full, memory, count, mode):
    """The journal that a killed process left behind is damaged."""
    killed = sqlite3.connect(full.path, isolation_level=None)
    killed.execute(f"PRAGMA journal_mode = {mode}")
    killed.execute("PRAGMA cache_size = 1")
    killed.execute("BEGIN IMMEDIATE")
    killed.execute("UPDATE rows SET data = zeroblob(length(data))")
    if mode == "WAL":
        killed.execute("COMMIT")
    files = {path.name: path.read_bytes() for path in full.path.parent.glob("*.sqlite*")}
    killed.close()
    journal = f"{full.path.name}-{'wal' if mode == 'WAL' else 'journal'}"
    assert len(files[journal]) > 10_000
    rng = np.random.default_rng(3)
    for i in range(count):
        folder = memory / f"copy{i}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        (folder / journal).write_bytes((flip_bit, cut)[i % 2](bytearray(files[journal]), rng))
        check_never_wrong(FeatureCache(folder))
        shutil.rmtree(folder)


def change(full, sql, *values):
    connection = sqlite3.connect(full.path)
    connection.execute(sql, values)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE rows SET data = (SELECT data FROM rows WHERE id = 3) WHERE id = 1",
        "UPDATE rows SET crc = crc + 1 WHERE id = 1",
        "UPDATE rows SET dtype = '<f4' WHERE id = 1",
        "UPDATE rows SET data = substr(data, 3) WHERE id = 1",
        "UPDATE rows SET data = 7 WHERE id = 1",
        "UPDATE rows SET data = x'' WHERE id = 1",
    ],
)
def test_a_damaged_row_is_reported_deleted_and_written_anew(full, sql, warnings):
    change(full, sql)
    key, part, array = ROWS[0]
    assert (key, part) not in full.read(KEYS, list(PARTS))
    assert len(full.read(KEYS, list(PARTS))) == len(ROWS) - 1
    assert warnings() == [
        f"1 damaged row(s) in {full.path} were ignored and deleted. They will be computed again."
    ]
    assert key not in full.find([key], [part])
    full.write([(key, part, array)])
    assert (full.read([key], [part])[key, part] == array).all()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE rows SET digest = (SELECT digest FROM rows WHERE id = 5), view = 2, part = 9 WHERE id = 1",
        "UPDATE OR REPLACE rows SET view = 2 WHERE view = 1",
        "UPDATE views SET name = name || 'x'",
        "UPDATE parts SET name = 'b@x' WHERE name = 'b@4'",
        "UPDATE parts SET shape = '[2, 2, 1200]' WHERE name = 'b@4'",
        "UPDATE parts SET id = 3 - id + 10",
        "UPDATE facts SET value = '[]'",
        "DELETE FROM views",
        "DELETE FROM about",
        "UPDATE about SET identity = 'x'",
        "DROP TABLE rows",
        "DROP TABLE parts",
        "DROP INDEX rows_by_key",
        "PRAGMA user_version = 0",
    ],
)
def test_swapped_names_and_lost_tables(full, sql, warnings):
    change(full, sql)
    check_never_wrong(FeatureCache(full.path.parent))


def test_a_shape_cannot_be_changed_behind_our_back(full):
    change(full, "UPDATE parts SET shape = '[2, 2, 1200]' WHERE name = 'b@4'")
    assert full.part_shape("b@4") is None
    assert full.read(KEYS, ["b@4"]) == {}
    assert len(full.read(KEYS, ["a@1"])) == len(KEYS)
    full.write(ROWS)
    assert len(full.read(KEYS, list(PARTS))) == len(ROWS)


@pytest.mark.parametrize("content", [b"not a database" * 99, b"SQLite format 3\0" + bytes(4000)])
def test_a_damaged_file_is_set_aside(full, content, warnings):
    for n in (1, 2):
        full.path.write_bytes(content)
        assert full.read(KEYS, list(PARTS)) == {}
        full.write(ROWS[:2])
        full.close()
        assert Path(f"{full.path}.damaged-{n}").read_bytes() == content
    assert len(warnings()) == 2
    assert "damaged-1 and a new file was started" in warnings()[0]
    assert len(full.read(KEYS, list(PARTS))) == 2


def test_damage_found_while_writing(full, warnings):
    change(full, "DROP TABLE rows")
    assert full.write(ROWS[:2])
    assert len(full.read(KEYS, list(PARTS))) == 2
    assert len(warnings()) == 1


@pytest.mark.parametrize("content", [b"", b"x"])
def test_an_empty_file_is_filled(space, content):
    """SQLite takes anything shorter than a page for empty; a process killed at once leaves that."""
    space.path.write_bytes(content)
    assert space.read(KEYS, list(PARTS)) == {}
    assert space.write(ROWS[:1])
    assert len(space.read(KEYS, list(PARTS))) == 1


def test_a_newer_file_is_left_alone(full, warnings):
    change(full, "PRAGMA user_version = 99")
    before = full.path.read_bytes()
    for action in (
        lambda: full.read(KEYS, ["a@1"]),
        lambda: full.write(ROWS),
        lambda: full.part_shape("a@1"),
    ):
        for _ in range(2):
            with pytest.raises(CacheError, match=r"newer transferkit.*schema 1, got 99.*Upgrade"):
                action()
    assert full.path.read_bytes() == before
    cache = FeatureCache(full.path.parent)
    assert "newer transferkit" in cache.info().spaces[0].problem
    assert "newer transferkit" in str(cache.info())
    assert cache.clear() > 0


def test_a_database_of_another_program_is_left_alone(space):
    connection = sqlite3.connect(space.path)
    connection.execute("CREATE TABLE theses (title TEXT)")
    connection.close()
    before = space.path.read_bytes()
    for action in (lambda: space.read(KEYS, ["a@1"]), lambda: space.write(ROWS)):
        with pytest.raises(CacheError, match=rf"another program.*{APPLICATION_ID}.*Move it away"):
            action()
    assert space.path.read_bytes() == before


# Disks that fail


@pytest.mark.slow
def test_a_full_disk(full):
    """A clear error, earlier rows readable, and it goes on when there is room again."""
    pages = full.path.stat().st_size // 8192
    failures = 0
    for limit in range(pages, pages + 80, 4):
        full.database.read(lambda db, limit=limit: db.execute(f"PRAGMA max_page_count = {limit}"))
        new = [(RowKey(f"{limit:064x}", f"view{i}"), "b@4", array_of(KEYS[0], "b@4")) for i in range(40)]
        stored = False
        with contextlib.suppress(CacheError):
            stored = full.write(new)
        failures += not stored
        assert len(full.read([key for key, _, _ in new], ["b@4"])) == 40 * stored, "all or none"
        assert len(full.read(KEYS, list(PARTS))) == len(ROWS)
    assert 0 < failures < 20
    full.database.read(lambda db: db.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(CacheError, match=r"is full. Free some space"):
        full.write([(KEYS[0], "c", np.ones(99_999))])
    full.close()
    assert full.write(new)


FAILING = """
import sys, resource, signal
from tests.test_cache_damage import *
folder, limit = sys.argv[1], int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write beyond the limit fails with EFBIG
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
with FeatureCache(folder).space(RECIPE) as space:
    try:
        for start in range(0, len(ROWS), 8):
            space.write(ROWS[start : start + 8])
        print("stored")
    except CacheError as error:
        kept = space.read(KEYS, list(PARTS)).keys() == {row[:2] for row in ROWS[:start]}
        print("failed" if kept else "lost", error)
"""


def limited_run(folder, limit):
    result = subprocess.run(
        [sys.executable, "-c", FAILING, str(folder), str(limit)],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits on the size of files")
@pytest.mark.parametrize(
    "step", [pytest.param(1_400_000, marks=pytest.mark.slow), pytest.param(20_000, marks=pytest.mark.full)]
)
def test_writes_that_fail(tmp_path, step):
    """The kernel refuses every write beyond a limit, which is raised step by step."""
    outcomes = []
    for limit in range(1, 3_000_000, step):
        folder = tmp_path / str(limit)
        outcomes.append(limited_run(folder, limit).split(" ", 1)[0].strip())
        with FeatureCache(folder).space(RECIPE) as space:
            for name, array in space.read(KEYS, list(PARTS)).items():
                assert (array == EXPECTED[name]).all()
            assert space.write(ROWS)
            assert len(space.read(KEYS, list(PARTS))) == len(ROWS)
    assert set(outcomes) == {"failed", "stored"}


NTH_WRITE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>
static int count;
static int ours(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, ".sqlite") && ++count == atoi(getenv("FAIL_AT"));
}
#define FAIL(fd) if (ours(fd)) { errno = atoi(getenv("FAIL_WITH")); return -1; }
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) {
    FAIL(fd)
    return ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, b, n, o);
}
ssize_t write(int fd, const void *b, size_t n) {
    FAIL(fd)
    return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, b, n);
}
int fdatasync(int fd) { FAIL(fd) return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
int ftruncate64(int fd, off_t n) {
    FAIL(fd)
    return ((int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64"))(fd, n);
}
__attribute__((destructor)) static void report(void) { fprintf(stderr, "calls %d\n", count); }
"""


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
@pytest.mark.parametrize(
    "every",
    [pytest.param(400, marks=pytest.mark.slow), *(pytest.param(n, marks=pytest.mark.full) for n in (10, 1))],
)
def test_the_nth_write_fails(tmp_path, every):
    """EIO and ENOSPC at every write, sync and truncation of a small run."""
    (tmp_path / "fail.c").write_text(NTH_WRITE)
    library = tmp_path / "fail.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "fail.c", "-ldl"], check=True)

    def run(folder, at, with_errno):
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "FAIL_AT": str(at),
            "FAIL_WITH": str(with_errno),
        }
        result = subprocess.run(
            [sys.executable, "-c", FAILING, str(folder), "-1"],
            capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[1], timeout=60,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return result

    calls = int(run(tmp_path / "count", -1, 0).stderr.rsplit("calls ", 1)[1])
    assert calls > 50
    print(f"every {every}th of {calls} calls failed once by EIO and once by ENOSPC")
    outcomes = []
    for code in (5, 28):  # EIO, ENOSPC
        for n in range(1, calls + 1, every):
            folder = tmp_path / f"{code}-{n}"
            outcomes.append(run(folder, n, code).stdout.split(" ", 1)[0].strip())
            with FeatureCache(folder).space(RECIPE) as space:
                for name, array in space.read(KEYS, list(PARTS)).items():
                    assert (array == EXPECTED[name]).all()
                assert space.write(ROWS)
                assert len(space.read(KEYS, list(PARTS))) == len(ROWS)
            shutil.rmtree(folder)
    assert set(outcomes) <= {"failed", "stored"}
    assert "failed" in outcomes


# Read-only folders. Root may write anywhere, so a child that is not root does the looking.

READ_ONLY = """
import sys
from tests.test_cache_damage import *
if os.getuid() == 0:
    os.setuid(65534)
logging.basicConfig(format="%(message)s", stream=sys.stdout)
cache = FeatureCache(sys.argv[1])
for _ in range(2):
    with cache.space(RECIPE) as space, cache.space({"other": 1}) as other:
        found = space.read(KEYS, list(PARTS))
        print(len(found), all((array == EXPECTED[name]).all() for name, array in found.items()))
        print(space.write(ROWS[:1]), other.write(ROWS[:1]), len(space.find(KEYS, list(PARTS))))
cache.files.lookup([__file__] if "__file__" in globals() else ["x"])
print(FeatureCache(sys.argv[1] + "/below/it").space(RECIPE).write(ROWS[:1]))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
@pytest.mark.parametrize("log", ["none", "left by a killed process"])
def test_a_read_only_folder(log):
    folder = Path(tempfile.mkdtemp())  # not below tmp_path, which nobody else may enter
    try:
        with FeatureCache(folder).space(RECIPE) as space:
            space.write(ROWS)
            if log != "none":
                for file in list(folder.glob("*.sqlite*")):
                    shutil.copy(file, f"{file}.copy")
        if log != "none":
            for file in list(folder.glob("*.copy")):
                file.rename(str(file).removesuffix(".copy"))
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        result = subprocess.run(
            [sys.executable, "-B", "-c", READ_ONLY, str(folder)],
            capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        lines = result.stdout.splitlines()
        assert lines.count(f"{len(ROWS)} True") == 2
        assert lines.count(f"False False {len(KEYS)}") == 2
        assert sum("is read-only" in line and "TRANSFERKIT_CACHE" in line for line in lines) == 2, (
            "once a folder"
        )
        assert lines[-1] == "False"
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_locked_file_is_an_error_that_says_so(full, monkeypatch):
    monkeypatch.setattr("transferkit.cache._sqlite.BUSY_SECONDS", 0.1)
    other = sqlite3.connect(full.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CacheError, match=r"locked.*Another process"):
        full.write(ROWS[:1])
    assert len(full.read(KEYS, list(PARTS))) == len(ROWS), "readers do not wait for writers"
    other.execute("ROLLBACK")
    other.close()
    assert full.write(ROWS[:1])


def test_a_write_that_is_interrupted_leaves_nothing(full):
    """Deterministic, where a kill at a random time may miss the moment."""
    key = RowKey("ab" * 32, "original")

    def change(db):
        db.execute("INSERT INTO facts VALUES ('half', '1', 0)")
        db.execute("DELETE FROM rows")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        full.database.write(change)
    full.close()
    assert full.find_facts("half") == {}
    assert full.database.read(lambda db: db.execute("SELECT count(*) FROM facts").fetchone()) == (1,)
    assert len(full.read(KEYS, list(PARTS))) == len(ROWS)
    assert full.write([(key, "a@1", np.ones(24, np.float32))])


def test_damage_that_comes_back_is_an_error_in_the_end(full, monkeypatch):
    def refuse(change):
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(full.database, "_try_to_write", refuse)
    with pytest.raises(CacheError, match=r"cannot be used: database disk image is malformed\."):
        full.write(ROWS[:1])

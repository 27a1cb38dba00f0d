"""The file index: never a stale digest, never needlessly hashed again."""

import hashlib
import os
import time
from types import SimpleNamespace

import pytest

from transferkit.cache import FileIndex, _files
from transferkit.cache._database import Database
from transferkit.errors import InvalidInputError


@pytest.fixture
def index(tmp_path):
    index = FileIndex(tmp_path / "files.sqlite")
    yield index
    index.close()


@pytest.fixture
def settled(monkeypatch):
    """Let files count as old enough that are some clock ticks old."""
    monkeypatch.setattr(_files, "FRESH_NS", 20_000_000)
    return lambda: time.sleep(0.05)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hash_and_remember(index, paths):
    known = index.lookup(paths)
    index.remember(
        [(path, path.stat(), digest(path)) for path, old in zip(paths, known, strict=True) if not old]
    )
    return known


def make(folder, count):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        path.write_bytes(b"image %d" % i)
    return paths


def test_unchanged_files_are_known(index, tmp_path, settled):
    paths = make(tmp_path / "images", 1000)
    settled()
    assert hash_and_remember(index, paths) == [None] * 1000
    expected = [digest(path) for path in paths]
    assert index.lookup(paths) == expected
    assert index.lookup([str(path) for path in reversed(paths)]) == expected[::-1]
    index.close()
    again = FileIndex(index.path)
    assert again.lookup(paths) == expected
    again.close()


def test_no_file_is_opened(index, tmp_path, settled, monkeypatch):
    (path,) = make(tmp_path / "images", 1)
    settled()
    hash_and_remember(index, [path])
    opened = []
    import sys

    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    assert index.lookup([path])[0]
    assert str(path) not in opened


def test_other_pixels_of_the_same_size_and_time_are_noticed(index, tmp_path, settled):
    (path,) = make(tmp_path / "images", 1)
    settled()
    hash_and_remember(index, [path])
    before = path.stat()
    with path.open("r+b") as file:  # in place: the same inode
        file.write(b"IMAGE")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )
    assert index.lookup([path]) == [None]
    settled()
    for _ in range(2):  # twice, as it was looked up while it was too fresh
        hash_and_remember(index, [path])
    assert index.lookup([path]) == [digest(path)]


def test_replaced_moved_touched_and_missing_files(index, tmp_path, settled):
    a, b, c, d = make(tmp_path / "images", 4)
    settled()
    hash_and_remember(index, [a, b, c, d])
    a.unlink()
    b.replace(a)  # other content under the old name
    c.touch()
    d.unlink()
    assert index.lookup([a, b, c, d]) == [None] * 4


def test_a_link_that_points_elsewhere_is_noticed(index, tmp_path, settled):
    a, b = make(tmp_path / "images", 2)
    link = tmp_path / "link.jpg"
    link.symlink_to(a)
    settled()
    hash_and_remember(index, [link])
    assert index.lookup([link]) == [digest(a)]
    link.unlink()
    link.symlink_to(b)
    assert index.lookup([link]) == [None]


def test_a_file_changed_just_before_hashing_is_not_trusted(index, tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "FRESH_NS", 300_000_000)
    (path,) = make(tmp_path / "images", 1)
    hash_and_remember(index, [path])
    assert index.lookup([path]) == [None]
    time.sleep(0.4)
    assert hash_and_remember(index, [path]) == [None], "looked up while too fresh, so hashed once more"
    assert hash_and_remember(index, [path]) == [None]
    assert index.lookup([path]) == [digest(path)]


def test_the_time_of_hashing_counts_not_that_of_remembering(index, tmp_path, monkeypatch):
    """A batch is remembered long after its first file was hashed."""
    monkeypatch.setattr(_files, "FRESH_NS", 100_000_000)
    (path,) = make(tmp_path / "images", 1)
    index.lookup([path])
    entry = (path, path.stat(), digest(path))
    time.sleep(0.2)
    index.remember([entry])
    assert index.lookup([path]) == [None]


def test_a_fresh_file_forgets_its_old_digest(index, tmp_path, settled, monkeypatch):
    (path,) = make(tmp_path / "images", 1)
    settled()
    hash_and_remember(index, [path])
    status = path.stat()
    monkeypatch.setattr(_files, "FRESH_NS", 10**12)
    index.remember([(path, status, "cd" * 32)])
    assert index.lookup([path]) == [None]


def test_what_is_stored_already_costs_no_transaction(index, tmp_path, settled, monkeypatch):
    paths = make(tmp_path / "images", 2)
    settled()
    hash_and_remember(index, paths)
    again = [(path, path.stat(), digest(path)) for path in paths]
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", lambda *_: pytest.fail("nothing is new"))
        index.remember(again)
        patch.setattr(_files, "FRESH_NS", 10**12)
        (fresh,) = make(tmp_path / "fresh", 1)
        index.remember([(fresh, fresh.stat(), digest(fresh))])
    index.remember([(paths[0], paths[0].stat(), "cd" * 32)])
    assert index.lookup(paths) == ["cd" * 32, digest(paths[1])]


@pytest.mark.parametrize(
    ("changed", "modified", "fresh"),
    [(-3, -3, False), (-1, -9, True), (-9, -1, True), (5, -9, True), (-9, 10**9, False), (-9, 1, True)],
)
def test_what_is_fresh(changed, modified, fresh):
    now = 1_700_000_000
    status = SimpleNamespace(st_ctime_ns=(now + changed) * 10**9, st_mtime_ns=(now + modified) * 10**9)
    assert _files.is_fresh(status, now * 10**9) is fresh


def test_equal_names_in_two_folders(index, tmp_path, settled, monkeypatch):
    (a,) = make(tmp_path / "a", 1)
    (b,) = make(tmp_path / "b", 1)
    b.write_bytes(b"other!!")
    settled()
    hash_and_remember(index, [a, b])
    monkeypatch.chdir(a.parent)
    assert index.lookup(["0.jpg", "../b/0.jpg"]) == [digest(a), digest(b)]


def test_names_that_are_not_unicode(index, tmp_path, settled):
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    try:
        path.write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only Unicode names")
    settled()
    hash_and_remember(index, [path])
    assert index.lookup([path]) == [digest(path)]


def test_a_malformed_digest_is_refused(index, tmp_path):
    (path,) = make(tmp_path / "images", 1)
    with pytest.raises(InvalidInputError, match="64 hex digits"):
        index.remember([(path, path.stat(), "abc")])

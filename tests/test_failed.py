"""Images that could not be decoded are remembered by content, and never stand in the way of good ones."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_pictures
from transferkit import Classifier, FeatureCache, FeatureExtractor
from transferkit.cache import _files
from transferkit.cache import _tables as tables
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.extraction import ExtractionReport, Failure, _failed, _pipeline
from transferkit.images import _sources


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """Thirty good pictures with three bad files among them, old enough for the file index."""
    monkeypatch.setattr(_files, "FRESH_NS", 0)
    paths, _ = make_pictures(tmp_path / "good", 30)
    for place, content in ((4, b"<html>"), (9, paths[0].read_bytes()[:300]), (20, b"GIF89a")):
        path = tmp_path / f"bad{place}.png"
        path.write_bytes(content)
        paths.insert(place, path)
    return paths


@pytest.fixture
def tries(monkeypatch):
    """Names of what the decoder was given."""
    names = []
    decode = _sources.decode_bytes

    def note(data, name, *rest, **more):
        names.append(name)
        return decode(data, name, *rest, **more)

    monkeypatch.setattr(_sources, "decode_bytes", note)
    return names


def extract(tiny, images, **more):
    return FeatureExtractor(**{**tiny, "on_error": "skip", **more}).extract(images)


def test_a_second_run_opens_no_bad_file(tiny, mixed, monkeypatch):
    first = extract(tiny, mixed)
    assert first.report.n_known_failures == 0

    def refuse(source):
        raise AssertionError(f"opened {source}")

    monkeypatch.setattr(_pipeline, "read_source", refuse)
    again = extract(tiny, mixed)
    assert [failure.index for failure in again.report.failures] == [4, 9, 20]
    assert again.report.counts() == first.report.counts()
    assert (again.report.n_cached, again.report.n_known_failures) == (30, 3)
    assert "3 left out" in str(again.report)
    assert "3 of them known (retry_failed=True tries them again)" in str(again.report)
    np.testing.assert_array_equal(again.flat(), first.flat())
    for one, two in zip(first.report.failures, again.report.failures, strict=True):
        assert (two.path, two.category, two.reason) == (one.path, one.category, one.reason)
        assert two.hint == f"{one.hint} (Known from an earlier run; retry_failed=True tries again.)"


def test_on_error_raise_names_the_first_at_once(tiny, mixed, engine):
    with pytest.raises(BadImageError, match=r"Image 4: .*bad4\.png"):
        extract(tiny, mixed, on_error="raise")
    extract(tiny, mixed)
    calls = engine.calls
    with pytest.raises(BadImageError, match=r"Image 4: .*bad4\.png: .*Known from an earlier run") as caught:
        extract(tiny, mixed, layers="fine", on_error="raise")
    assert (caught.value.index, caught.value.category, engine.calls) == (4, "not_an_image", calls)


def test_files_too_fresh_for_the_index_bytes_and_arrays(tiny, mixed, tries, monkeypatch):
    monkeypatch.setattr(_files, "FRESH_NS", 2_000_000_000)
    for _ in range(2):
        report = extract(tiny, [*(path.read_bytes() for path in mixed)]).report
        assert len(report.failures) == 3
    assert report.n_known_failures == 3
    arrays = [np.full((20, 20), 0.5), np.full((20, 20, 3), -1.0), np.full((20, 21, 3), np.nan)]
    for known in (0, 2):
        report = extract(tiny, arrays).report
        assert report.counts() == {"ambiguous_range": 1, "non_finite": 1}
        assert report.n_known_failures == known
    assert len(extract(tiny, arrays, value_range=(-1, 1)).report.failures) == 1, "another space"


def test_bytes_are_not_decoded_twice(tiny, mixed, tries):
    images = [path.read_bytes() for path in mixed]
    extract(tiny, images)
    assert len(tries) == 33
    extract(tiny, images, layers="last")
    assert len(tries) == 33 + 30
    extract(tiny, images, layers="last", retry_failed=True)
    assert len(tries) == 33 + 30 + 3


def test_a_mended_file_is_tried_at_once(tiny, mixed):
    expected = extract(tiny, [path for path in mixed if "bad" not in path.name])
    extract(tiny, mixed)
    mixed[4].write_bytes(mixed[0].read_bytes())
    mended = extract(tiny, mixed)
    assert [failure.index for failure in mended.report.failures] == [9, 20]
    np.testing.assert_array_equal(mended.flat()[0], mended.flat()[4])
    np.testing.assert_array_equal(np.delete(mended.flat(), 4, axis=0), expected.flat())


@pytest.mark.parametrize("how", ["retry_failed", "another version", "cleared", "another size"])
def test_what_makes_it_try_again(tiny, mixed, tries, monkeypatch, how):
    extract(tiny, mixed)
    n = len(tries)
    more = {}
    if how == "retry_failed":
        more = {"retry_failed": True}
    elif how == "another version":
        monkeypatch.setattr(_failed, "_BY", "transferkit 99, Pillow 99")
    elif how == "cleared":
        FeatureCache().clear()
    else:
        more = {"image_size": 48}
    assert extract(tiny, mixed, **more).report.n_known_failures == 0
    assert len(tries) == n + (3 if how in ("retry_failed", "another version") else 33)


def test_what_succeeds_on_another_try_is_forgotten(tiny, mixed, monkeypatch):
    """A better decoder under the same version, say, or a broken library that was put right."""
    extract(tiny, mixed)

    def lenient(data, name, *rest):
        stream = io.BytesIO()
        Image.new("RGB", (20, 20)).save(stream, "PNG")
        return decode(data if "bad" not in name else stream.getvalue(), name, *rest)

    decode = _sources.decode_bytes
    monkeypatch.setattr(_sources, "decode_bytes", lenient)
    assert extract(tiny, mixed, retry_failed=True).report.failures == []
    assert extract(tiny, mixed).report.failures == []
    assert extract(tiny, mixed, layers="fine").report.failures == []


@pytest.mark.parametrize("error", [MemoryError(), None])
def test_what_depends_on_the_machine_is_not_remembered(tiny, mixed, tries, monkeypatch, error):
    def fail(data, name, *rest):
        tries.append(name)
        raise BadImageError(name, "too_large" if error else "timed_out", "now.") from error

    monkeypatch.setattr(_sources, "decode_bytes", fail)
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="cannot be read"):
            extract(tiny, mixed[:5])
    assert len(tries) == 10


def test_known_failures_do_not_stop_a_run_early(tiny, tmp_path, monkeypatch):
    """Their share among few new images says nothing about the list."""
    monkeypatch.setattr(_files, "FRESH_NS", 0)
    paths, _ = make_pictures(tmp_path / "good", 60)
    bad = [tmp_path / f"{i}.png" for i in range(30)]
    for i, path in enumerate(bad):
        path.write_bytes(b"<html>%d" % i)
    late = tmp_path / "late.png"
    late.write_bytes(b"<html>late")
    extract(tiny, [*paths[:40], *bad])
    cache = FeatureCache()
    space = next(path for path in cache.folder.glob("*.sqlite") if path.name != "files.sqlite")
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(space)) as db, db:
        db.execute("DELETE FROM rows")  # as a full cache does
    report = extract(tiny, [*bad, late, *paths]).report
    assert (len(report.failures), report.n_known_failures) == (31, 30)
    # Mostly bad in the end is an error all the same.
    with pytest.raises(InvalidInputError, match="30 of the 40 images"):
        extract(tiny, [*bad, *paths[:10]])


def test_a_run_that_stopped_early_keeps_what_it_found(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "FRESH_NS", 0)
    bad = [tmp_path / f"{i}.png" for i in range(50)]
    for i, path in enumerate(bad):
        path.write_bytes(b"<html>%d" % i)
    for known in (range(1), range(20, 51), range(20, 51)):  # more than 20: threads run ahead
        extractor = FeatureExtractor(**tiny, on_error="skip")
        with pytest.raises(InvalidInputError, match="cannot be read"):
            extractor.extract(bad)
        assert extractor.report_.n_known_failures in known


def test_a_damaged_memory_is_no_memory(tiny, mixed, tries):
    extract(tiny, mixed)
    cache = FeatureCache()
    import sqlite3
    from contextlib import closing

    space = next(path for path in cache.folder.glob("*.sqlite") if path.name != "files.sqlite")
    with closing(sqlite3.connect(space)) as db, db:
        db.execute("UPDATE facts SET value = replace(value, 'HTML', 'HTMM')")
        db.execute("UPDATE facts SET value = '[1]' WHERE name LIKE '%a%'")
    n = len(tries)
    assert len(extract(tiny, mixed).report.failures) == 3
    assert n < len(tries) <= n + 3


def test_a_read_only_cache_and_none(tiny, mixed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("transferkit.cache._database.Database.write", lambda *_: False)
        for _ in range(2):
            assert len(extract(tiny, mixed).report.failures) == 3
    extractor = FeatureExtractor(**tiny, on_error="skip", cache=False)
    assert extractor.extract(mixed).report.n_known_failures == 0
    assert extractor.extract(mixed).report.n_known_failures == 3


def test_labels_stay_aligned_and_the_table_has_every_path(tiny, tmp_path):
    """The quick form of 300 bad of 10,000: cold, then warm."""
    paths, labels = make_pictures(tmp_path / "good", 60)
    paths, labels = list(paths), list(labels)
    good = paths[0].read_bytes()
    expected = Classifier(**tiny, augment=None, extractor=FeatureExtractor(cache=False)).fit(paths, labels)
    for i in range(18):
        bad = tmp_path / f"bad{i}.png"
        bad.write_bytes([b"", b"<html>", good[: 99 + i]][i % 3])
        paths.insert(3 * i, bad)
        labels.insert(3 * i, ("left", "right")[i % 2])
    for _ in range(2):
        clf = Classifier(**tiny, augment=None).fit(paths, labels)
        np.testing.assert_array_equal(clf.fitted_head_.weights, expected.fitted_head_.weights)
        clf.report_.to_csv(tmp_path / "left out.csv")
        with (tmp_path / "left out.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert [int(row["index"]) for row in rows] == list(range(0, 54, 3))
        assert [row["path"] for row in rows] == [str(paths[i]) for i in range(0, 54, 3)]
        assert {row["category"] for row in rows} == {"empty", "not_an_image", "truncated"}
        assert all(row["reason"] and row["hint"] for row in rows)


def test_many_remembered_failures_are_not_read_for_each_prediction(tiny, pictures, monkeypatch):
    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths, labels)
    before = clf.predict_proba(paths)
    space = clf.extractor_.settings().space
    entry = [_failed._BY, "corrupt", "is damaged.", ""]
    space.keep_facts({f"failed:{i:064x}": entry for i in range(20_000)})
    read = []
    find = tables.find_facts
    monkeypatch.setattr(tables, "find_facts", lambda *of: read.append(len(found := find(*of))) or found)
    for path in paths:
        clf.predict(path)
    np.testing.assert_array_equal(clf.predict_proba([Image.open(path) for path in paths]), before)
    assert sum(read) <= 2 * len(read) <= 8 * len(paths)


def test_names_that_are_no_text_are_written_as_the_system_has_them(tmp_path):
    report = ExtractionReport(failures=[Failure(0, "caf\udce9.png", "empty", "has zero bytes.", "")])
    report.to_csv(tmp_path / "left out.csv")
    assert b"0,caf\xe9.png,empty,has zero bytes." in (tmp_path / "left out.csv").read_bytes()

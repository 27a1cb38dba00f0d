"""Shards of features: whole or not there, resumed by content, equal to the local extractor's. Without Ray."""

import base64
import io
import json
import logging
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from tests.conftest import TINY, make_pictures
from transferkit import Classifier, FeatureCache, FeatureExtractor, config_context, distributed
from transferkit.errors import CacheError, InvalidInputError, MissingDependencyError, WeightsError
from transferkit.extraction import Failure
from transferkit.identity import _probe
from transferkit.views import AUGMENTATIONS, MIRROR, ORIGINAL, Square, View

pa = pytest.importorskip("pyarrow", reason="needs pyarrow", exc_type=ImportError)

from transferkit.distributed import _cores, _extract, _known, _names, _ray, _shards, _worker  # noqa: E402


@pytest.fixture
def extractor(tiny):
    return FeatureExtractor(**tiny, layers=["fine", "last"], grid=[4, "full"])


@pytest.fixture
def old(pictures):
    """Paths of sixty pictures whose times are past doubt."""
    return [age(path) for path in pictures[0]]


def age(path):
    """Let a file look old; the time of its change cannot be set."""
    os.utime(path, ns=(10**18, 10**18))
    return str(path)


@pytest.fixture(autouse=True)
def no_ticks(monkeypatch):
    monkeypatch.setattr(_known, "_FRESH_NS", -(10**12))


def work(paths, extractor, output, *, size=16, views=(ORIGINAL,), stop=None, **options):
    """Do what ``extract`` does, with one worker in this process; return its counts."""
    extraction = _extract.settled(extractor)
    store = _extract.Store(output)
    manifest, number = _extract.begin(store, _extract.Manifest.of(extraction, views))
    known = _known.Known.read(store, manifest, retry_failed=options.pop("retry_failed", False))
    root = options.pop("root", str(Path.cwd()))
    plan = _worker.Plan(
        extraction, views, manifest, _extract.versions("fake"), store, number, root, **options
    )  # fmt: skip
    worker = _worker.Worker(plan, known)
    blocks = list(_names.blocks_of(_names.list_names(paths), size))
    report = distributed.DistributedReport(store.address)
    _extract.gather(map(worker.extract, blocks[:stop]), report, lambda n: None)
    return report


def counts(report):
    return report.n_written, report.n_skipped, report.n_linked, report.n_failed


def ids_in(output):
    names = sorted(Path(output).glob("features-*.parquet"))
    return [name for path in names for name in pa.parquet.read_table(path)["id"].to_pylist()]


def test_rows_are_those_of_the_local_extractor(old, extractor, tmp_path):
    work(old, extractor, tmp_path / "out", views=(ORIGINAL, MIRROR))
    features = distributed.read_features(tmp_path / "out")
    assert np.array_equal(features.rows(old), extractor.transform(old))
    local = extractor.extract(old, views=(MIRROR,))
    for ours, theirs in zip(features.maps(old, view="mirror"), local.maps(), strict=True):
        assert np.array_equal(ours, theirs)
        assert ours.shape == theirs.shape
    assert features.ids.tolist() == sorted(old)
    assert features.digests.tolist() == [local.digests[old.index(name)] for name in sorted(old)]
    assert features.shape == (60, 4 * 4 * 6 + 4 * 4 * 3)
    assert np.array_equal(np.asarray(features), features.rows())
    some = [old[7], old[3], old[7]]
    assert np.array_equal(features.rows(some), extractor.transform(some))


def test_blocks_hold_every_row_once(old, extractor, tmp_path):
    work(old, extractor, tmp_path / "out", size=25)
    features = distributed.read_features(tmp_path / "out")
    blocks = list(features.blocks())
    assert sorted(len(ids) for ids, _ in blocks) == [10, 25, 25]
    for ids, rows in blocks:
        assert np.array_equal(rows, features.rows(ids))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_columns_are_lists_of_one_length_in_the_precision_of_the_cache(old, tiny, tmp_path, dtype):
    extractor = FeatureExtractor(**tiny, cache=FeatureCache(tmp_path / "cache", dtype=dtype))
    work(old, extractor, tmp_path / "out")
    (path, *_) = (tmp_path / "out").glob("features-*")
    (column,) = [field for field in pa.parquet.read_schema(path) if "@" in field.name]
    assert column.type == pa.list_({"float16": pa.float16(), "float32": pa.float32()}[dtype], 6)
    assert json.loads(column.metadata[b"shape"]) == [1, 1, 6]
    assert np.array_equal(distributed.read_features(tmp_path / "out").rows(old), extractor.transform(old))


def test_values_that_half_precision_cannot_hold_stay_single():
    array = np.array([[1.0, 70000.0], [0.5, 2.0]], np.float32)
    table = _shards.table_of({}, {"a": array}, half=True)
    assert table.schema.field("a").type.value_type == pa.float32()
    assert np.array_equal(_shards.array_of(table, "a"), array)


@pytest.mark.parametrize("second", [7, 16, 60])
def test_a_second_run_does_what_is_missing_whatever_the_blocks(old, extractor, engine, tmp_path, second):
    first = work(old, extractor, tmp_path / "out", stop=2)
    assert counts(first) == (32, 0, 0, 0)
    before = engine.images
    mixed = [*old[1::2], *old[::2]]
    assert counts(work(mixed, extractor, tmp_path / "out", size=second)) == (28, 32, 0, 0)
    assert engine.images - before == 28
    assert sorted(ids_in(tmp_path / "out")) == sorted(old)
    assert counts(work(old, extractor, tmp_path / "out")) == (0, 60, 0, 0)


def test_files_that_moved_are_known_by_content(old, extractor, engine, tmp_path):
    work(old, extractor, tmp_path / "out")
    before = engine.images
    moved = [age(Path(path).rename(tmp_path / Path(path).name)) for path in old]
    assert counts(work(moved, extractor, tmp_path / "out")) == (0, 0, 60, 0)
    assert engine.images == before
    assert counts(work(moved, extractor, tmp_path / "out")) == (0, 60, 0, 0)
    features = distributed.read_features(tmp_path / "out")
    assert len(features) == 120
    assert np.array_equal(features.rows(moved), features.rows(old))


def test_another_content_under_the_same_name_is_computed_and_counts(old, extractor, tmp_path):
    work(old, extractor, tmp_path / "out")
    before = Path(old[5]).read_bytes()
    others, _ = make_pictures(tmp_path / "others", 1, seed=1)
    for content, expected in ((others[0].read_bytes(), (1, 59, 0, 0)), (before, (0, 59, 1, 0))):
        Path(old[5]).write_bytes(content)
        assert counts(work(old, extractor, tmp_path / "out")) == expected
        features = distributed.read_features(tmp_path / "out")
        assert len(features) == 60
        assert np.array_equal(features.rows(old), extractor.transform(old))
        assert counts(work(old, extractor, tmp_path / "out")) == (0, 60, 0, 0)


def test_a_file_that_changed_just_now_is_read_again(old, extractor, engine, tmp_path, monkeypatch):
    monkeypatch.setattr(_known, "_FRESH_NS", 10**12)
    work(old, extractor, tmp_path / "out")
    before = engine.images
    assert counts(work(old, extractor, tmp_path / "out")) == (0, 60, 0, 0)
    assert engine.images == before
    opened = []
    read = _worker.extract_apart
    monkeypatch.setattr(_worker.Worker.__init__, "__defaults__", (lambda *a: opened.append(a) or read(*a),))
    work(old, extractor, tmp_path / "out")
    assert len(opened) == 4
    monkeypatch.setattr(_known, "_FRESH_NS", -(10**12))
    work(old, extractor, tmp_path / "third", stop=1)
    assert counts(work(old, extractor, tmp_path / "third")) == (44, 16, 0, 0)
    assert len(opened) == 4 + 1 + 3


def test_copies_in_a_block_run_once_and_each_name_has_rows(old, extractor, engine, tmp_path):
    twin = tmp_path / "twin.png"
    twin.write_bytes(Path(old[0]).read_bytes())
    names = [*old[:10], str(twin), old[3]]
    assert counts(work(names, extractor, tmp_path / "out")) == (10, 0, 1, 0)
    assert engine.images == 10
    features = distributed.read_features(tmp_path / "out")
    assert np.array_equal(features.rows([twin]), features.rows(old[:1]))


def test_a_bad_picture_costs_one_row_and_is_not_tried_again(old, extractor, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(Path(old[0]).read_bytes()[:200])
    gone = str(tmp_path / "gone.png")
    names = [*old[:20], age(bad), gone]
    assert counts(work(names, extractor, tmp_path / "out")) == (20, 0, 0, 2)
    features = distributed.read_features(tmp_path / "out")
    assert set(features.failures) == {str(bad), gone}
    assert "ends after 200 bytes" in features.failures[str(bad)]
    with pytest.raises(InvalidInputError, match=r"2 of 3 have none.*\n.*ends after.*\n.*does not exist"):
        features.rows([old[0], bad, gone])
    assert counts(work(names, extractor, tmp_path / "out")) == (0, 21, 0, 1)  # a path may appear
    assert counts(work(names, extractor, tmp_path / "out", retry_failed=True)) == (0, 20, 0, 2)
    bad.write_bytes(Path(old[30]).read_bytes())
    assert counts(work(names, extractor, tmp_path / "out")) == (1, 20, 0, 1)
    assert set(distributed.read_features(tmp_path / "out").failures) == {gone}


@pytest.mark.parametrize(
    ("category", "reason", "final"),
    [
        ("truncated", "PNG is truncated.", True),
        ("timed_out", "took longer than 30 s.", False),
        ("missing_package", "needs pillow-heif.", False),
        ("too_large", "PNG does not fit in memory.", False),
    ],
)
def test_a_failure_that_another_machine_may_not_have_is_not_final(category, reason, final):
    assert _worker._is_final(Failure(0, "a.png", category, reason, "")) is final


def test_mostly_bad_pictures_stop_the_run_and_a_bad_block_does_not(old, extractor, tmp_path):
    bad = [tmp_path / f"{i}.png" for i in range(25)]
    for path in bad:
        path.write_bytes(b"no picture")
    assert counts(work([*old, *bad], extractor, tmp_path / "out", size=20)) == (60, 0, 0, 25)
    with pytest.raises(
        InvalidInputError, match=r"25 of the 25 images tried so far cannot be read.*\n  .*0.png"
    ):
        work([*bad, *old], extractor, tmp_path / "other", size=25)
    with pytest.raises(InvalidInputError, match="3 of the 3 images"):
        work(bad[:3], extractor, tmp_path / "third")


def test_a_run_with_many_missing_files_can_be_repeated(old, extractor, tmp_path):
    images = [*old, *(tmp_path / f"missing {i}.png" for i in range(20))]
    assert counts(work(images, extractor, tmp_path / "out")) == (60, 0, 0, 20)
    assert counts(work(images, extractor, tmp_path / "out")) == (0, 60, 0, 20)


def test_a_block_that_is_done_twice_leaves_the_same_files(old, extractor, tmp_path):
    extraction = _extract.settled(extractor)
    manifest = _extract.Manifest.of(extraction, (ORIGINAL,))
    store = _extract.Store(tmp_path / "out")
    plan = _worker.Plan(extraction, (ORIGINAL,), manifest, _extract.versions("fake"), store, 1, "")
    worker = _worker.Worker(plan, _known.Known.nothing())
    for _ in range(2):
        assert worker.extract(old).error is None
    assert worker.extract(old).n_written == 60
    assert len(store.names()) == 1
    assert len(distributed._features.Index.read(store, manifest)) == 60


def test_shards_of_another_extractor_are_left_out_by_name(old, extractor, tmp_path, caplog):
    """A folder that was put together from two outputs must not mix their features."""
    work(old[:6], extractor, tmp_path / "out")
    other = clone(extractor).set_params(image_size=48)
    work(old[6:12], other, tmp_path / "other")
    foreign = [Path(shutil.copy(path, tmp_path / "out")) for path in (tmp_path / "other").glob("*.parquet")]
    stored = distributed.read_features(tmp_path / "out")
    assert len(stored) == 6
    assert f"{foreign[0]} holds features of another extractor than the manifest" in caplog.text
    with pytest.raises(InvalidInputError, match="6 of 12 have none"):
        stored.rows(old[:12])
    assert distributed.import_cache(tmp_path / "out", extractor) == 6
    assert counts(work(old[:12], extractor, tmp_path / "out")) == (6, 6, 0, 0)
    rows = distributed.read_features(tmp_path / "out").rows(old[:12])
    assert np.array_equal(rows, extractor.transform(old[:12]))


def test_names_are_not_listed_in_one_folder_and_read_in_another(old, extractor, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(old[0]).parent.parent)
    folder = Path(old[0]).parent
    for images in (folder.name, Path(folder.name), f"{folder.name}/*.png"):
        with pytest.raises(InvalidInputError, match="an absolute path, or a list of names"):
            distributed.export_cache(images, extractor, tmp_path / "out", root=tmp_path / "other")
    assert not (tmp_path / "out").exists()
    assert len(_names.list_names(folder, tmp_path / "other")) == len(old)
    assert len(_names.list_names(folder.name, tmp_path)) == len(old)  # the same folder
    assert len(_names.list_names([Path(old[0]).name], folder)) == 1


def test_workers_in_another_folder_read_the_same(old, extractor, tmp_path, monkeypatch):
    """Those of a cluster run where it was started."""
    folder, plans = Path(old[0]).parent, []
    (tmp_path / "names.parquet").touch()
    monkeypatch.chdir(tmp_path)
    assert (
        _names.table_files("names.*")
        == _names.table_files("names.parquet")
        == [str(tmp_path / "names.parquet")]
    )
    monkeypatch.chdir(folder.parent)
    monkeypatch.setattr(_worker.Worker, "__init__", lambda worker, plan, *_: plans.append(plan))
    monkeypatch.setattr(_worker.Worker, "extract", lambda *_: _worker.Done())
    distributed.export_cache(["0.png"], extractor, tmp_path / "out", root=folder.name)
    assert plans[0].root == str(folder)


def test_a_column_of_numbers_has_no_names(old, extractor, tmp_path):
    plan_and_known = _worker.Plan.__new__(_worker.Plan), _known.Known.nothing()
    error = _worker.Worker(*plan_and_known).extract([1, 2]).error
    assert isinstance(error, InvalidInputError)
    assert "column must have names of images, as text. Got 1" in str(error)


def test_a_manifest_covers_one_that_differs_by_rounding():
    """Probes of own backbones differ in the last digits between machines."""

    rows = 1 + np.random.default_rng(0).random((3, 1 + len(_probe._DIRECTIONS) // 2))

    def manifest(factor):
        probe = base64.b64encode((rows * factor).tobytes()).decode()
        recipe = {"backbone": {"name": "mine", "probe": probe}, "engine": "fake"}
        return _extract.Manifest(recipe, ("last",), ("last",), ("original",), True)

    one = manifest(1)
    assert one.covers(one.text())
    assert one.text() != manifest(1 + 1e-9).text()
    assert one.covers(manifest(1 + 1e-9).text())
    assert not one.covers(manifest(1.1).text())
    assert not one.covers(b"{}")


def test_two_first_runs_at_once_do_not_mix(old, extractor, tmp_path):
    store = _extract.Store(tmp_path / "out")
    first, _ = _extract.begin(store, _extract.Manifest.of(_extract.settled(extractor), (ORIGINAL,)))
    other = _extract.settled(clone(extractor).set_params(image_size=48))
    second = _extract.Manifest.of(other, (ORIGINAL,))
    store.write("manifest.json", second.text())  # as a run does that looked before the first had written
    with pytest.raises(InvalidInputError, match="Another run has written its manifest.json"):
        _extract.check_unchanged(store, first)
    _extract.check_unchanged(store, second)


def test_shards_of_earlier_versions_do_not_say_of_what_they_are(old, extractor, tmp_path, monkeypatch):
    monkeypatch.setattr(_shards, "_MANIFEST", b"nothing")
    work(old, extractor, tmp_path / "out")
    monkeypatch.undo()
    assert len(distributed.read_features(tmp_path / "out")) == 60


@pytest.mark.parametrize(
    "other", [{"image_size": 48}, {"layers": "fine"}, {"resize": "pad"}, {"views": (MIRROR,)}]
)
def test_an_output_holds_one_feature_space(old, extractor, tmp_path, other):
    work(old, extractor, tmp_path / "out", stop=1)
    views = other.pop("views", (ORIGINAL,))
    name = next(iter(other), "views")
    changed = FeatureExtractor(
        **{**extractor.get_params(), **other, **({"grid": 4} if "layers" in other else {})}
    )
    with pytest.raises(InvalidInputError, match=rf"must hold features of this extractor.*{name} was"):
        work(old, changed, tmp_path / "out", views=views)


def test_a_machine_with_other_versions_or_features_is_refused_by_name(old, extractor, tmp_path):
    extraction = _extract.settled(extractor)
    manifest = _extract.Manifest.of(extraction, (ORIGINAL,))
    store = _extract.Store(tmp_path / "out")
    versions = _extract.versions("fake")

    def refusal(manifest, versions):
        plan = _worker.Plan(extraction, (ORIGINAL,), manifest, versions, store, 1, "")
        return _worker.Worker(plan, _known.Known.nothing()).extract(old).error

    assert refusal(manifest, versions) is None
    error = refusal(manifest, {**versions, "pillow": "1.0"})
    assert isinstance(error, WeightsError)
    assert "pillow was 1.0 and is" in str(error)
    recipe = {**manifest.recipe, "engine": "keras"}
    assert "engine was 'keras' and is 'fake'" in str(refusal(replace(manifest, recipe=recipe), versions))
    recipe = {**manifest.recipe, "backbone": {**manifest.recipe["backbone"], "weights": "ff"}}
    assert "weights was 'ff'" in str(refusal(replace(manifest, recipe=recipe), versions))


def test_an_error_of_a_worker_is_the_callers(old, extractor, tmp_path, monkeypatch):
    def full(self, name, data):
        raise CacheError("The disk is full.", path=name)

    monkeypatch.setattr(_extract.Store, "write", full)
    extraction = _extract.settled(extractor)
    manifest = _extract.Manifest.of(extraction, (ORIGINAL,))
    store = _extract.Store(tmp_path / "out")
    plan = _worker.Plan(extraction, (ORIGINAL,), manifest, _extract.versions("fake"), store, 1, "")
    done = _worker.Worker(plan, _known.Known.nothing()).extract(old)
    with pytest.raises(CacheError, match="disk is full"):
        _extract.gather([done], distributed.DistributedReport(""), lambda n: None)


def test_damage_is_found_and_costs_its_shard(old, extractor, tmp_path, caplog):
    work(old, extractor, tmp_path / "out")
    names = sorted((tmp_path / "out").glob("features-*"))
    data, held = names[0].read_bytes(), len(pa.parquet.read_table(names[0]))
    for at in range(0, len(data), 997):
        flipped = bytearray(data)
        flipped[at] ^= 64
        names[0].write_bytes(flipped)
        try:
            rows = distributed.read_features(tmp_path / "out").rows(old)
        except (CacheError, InvalidInputError):
            continue
        assert np.array_equal(rows, extractor.transform(old)), at  # what no reader looks at
    names[0].write_bytes(data[: len(data) // 2])
    with caplog.at_level(logging.WARNING, "transferkit"):
        assert len(distributed.read_features(tmp_path / "out")) < 60
    assert f"{names[0].name} is damaged" in caplog.text
    assert work(old, extractor, tmp_path / "out", size=60).n_written == held
    assert np.array_equal(distributed.read_features(tmp_path / "out").rows(old), extractor.transform(old))


def test_no_flipped_bit_gives_another_row():
    array = np.linspace(0, 1, 96, dtype=np.float16).astype(np.float32).reshape(8, 2, 2, 3)
    columns = {"id": [f"{i}.png" for i in range(8)], "digest": [f"{i:064x}" for i in range(8)]}
    data = _shards.encoded(
        _shards.table_of({**columns, "view": ["original"] * 8}, {"a@2": array}, half=True), b"{}"
    )
    refused = 0
    for at in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        try:
            table = _shards.read_shard(io.BytesIO(flipped), "x.parquet", [*columns, "a@2"], bool)
        except CacheError:
            refused += 1
            continue
        assert {name: table[name].to_pylist() for name in columns} == columns
        assert np.array_equal(_shards.array_of(table, "a@2"), array)
    assert refused > 300
    for length in range(0, len(data), 11):
        with pytest.raises(CacheError, match=r"x.parquet is damaged"):
            _shards.read_shard(io.BytesIO(data[:length]), "x.parquet", ["id"], bool)


def test_half_a_file_of_a_killed_process_is_no_shard_and_goes_in_time(old, extractor, tmp_path):
    work(old, extractor, tmp_path / "out", stop=1)
    left = tmp_path / "out" / ".transferkit-00.tmp"
    left.write_bytes(b"PAR1")
    assert len(distributed.read_features(tmp_path / "out")) == 16
    work(old, extractor, tmp_path / "out")
    assert left.exists()  # another process may be writing it
    os.utime(left, (time.time() - 7200,) * 2)
    work(old, extractor, tmp_path / "out")
    assert not left.exists()


def test_a_link_whose_row_is_gone_is_computed(old, extractor, tmp_path):
    twin = tmp_path / "twin.png"
    twin.write_bytes(Path(old[0]).read_bytes())
    age(twin)
    work(old[:1], extractor, tmp_path / "out")
    work([twin], extractor, tmp_path / "out")
    for path in (tmp_path / "out").glob("features-*"):
        path.unlink()
    assert "is gone" in distributed.read_features(tmp_path / "out").failures[str(twin)]
    assert counts(work([twin], extractor, tmp_path / "out")) == (1, 0, 0, 0)
    assert len(distributed.read_features(tmp_path / "out")) == 1


def test_addresses_are_read_again_unless_trusted(old, extractor, engine):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for i, path in enumerate(old[:6]):
        system.pipe_file(f"/in/{i}.png", Path(path).read_bytes())
    names = [f"memory://in/{i}.png" for i in range(6)]
    try:
        assert _names.list_names("memory://in/") == [f"memory:///in/{i}.png" for i in range(6)]
        assert counts(work(names, extractor, "memory://out")) == (6, 0, 0, 0)
        assert counts(work(names, extractor, "memory://out")) == (0, 6, 0, 0)
        assert engine.images == 6
        features = distributed.read_features("memory://out")
        assert np.array_equal(features.rows(names), extractor.transform(old[:6]))
        system.pipe_file("/in/0.png", Path(old[9]).read_bytes())
        assert counts(work(names, extractor, "memory://out", trust_addresses=True)) == (0, 6, 0, 0)
        assert counts(work(names, extractor, "memory://out")) == (1, 5, 0, 0)
        below = {"root": "memory://in", "trust_addresses": True}  # names alone look like those of files
        for written in (1, 0):
            found = work(["1.png"], extractor, "memory://below", **below)
            assert (found.n_skipped, found.n_written) == (1 - written, written)
            system.pipe_file("/in/1.png", Path(old[8]).read_bytes())
        system.pipe_file("/in/1.png", Path(old[1]).read_bytes())
        rows = distributed.read_features("memory://out").rows(names)
        assert np.array_equal(rows[:1], extractor.transform(old[9:10]))
    finally:
        system.rm("/in", recursive=True)
        system.rm("/out", recursive=True)


def test_relative_names_are_below_a_root(old, extractor, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(old[0]).parent)
    names = [Path(path).name for path in old]
    work(names, extractor, tmp_path / "out")
    assert np.array_equal(distributed.read_features(tmp_path / "out").rows(names), extractor.transform(old))


def test_shards_and_cache_give_each_other_rows(old, extractor, engine, tmp_path):
    work(old[:40], extractor, tmp_path / "out")
    rows = distributed.read_features(tmp_path / "out").rows(old[:40])
    assert distributed.import_cache(tmp_path / "out", extractor) == 40
    before = engine.images
    assert np.array_equal(extractor.transform(old[:40]), rows)
    assert extractor.extract(old[:40]).sizes().shape == (40, 2)
    assert engine.images == before
    extractor.transform(old[40:50])
    report = distributed.export_cache(old, extractor, tmp_path / "out")
    assert counts(report) == (10, 40, 0, 0)
    assert engine.images == before + 10
    features = distributed.read_features(tmp_path / "out")
    assert np.array_equal(features.rows(old[:50]), extractor.transform(old[:50]))
    assert counts(work(old, extractor, tmp_path / "out")) == (10, 50, 0, 0)


def test_a_cache_takes_only_rows_of_its_settings(old, extractor, tmp_path):
    work(old, extractor, tmp_path / "out")
    with pytest.raises(InvalidInputError, match="resize was 'stretch' and is 'pad'"):
        distributed.import_cache(
            tmp_path / "out", FeatureExtractor(**{**extractor.get_params(), "resize": "pad"})
        )
    with pytest.raises(InvalidInputError, match="must have a cache"):
        distributed.import_cache(tmp_path / "out", FeatureExtractor(TINY, engine="fake", cache=False))


def test_a_classifier_learns_from_shards_in_memory_and_beside_it(old, pictures, extractor, tmp_path):
    work(old, extractor, tmp_path / "out")
    features = distributed.read_features(tmp_path / "out")
    labels = pictures[1]
    clf = Classifier("precomputed").fit(features.rows(old), labels)
    with config_context(memory_limit=8):
        X = features.rows(old)
        assert isinstance(X, np.memmap)
        beside = Classifier("precomputed").fit(X, labels)
    assert np.array_equal(beside.predict_proba(X), clf.predict_proba(features.rows(old)))
    assert clf.score(features.rows(old), labels) == 1
    ordered = labels[[old.index(name) for name in features.ids]]
    assert Classifier("precomputed").fit(features, ordered).score(features, ordered) == 1


def test_keys_find_also_what_shares_half_of_a_hash():
    keys = np.array([[5, 9], [5, 1], [3, 3], [5, 4]], np.uint64)
    asked = np.array([[5, 4], [5, 1], [5, 9], [5, 5], [9, 9], [0, 0], [3, 3]], np.uint64)
    assert _known.Keys(keys).find(asked).tolist() == [3, 1, 0, -1, -1, -1, 2]
    names = [f"photos/{i}.jpg" for i in range(500)]
    assert _known.Keys.of(names).find(_known.hashes(names[::-1])).tolist() == list(range(500))[::-1]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([np.zeros((32, 32, 3), np.uint8)], "Got ndarray at position 0"),
        (["a.png", b"bytes"], "Got bytes at position 1"),
        (["a\udcff.png"], "no Parquet file can hold"),
    ],
)
def test_images_must_have_names(images, said):
    with pytest.raises(InvalidInputError, match=said):
        _names.list_names(images)


def test_arguments_are_checked_at_once(extractor, tmp_path):
    with pytest.raises(InvalidInputError, match="7 problems") as caught:
        distributed.extract(
            ["a"],
            "mobilenet",
            "",
            views=["mirror"],
            num_cpus=0,
            num_gpus=-1,
            shard_rows=2.5,
            trust_addresses=1,
        )
    for name in ("extractor", "output", "views", "num_cpus", "num_gpus", "shard_rows", "trust_addresses"):
        assert name in str(caught.value)
    with pytest.raises(InvalidInputError, match="no Parquet table"):
        distributed.extract(tmp_path / "missing.parquet", extractor, tmp_path / "out")
    with pytest.raises(InvalidInputError, match=r"must be the output of distributed.extract"):
        distributed.read_features(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(InvalidInputError, match="must be a manifest"):
        distributed.read_features(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(InvalidInputError, match=r"format 1. Got format 99"):
        distributed.read_features(tmp_path)


def test_a_view_has_the_squares_that_its_name_stands_for():
    assert _extract.view_problems([ORIGINAL, *AUGMENTATIONS["multi"][1:]]) == []
    (problem,) = _extract.view_problems([View("zoomed", (Square(zoom=2.0),))])
    assert problem == "views must be those of transferkit.views. Got others under the names ['zoomed']."


def test_a_missing_package_is_named(extractor, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r'needs pyarrow.*"transferkit\[ray\]"'):
        distributed.extract([tmp_path / "a.png"], extractor, tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs affinity")
def test_actors_on_one_machine_claim_different_cores(tmp_path, monkeypatch):
    bound = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3, 4})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, cores: bound.append(tuple(cores)))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    claims = [_cores.claim_cores(2) for _ in range(3)]
    assert list(dict.fromkeys(bound)) == [(0, 1), (2, 3)]
    assert claims[2] is None
    claims[0].close()
    claims[0] = _cores.claim_cores(2)
    assert bound[-1] == (0, 1)
    assert _cores.claim_cores(5) is None
    claims[0].close()
    claims[1].close()


BIG, SMALL, TWO_GPUS = {"CPU": 8.0}, {"CPU": 2.0}, {"CPU": 8.0, "GPU": 2.0}


@pytest.mark.parametrize(
    ("machines", "cpus", "gpus", "expected"),
    [
        ([SMALL], None, None, (1, 1)),
        ([SMALL], 1, None, (0.5, 2)),
        ([BIG, BIG, {}], None, None, (7, 2)),
        ([BIG, SMALL], None, None, (1, 5)),
        ([BIG], 4, None, (3.5, 2)),
        ([TWO_GPUS, TWO_GPUS], None, 1, (3.5, 4)),
        ([TWO_GPUS, SMALL], None, 0.5, (1, 4)),
        ([{"CPU": 1.0}], None, None, (0, 1)),
    ],
)
def test_actors_leave_a_processor_on_each_machine(machines, cpus, gpus, expected):
    found = _ray.pool_size(machines, cpus, gpus)
    assert found == expected
    assert found[0] * found[1] <= sum(machine.get("CPU", 0) for machine in machines) - 1


def test_an_actor_must_fit():
    with pytest.raises(
        InvalidInputError, match="num_cpus=4 and num_gpus=0, but the largest machine has 2 proc"
    ):
        _ray.pool_size([SMALL], 4, None)
    with pytest.raises(InvalidInputError, match="and 0 GPUs"):
        _ray.pool_size([SMALL], None, 1)

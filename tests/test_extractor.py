"""From images to features: the same pixels, once per picture, nothing lost."""

import io
import os
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from tests.conftest import TINY, make_pictures
from transferkit import Backbone, FeatureCache, FeatureExtractor
from transferkit.cache import _files, _later
from transferkit.errors import BadImageError, InvalidInputError
from transferkit.extraction import _features, _pipeline, measure_speed
from transferkit.views import MIRROR, ORIGINAL


def read(path):
    """Return the pixels of a file, and close it."""
    with Image.open(path) as image:
        return np.asarray(image)


def test_each_picture_goes_through_the_backbone_once(tiny, engine, pictures):
    paths, _ = pictures
    extractor = FeatureExtractor(**tiny, batch_size=16)
    first = extractor.transform(paths)
    assert (engine.images, engine.calls) == (60, 4)
    assert extractor.report_.n_decoded == 60
    again = FeatureExtractor(**tiny, batch_size=16)
    np.testing.assert_array_equal(first, again.transform(paths))
    assert (engine.images, engine.built) == (60, 1)  # the second one never built an engine
    report = again.report_
    assert (report.n_cached, report.n_decoded, report.n_backbone_calls) == (60, 0, 0)


def test_a_warm_run_opens_no_image(tiny, pictures, monkeypatch):
    paths, _ = pictures
    # Files that changed a moment ago are hashed again, as git does; pretend that these are older.
    monkeypatch.setattr(_files, "FRESH_NS", 0)
    expected = FeatureExtractor(**tiny).transform(paths)

    def refuse(source):
        raise AssertionError(f"opened {source}")

    monkeypatch.setattr(_pipeline, "read_source", refuse)
    np.testing.assert_array_equal(FeatureExtractor(**tiny).transform(paths), expected)


@pytest.mark.parametrize("cache", [True, False])
def test_six_forms_of_an_image_have_the_same_features(tiny, tmp_path, cache):
    paths, _ = make_pictures(tmp_path, 12)
    extractor = FeatureExtractor(**tiny, cache=cache)
    expected = extractor.transform(paths)
    forms = {
        "str": [str(path) for path in paths],
        "bytes": [path.read_bytes() for path in paths],
        "file": [io.BytesIO(path.read_bytes()) for path in paths],
        "pil": [Image.open(io.BytesIO(path.read_bytes())) for path in paths],
        "array": [read(path) for path in paths],
    }
    for name, images in forms.items():
        np.testing.assert_array_equal(extractor.transform(images), expected, err_msg=name)


def test_a_row_does_not_depend_on_its_batch(tiny, pictures):
    paths, _ = pictures
    expected = FeatureExtractor(**tiny, cache=False).transform(paths)
    for batch_size in (1, 2, 7, 32):
        order = np.random.default_rng(batch_size).permutation(len(paths))
        found = FeatureExtractor(**tiny, cache=False, batch_size=batch_size).transform(
            [paths[i] for i in order]
        )
        np.testing.assert_array_equal(found, expected[order])


def test_no_cache_gives_the_numbers_of_the_cache(tiny, pictures):
    paths, _ = pictures
    with_cache = FeatureExtractor(**tiny, layers="auto").transform(paths)
    np.testing.assert_array_equal(
        FeatureExtractor(**tiny, layers="auto", cache=False).transform(paths), with_cache
    )


def test_fewer_layers_hit(tiny, engine, pictures):
    paths, _ = pictures
    both = FeatureExtractor(**tiny, layers=["fine", "last"]).extract(paths)
    calls = engine.calls
    one = FeatureExtractor(**tiny, layers="last").extract(paths)
    assert engine.calls == calls
    np.testing.assert_array_equal(one.maps()[0], both.maps()[1])


@pytest.mark.parametrize(
    "change",
    [{"image_size": 48}, {"grid": 2}, {"layers": "last"}, {"resize": "pad"}],
    ids=lambda c: next(iter(c)),
)
def test_whatever_changes_a_number_is_another_row(tiny, engine, pictures, change):
    paths, _ = pictures
    FeatureExtractor(**tiny).transform(paths)
    seen = engine.images
    FeatureExtractor(**{**tiny, **change}).transform(paths)
    assert engine.images == seen + len(paths)


def test_value_range_is_part_of_the_key(tiny, engine):
    picture = np.random.default_rng(0).uniform(0, 1, (20, 20, 3)).astype(np.float32)
    full = FeatureExtractor(**tiny, value_range=(0, 1)).transform(picture)
    half = FeatureExtractor(**tiny, value_range=(0, 2)).transform(picture)
    assert full.mean() > 1.5 * half.mean()


def test_changed_pixels_under_the_same_name_are_seen(tiny, engine, pictures):
    paths, _ = pictures
    before = FeatureExtractor(**tiny).transform(paths)
    stat = paths[0].stat()
    pixels = read(paths[0])
    Image.fromarray(255 - pixels).save(paths[0])
    os.utime(paths[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = FeatureExtractor(**tiny).transform(paths)
    assert not np.array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[1:], after[1:])


def test_the_same_picture_twice_is_computed_once(tiny, engine, pictures):
    paths, _ = pictures
    features = FeatureExtractor(**tiny).transform([*paths[:10], *paths[:10]])
    assert engine.images == 10
    np.testing.assert_array_equal(features[:10], features[10:])


def test_views(tiny, engine, pictures):
    paths, _ = pictures
    features = FeatureExtractor(**tiny).extract(paths, views=(ORIGINAL, MIRROR))
    assert engine.images == 2 * len(paths)
    original, mirror = features.maps()[0], features.maps(view=MIRROR)[0]
    np.testing.assert_array_equal(mirror, original[:, :, ::-1])
    assert FeatureExtractor(**tiny).extract(paths).report.n_cached == len(paths)


def test_sizes_are_remembered(tiny, pictures):
    paths, _ = pictures
    expected = [read(path).shape[1::-1] for path in paths]
    for _ in range(2):
        np.testing.assert_array_equal(FeatureExtractor(**tiny).extract(paths).sizes(), expected)


@pytest.mark.parametrize("size", [(60_000, 1_700), (1, 1), (1023, 1024), (2049, 4097)])
def test_sizes_are_exact_in_half_precision(size):
    from transferkit.extraction._features import decode_sizes, encode_size

    assert decode_sizes(encode_size(*size).astype(np.float16).astype(np.float32)[None]).tolist() == [
        list(size)
    ]


def test_one_bad_file_loses_nothing(tiny, pictures, tmp_path):
    paths, _ = pictures
    bad = tmp_path / "bad.png"
    bad.write_bytes(paths[0].read_bytes()[:200])
    missing = tmp_path / "missing.png"
    mixed = [*paths[:5], bad, *paths[5:10], missing, *paths[10:]]
    features = FeatureExtractor(**tiny, on_error="skip").extract(mixed)
    assert np.flatnonzero(~features.ok).tolist() == [5, 11]
    np.testing.assert_array_equal(features.flat(), FeatureExtractor(**tiny).transform(paths))
    assert features.report.counts() == {"truncated": 1, "not_found": 1}
    assert "2 left out" in str(features.report)
    table = tmp_path / "report.csv"
    features.report.to_csv(table)
    assert table.read_text().splitlines()[2].startswith(f"11,{missing},not_found")


def test_a_bad_file_raises_with_its_index(tiny, pictures, tmp_path):
    paths, _ = pictures
    with pytest.raises(BadImageError, match=r"Image 3: .*missing\.png") as caught:
        FeatureExtractor(**tiny).transform([*paths[:3], tmp_path / "missing.png"])
    assert caught.value.index == 3
    assert caught.value.category == "not_found"


def test_all_bad_is_one_error(tiny, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    with pytest.raises(InvalidInputError, match="7 of the 7 images .*7 not_found") as caught:
        FeatureExtractor(**tiny, on_error="skip").extract(paths)
    assert str(caught.value).count("\n") == 5


def test_mostly_bad_stops_early(tiny, engine, pictures, tmp_path):
    paths, _ = pictures
    mixed = [*paths[:10], *(tmp_path / f"{i}.png" for i in range(100)), *paths[10:]]
    with pytest.raises(InvalidInputError, match="of the 30 images tried so far"):
        FeatureExtractor(**tiny, on_error="skip").extract(mixed)


def test_an_interrupted_run_resumes(tiny, engine, pictures, monkeypatch):
    paths, _ = pictures
    real_build = engine.build

    def build(*arguments):
        made = real_build(*arguments)

        def run(pixels, keep):
            if engine.calls == 3:
                raise KeyboardInterrupt
            return made.run(pixels, keep)

        return type(made)("fake", run)

    from transferkit import engines

    monkeypatch.setitem(engines.ENGINES, "fake", build)
    with pytest.raises(KeyboardInterrupt):
        FeatureExtractor(**tiny, batch_size=8).transform(paths)
    assert engine.images == 24
    monkeypatch.setitem(engines.ENGINES, "fake", real_build)
    resumed = FeatureExtractor(**tiny, batch_size=8)
    resumed.transform(paths)
    assert engine.images == 60
    assert (resumed.report_.n_cached, resumed.report_.n_decoded) == (24, 36)


def test_rows_cleared_behind_our_back_are_computed_again(tiny, engine, pictures):
    paths, _ = pictures
    cache = FeatureCache()
    features = FeatureExtractor(**tiny, cache=cache).extract(paths)
    expected = features.flat()
    cache.clear()
    np.testing.assert_array_equal(features.flat(), expected)
    assert engine.images == 2 * len(paths)
    cache.clear()
    np.testing.assert_array_equal(features.flat(), expected)  # kept in memory now
    assert engine.images == 2 * len(paths)
    features = FeatureExtractor(**tiny, cache=cache).extract(paths)
    cache.clear()
    paths[0].unlink()
    with pytest.raises(BadImageError, match="Image 0: .*0000.png"):
        features.flat()


def test_a_damaged_row_is_computed_again(tiny, engine, pictures, caplog):
    paths, _ = pictures
    cache = FeatureCache()
    expected = FeatureExtractor(**tiny, cache=cache).transform(paths)
    space = next(path for path in cache.folder.glob("*.sqlite") if path.name != "files.sqlite")
    with closing(sqlite3.connect(space)) as db, db:
        data = bytearray(db.execute("SELECT data FROM rows WHERE id = 7").fetchone()[0])
        data[3] ^= 1
        db.execute("UPDATE rows SET data = ? WHERE id = 7", (bytes(data),))
    np.testing.assert_array_equal(FeatureExtractor(**tiny, cache=cache).transform(paths), expected)
    assert engine.images == len(paths) + 1
    assert "1 damaged row(s)" in caplog.text


@pytest.mark.parametrize("room", [1, 20_000])
def test_a_full_cache_changes_no_number(tiny, engine, pictures, room):
    paths, _ = pictures
    expected = FeatureExtractor(**tiny, cache=False).extract(paths)
    found = FeatureExtractor(**tiny, cache=FeatureCache(max_bytes=room)).extract(paths)
    np.testing.assert_array_equal(found.flat(), expected.flat())
    np.testing.assert_array_equal(found.sizes(), expected.sizes())
    assert engine.images == 2 * len(paths)


def test_scikit_learn_manners(tiny, pictures):
    paths, _ = pictures
    extractor = FeatureExtractor(**tiny, grid=2)
    copy = clone(extractor)
    assert copy.get_params()["grid"] == 2
    expected = extractor.transform(paths[:4])
    sent = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(sent.transform(paths[:4]), expected)
    np.testing.assert_array_equal(extractor.set_params(grid="full").transform(paths[:4]).shape, (4, 384))
    assert extractor.fit().layers_ == ("fine",)
    assert extractor.image_size_ == 32


def test_grid_pools_each_cell(tiny, pictures):
    paths, _ = pictures
    full = FeatureExtractor(**tiny, cache=False, grid="full").extract(paths).maps()[0]
    pooled = FeatureExtractor(**tiny, cache=False, grid=2).extract(paths).maps()[0]
    np.testing.assert_allclose(pooled[:, 0, 0], full[:, :4, :4].mean(axis=(1, 2)), rtol=2e-3)


def test_a_grid_for_each_layer(tiny, engine, pictures):
    paths, _ = pictures
    features = FeatureExtractor(**tiny, layers="auto", grid=(4, 1)).extract(paths)
    assert features.shapes == ((4, 4, 6), (1, 1, 3))
    np.testing.assert_array_equal(
        FeatureExtractor(**tiny, layers="last").transform(paths), features.maps()[1].reshape(-1, 3)
    )
    assert engine.images == len(paths)


@pytest.mark.parametrize(("length", "grid"), [(7, 3), (7, 4), (12, 5), (4, 7), (8, 8)])
def test_adaptive_cells_cover_the_map(length, grid):
    from transferkit.foundation.maps import pool_to_grid

    maps = np.random.default_rng(0).normal(size=(2, length, length, 3)).astype(np.float32)
    pooled = pool_to_grid(maps, grid)
    assert pooled.shape == (2, min(grid, length), min(grid, length), 3)
    stop = -(-length // min(grid, length))
    np.testing.assert_allclose(pooled[:, 0, 0], maps[:, :stop, :stop].mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(pool_to_grid(np.ones_like(maps), grid), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_size": 8}, "image_size must be at least 16 for backbone 'tiny'. Got 8."),
        ({"image_size": "big"}, "image_size must be an integer"),
        ({"layers": []}, "layers must be 'last', 'auto'"),
        ({"layers": ["last", "last"]}, "list of different names"),
        (
            {"grid": 0},
            "grid must be a positive integer, one for each layer, or 'full' for whole maps. Got 0.",
        ),
        ({"grid": (1, 2)}, "grid must have one number for each of the 1 layers"),
        ({"batch_size": 1.5}, "batch_size must be a positive integer"),
        ({"resize": "crop"}, "resize must be 'stretch' or 'pad'. Got 'crop'."),
        ({"engine": "warp"}, "engine must be 'auto', 'keras'"),
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'skip'"),
        ({"backbone": "vgg_61"}, r"Unknown backbone 'vgg_61'\. Did you mean 'vgg1"),
        ({"backbone": 5}, "backbone must be a name, a Backbone, a keras.Model or a function"),
        ({"weights": "x.h5"}, "has fixed filters and loads no weights"),
    ],
)
def test_parameters_that_cannot_be_used(tiny, parameters, message):
    with pytest.raises(InvalidInputError, match=message):
        FeatureExtractor(**{**tiny, **parameters}).fit()


def test_all_problems_at_once(tiny):
    with pytest.raises(InvalidInputError, match="2 problems") as caught:
        FeatureExtractor(**tiny, grid=-1, resize="crop").fit()
    assert len(caught.value.problems) == 2


def test_nothing_is_written_without_a_cache(tiny, pictures):
    FeatureExtractor(**tiny, cache=False).transform(pictures[0])
    assert not Path(os.environ["TRANSFERKIT_CACHE"]).exists()


def test_the_row_names_what_is_worth_tapping(tiny):
    assert FeatureExtractor(**tiny, layers="auto").fit().layers_ == TINY.layers


def test_few_images_are_not_read_back_from_the_disk_and_have_the_bits_of_the_cache(
    tiny, pictures, monkeypatch
):
    from transferkit.cache import FeatureSpace

    paths, _ = pictures
    with monkeypatch.context() as patch:
        patch.setattr(FeatureSpace, "read_into", None)  # calling it would fail
        first = FeatureExtractor(**tiny, layers="auto").transform(paths[:5])
    again = FeatureExtractor(**tiny, layers="auto").extract(paths[:7])  # five of them from the disk
    assert again.report.n_cached == 5
    np.testing.assert_array_equal(again.flat([0, 1, 2, 3, 4]), first)
    alone = [FeatureExtractor(**tiny, layers="auto", cache=False).transform([path])[0] for path in paths[5:7]]
    np.testing.assert_array_equal(again.flat([5, 6]), alone)


def test_one_bar_over_several_extractions(tiny, pictures, capsys):
    paths, _ = pictures
    extractor = FeatureExtractor(**{**tiny, "progress": True})
    extractor.extract(paths[:20])
    done = []
    extractor.extract(paths, advance=done.append)
    assert sum(done) == 60
    assert "features" not in capsys.readouterr().err


def test_bytes_per_image(tiny, pictures):
    features = FeatureExtractor(**tiny, layers="auto", grid=2).extract(pictures[0], views=(ORIGINAL, MIRROR))
    assert features.bytes_per_image == 2 * (2 * 2 * 6 + 2 * 2 * 3) * 2
    single = FeatureCache(dtype="float32")
    features = FeatureExtractor(**tiny, layers="vector", cache=single).extract(pictures[0])
    assert features.bytes_per_image == 5 * 4


def test_speed_is_measured_on_all_views(tiny, engine):
    speed = measure_speed(FeatureExtractor(**tiny, batch_size=4), (ORIGINAL, MIRROR), 5)
    assert speed.ms_per_image > 0
    assert speed.n_parameters is None
    assert engine.images % 10 == 0
    assert engine.images >= 20  # a call to warm up, and others to time


def test_maps_of_several_views_lie_below_each_other_also_in_half_precision(tiny, pictures, monkeypatch):
    monkeypatch.setattr(_features, "_BLOCK", 7)
    paths, _ = pictures
    features = FeatureExtractor(**tiny).extract(paths[:20], views=(ORIGINAL, MIRROR))
    rows = np.array([3, 19, 0, 7, 8, 11, 12, 13, 1])
    both = [features.maps(rows, view=view) for view in (ORIGINAL, MIRROR)]
    for half in (False, True):
        stacked = features.maps(rows, view=(ORIGINAL, MIRROR), half=half)
        for found, parts in zip(stacked, zip(*both, strict=True), strict=True):
            assert found.dtype == (np.float16 if half else np.float32)
            np.testing.assert_array_equal(found, np.concatenate(parts))  # rows are kept in half precision
    assert [array.shape[0] for array in features.maps([], view=(ORIGINAL, MIRROR), half=True)] == [0]


def test_small_numbers_keep_their_digits(pictures):
    """A function may give numbers of any size: half precision would make one number of all of them."""

    def small(pixels):
        return pixels.reshape(len(pixels), 4, 8, 4, 8, 3).mean(axis=(2, 4)) * 1e-10

    extractor = FeatureExtractor(Backbone.from_function(small, image_size=32), grid="full")
    features = extractor.extract(pictures[0][:8])
    (exact,), (found,) = features.maps(), features.maps(half=True)
    assert 0 < exact.max() < 1e-7
    np.testing.assert_array_equal(found, exact)


def test_what_half_precision_cannot_hold_is_read_as_it_is(tiny, pictures, monkeypatch):
    paths, _ = pictures
    features = FeatureExtractor(**tiny, layers="last", grid="full").extract(paths[:20])
    monkeypatch.setattr(_features, "LARGEST_HALF", 0.5)
    assert all(array.dtype == np.float32 for array in features.maps(half=True))


@pytest.mark.parametrize("cache", ["none", "full"])
def test_single_predictions_do_not_pile_up(tiny, tmp_path, monkeypatch, cache):
    monkeypatch.setattr("transferkit.cache._memory._FEW_BYTES", 20_000)
    where = False if cache == "none" else FeatureCache(tmp_path / "full", max_bytes=1)
    extractor = FeatureExtractor(**tiny, cache=where)
    images = np.random.default_rng(0).integers(0, 255, (100, 64, 64, 3), dtype=np.uint8)
    together = extractor.transform(images)
    extractor = FeatureExtractor(**tiny, cache=where)
    kept = [extractor.extract(image[None]) for image in images]
    _later.finish()  # write what waits, which a full cache refuses
    space = extractor.settings().space
    memory = space if cache == "none" else space._spilled
    assert memory._n_bytes == 0
    assert 0 < memory._few._n_bytes <= 20_000
    assert memory._few._n_bytes == sum(row.nbytes + 512 for row in memory._few._rows.values())
    np.testing.assert_array_equal(np.concatenate([features.flat() for features in kept]), together)
    extractor.extract(images[-1:])
    assert extractor.report_.n_cached == 1  # what was asked for last is still there

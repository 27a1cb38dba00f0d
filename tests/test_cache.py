"""The interface of the cache: rows, spaces, info, explain, clear, max_bytes."""

import copy
import hashlib
import json
import logging
import os
import pickle
import re
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from transferkit.cache import (
    FeatureCache,
    MemorySpace,
    RecentSpace,
    RowKey,
    Space,
    SpillingSpace,
    _folder,
    _recipes,
)
from transferkit.cache._room import free_bytes
from transferkit.errors import CacheError, InvalidInputError

RECIPE = {
    "backbone": "mobilenet",
    "weights": "17b8…",
    "image_size": 224,
    "decoder": "1",
    "preprocess": "tf",
    "engine": "keras",
    "precision": "float32",
    "resize": "stretch",
}
ROW = np.linspace(-3, 7, 4 * 4 * 8, dtype=np.float32).reshape(4, 4, 8)


def key_of(number: int, view: str = "original") -> RowKey:
    return RowKey(hashlib.sha256(str(number).encode()).hexdigest(), view)


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "cache")


@pytest.fixture
def space(cache):
    with cache.space(RECIPE) as space:
        yield space


@pytest.fixture
def warnings(caplog):
    _folder._warned.clear()
    caplog.set_level(logging.WARNING, "transferkit")
    return lambda: [record.getMessage() for record in caplog.records]


# Round trip


def test_rows_come_back_by_view_and_part(space):
    rows = [
        (key_of(i, view), part, ROW + i + len(view) + len(part))
        for i in range(3)
        for view in ("original", "mirror")
        for part in ("a@4", "conv@4")
    ]
    assert space.write(rows)
    found = space.read([key for key, _, _ in rows], ["a@4", "conv@4"])
    assert len(found) == 12
    for key, part, array in rows:
        assert found[key, part].shape == ROW.shape
        np.testing.assert_allclose(found[key, part], array, atol=abs(array).max() * 2**-11, rtol=0)


def test_find_wants_all_parts_in_the_same_view(space):
    space.write([(key_of(1), "a", ROW), (key_of(1), "b", ROW), (key_of(2), "a", ROW)])
    space.write([(key_of(2, "mirror"), "b", ROW)])
    keys = [key_of(1), key_of(2), key_of(3)]
    assert space.find(keys, ["a", "b"]) == {key_of(1)}
    assert space.find(keys, ["a"]) == {key_of(1), key_of(2)}
    assert space.find([key_of(2, "mirror")], ["b", "b"]) == {key_of(2, "mirror")}
    assert space.find(keys, ["never stored"]) == set()


def test_more_keys_than_one_query_takes(space):
    keys = [key_of(i) for i in range(1000)]
    space.write([(key, "a", np.float32([i])) for i, key in enumerate(keys)])
    assert space.find(iter(keys), ["a"]) == set(keys)
    out = np.full((1000, 1), -1, np.float32)
    assert space.read_into(keys, "a", out).all()
    assert (out[:, 0] == np.arange(1000)).all()


def test_read_into_says_which_rows_were_there(space):
    space.write([(key_of(i), "a", ROW + i) for i in (0, 2)])
    out = np.full((5, *ROW.shape), -1, np.float32)
    mask = space.read_into([key_of(i) for i in (2, 1, 0, 2, 3)], "a", out)
    assert mask.tolist() == [True, False, True, True, False]
    assert (out[~mask] == -1).all()
    assert (out[0] == out[3]).all()
    assert abs(out[0] - ROW - 2).max() < 0.01


@pytest.mark.parametrize(
    "out",
    [np.zeros((2, 4, 4, 8), np.int16), np.zeros((1, 4, 4, 8), np.float32), np.zeros((2, 4), np.float32)],
)
def test_read_into_refuses_what_cannot_hold_the_rows(space, out):
    space.write([(key_of(1), "a", ROW)])
    expected = re.escape("shape (2, 4, 4, 8) and dtype float16, float32 or float64")
    with pytest.raises(InvalidInputError, match=expected):
        space.read_into([key_of(1), key_of(2)], "a", out)


def test_a_row_is_replaced(space):
    space.write([(key_of(1), "a", ROW)])
    space.write([(key_of(1), "a", ROW * 0)])
    assert not space.read([key_of(1)], ["a"])[key_of(1), "a"].any()


def test_scalars_and_strided_arrays(space):
    space.write([(key_of(1), "scalar", np.float32(2)), (key_of(1), "strided", ROW[::2, ::-1].T)])
    found = space.read([key_of(1)], ["scalar", "strided"])
    assert found[key_of(1), "scalar"].shape == ()
    np.testing.assert_allclose(found[key_of(1), "strided"], ROW[::2, ::-1].T, atol=0.01)


def test_another_process_finds_the_rows(cache, space):
    space.write([(key_of(1), "a", ROW)])
    assert space.keep_facts({"layers": ["x", 1]})
    space.close()
    again = FeatureCache(cache.folder).space(dict(reversed(RECIPE.items())))
    assert again.find([key_of(1)], ["a"])
    assert again.part_shape("a") == (4, 4, 8)
    assert again.part_shape("b") is None
    assert again.find_facts("layers") == {"layers": ["x", 1]}
    assert again.find_facts("other") == {}
    again.close()
    assert again.find([key_of(1)], ["a"]), "a space opens itself again after close"
    again.close()


@pytest.mark.parametrize("kind", ["on disk", "in memory", "spilling", "spilled", "recent"])
def test_all_kinds_of_space_meet_the_protocol(cache, space, monkeypatch, kind):
    if kind == "spilled":
        monkeypatch.setattr(type(space.database), "write", lambda *_: False)
    spaces = {
        "on disk": space,
        "in memory": MemorySpace(),
        "spilling": SpillingSpace(space),
        "spilled": SpillingSpace(space),
        "recent": RecentSpace(SpillingSpace(space)),
    }
    one: Space = spaces[kind]
    assert one.half
    assert one.part_shape("a") is None
    assert one.write([(key_of(1), "a", ROW), (key_of(2), "a", ROW + 1), (key_of(1), "b", ROW[0])])
    assert one.find([key_of(1), key_of(2), key_of(3)], ["a"]) == {key_of(1), key_of(2)}
    assert one.find([key_of(1), key_of(2)], ["a", "b"]) == {key_of(1)}
    assert one.part_shape("a") == ROW.shape
    out = np.full((3, *ROW.shape), -1, np.float32)
    assert one.read_into([key_of(2), key_of(3), key_of(1)], "a", out).tolist() == [True, False, True]
    assert (out == [(ROW + 1).astype(np.float16), ROW * 0 - 1, ROW.astype(np.float16)]).all()
    assert one.write([(key_of(3), "a", ROW * 1e6)]), "beyond half precision, and kept in single"
    halves = np.empty((3, *ROW.shape), np.float16)
    assert one.read_into([key_of(2), key_of(3), key_of(1)], "a", halves).all()
    assert (halves[::2] == out[::2]).all()
    assert np.isinf(halves[1]).all()
    assert one.keep_facts({"p:x": [1], "p:y": None, "q": 2})
    assert one.find_facts("p:") == {"p:x": [1], "p:y": None}
    assert getattr(one, "has_spilled", kind == "spilled") == (kind == "spilled")


# Precision


def test_half_precision_keeps_its_promise(space):
    rng = np.random.default_rng(0)
    for i, scale in enumerate([2.0**-13, 1e-3, 1, 100, 6e4]):
        array = (rng.uniform(-1, 1, (64, 64)) * 10 ** rng.uniform(-9, 0, (64, 64)) * scale).astype(np.float32)
        array[0, 0] = scale
        space.write([(key_of(i), "a", array)])
        stored = space.read([key_of(i)], ["a"])[key_of(i), "a"]
        assert stored.dtype == np.float16
        assert abs(stored.astype(np.float64) - array).max() <= 2.0**-11 * scale


@pytest.mark.parametrize("largest", [65505, 1e30, 6e-5, 1e-8, 1e-40])
@pytest.mark.parametrize("sign", [1, -1])
def test_rows_beyond_half_precision_stay_single(space, largest, sign):
    array = np.float32([0, sign * largest / 3, sign * largest])
    space.write([(key_of(1), "a", array)])
    stored = space.read([key_of(1)], ["a"])[key_of(1), "a"]
    assert stored.dtype == np.float32
    assert (stored == array).all()


def test_all_zeros_are_half(space):
    space.write([(key_of(1), "a", np.zeros(3, np.float32))])
    assert space.read([key_of(1)], ["a"])[key_of(1), "a"].dtype == np.float16


def test_single_precision_is_exact_and_has_its_own_spaces(cache, tmp_path):
    with FeatureCache(cache.folder, dtype="float32").space(RECIPE) as single, cache.space(RECIPE) as half:
        single.write([(key_of(1), "a", ROW / 3)])
        assert (single.read([key_of(1)], ["a"])[key_of(1), "a"] == ROW / 3).all()
        assert not half.find([key_of(1)], ["a"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(space, bad):
    array = np.zeros((2, 2))
    array[1, 0] = bad
    with pytest.raises(InvalidInputError, match=r"Part 'a' of image .* 1 of 4 values"):
        space.write([(key_of(2), "a", ROW[0, :2, :2]), (key_of(1), "a", array)])
    assert not space.find([key_of(2)], ["a"]), "all or none"


@pytest.mark.parametrize("bad", [np.zeros((0, 3), np.float32), np.zeros(3, np.uint8), np.array(["x"])])
def test_rows_that_are_no_features_are_refused(space, bad):
    with pytest.raises(InvalidInputError, match="non-empty array of floats"):
        space.write([(key_of(1), "a", bad)])


def test_another_shape_is_refused_and_nothing_is_stored(space):
    space.write([(key_of(1), "a", ROW)])
    with pytest.raises(InvalidInputError, match=r"shape \(4, 4, 8\).*Got \(4, 4\)"):
        space.write([(key_of(2), "b", ROW), (key_of(2), "a", ROW[..., 0])])
    assert not space.find([key_of(2)], ["b"])
    assert space.part_shape("b") is None


def test_malformed_questions_are_refused(space):
    for digest in ("ab", "x" * 64, 3, None):
        with pytest.raises(InvalidInputError, match="64 hex digits"):
            space.find([RowKey(digest, "original")], ["a"])
    for parts in ("conv", []):
        with pytest.raises(InvalidInputError, match="non-empty list"):
            space.read([key_of(1)], parts)
    with pytest.raises(InvalidInputError, match="must be JSON"):
        space.keep_facts({"x": {1, 2}})


# Spaces and folder


@pytest.mark.parametrize("name", RECIPE)
def test_every_ingredient_makes_a_new_space(cache, space, name):
    space.write([(key_of(1), "a", ROW)])
    changed = 1.0000001 if isinstance(RECIPE[name], int) else f"{RECIPE[name]}x"
    for recipe in ({**RECIPE, name: changed}, {k: v for k, v in RECIPE.items() if k != name}):
        with cache.space(recipe) as other:
            assert other.path != space.path
            assert not other.find([key_of(1)], ["a"])


@pytest.mark.parametrize("recipe", [{"size": np.int64(3)}, {"size": float("nan")}, {"x": {1}}])
def test_a_recipe_is_json(cache, recipe):
    with pytest.raises(InvalidInputError, match="A recipe must be JSON"):
        cache.space(recipe)


def test_the_folder_is_made_by_the_first_write_and_marked(cache, space):
    assert not space.find([key_of(1)], ["a"])
    assert cache.explain(key_of(1).digest, RECIPE, ["a"]).startswith("Miss")
    assert cache.info().n_spaces == 0
    assert not cache.folder.exists()
    space.write([(key_of(1), "a", ROW)])
    assert (cache.folder / ".gitignore").read_text() == "*\n"
    assert (
        (cache.folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    )


def test_a_folder_in_use_gets_no_marks(cache, space):
    cache.folder.mkdir()
    (cache.folder / "thesis.txt").touch()
    space.write([(key_of(1), "a", ROW)])
    assert not (cache.folder / ".gitignore").exists()


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERKIT_CACHE", str(tmp_path))
    assert FeatureCache().folder == tmp_path
    monkeypatch.delenv("TRANSFERKIT_CACHE")
    assert "transferkit" in str(FeatureCache().folder)


def test_a_file_for_a_folder(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with FeatureCache(folder).space(RECIPE) as space:
            assert not space.find([key_of(1)], ["a"])
            with pytest.raises(CacheError, match=r"needs a folder, but .* is a file"):
                space.write([(key_of(1), "a", ROW)])


def test_copies_hold_only_their_settings(cache):
    cache = FeatureCache(cache.folder, max_bytes=10**9, dtype="float32")
    cache.files.lookup([__file__])
    for twin in (pickle.loads(pickle.dumps(cache)), copy.deepcopy(cache)):
        assert (twin.folder, twin.max_bytes, twin.dtype) == (cache.folder, 10**9, "float32")
        assert twin.files is not cache.files
        assert repr(twin) == repr(cache)
    cache.files.close()


def test_bad_settings_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=r"'float16' or 'float32'. Got 'int8'"):
        FeatureCache(tmp_path, dtype="int8")
    with pytest.raises(InvalidInputError, match="max_bytes"):
        FeatureCache(tmp_path, max_bytes=0)


def test_network_file_systems_are_recognised(tmp_path, warnings, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nhost:/x /mnt\\040y nfs4 rw 0 0\n"
        f"host:/x {tmp_path}/net fuse.sshfs rw 0 0\nbroken\n"
    )
    kind = _folder.network_file_system
    assert kind(tmp_path, str(mounts)) is None
    assert kind(_folder.Path("/mnt y/cache"), str(mounts)) == "nfs4"
    assert kind(tmp_path / "net" / "cache", str(mounts)) == "fuse.sshfs"
    assert kind(tmp_path / "network", str(mounts)) is None
    assert kind(tmp_path, str(tmp_path / "no mounts")) is None
    monkeypatch.setattr(_folder, "network_file_system", lambda folder: "nfs4")
    for _ in range(2):
        _folder.make_folder(tmp_path / "net")
    assert len(warnings()) == 1
    assert "TRANSFERKIT_CACHE" in warnings()[0]


# Info, explain, clear


def test_info(cache, space):
    space.write([(key_of(i), part, ROW) for i in range(5) for part in ("a@4", "b@4")])
    space.close()
    with cache.space({**RECIPE, "image_size": 96}) as other:
        other.write([(key_of(1), "c@4", ROW)])
    os.utime(space.path, (1e9, 1e9))
    info = cache.info()
    assert (info.folder, info.n_spaces, info.n_rows) == (cache.folder, 2, 11)
    assert info.n_bytes == sum(file.stat().st_size for file in cache.folder.glob("*.sqlite*"))
    first, last = info.spaces
    assert (first.recipe["image_size"], first.parts, first.rows) == (96, ("c@4",), 1)
    assert (last.key, last.recipe, last.parts, last.rows) == (space.key, RECIPE, ("a@4", "b@4"), 10)
    assert last.bytes > 0
    assert last.last_used.year == 2001, "looking is not using"
    assert "image_size=96" in str(info)
    assert "10 rows" in str(info)


def test_spaces_of_an_earlier_recipe_format_are_named(cache, space, monkeypatch):
    space.write([(key_of(1), "a", ROW)])
    space.close()
    (old,) = cache.info().spaces
    assert not old.outdated
    assert "earlier version" not in str(cache.info())

    monkeypatch.setattr(_recipes, "RECIPE_FORMAT", _recipes.RECIPE_FORMAT + 1)
    text = cache.explain(key_of(1).digest, RECIPE, ["a"])
    assert "no feature space" in text
    assert "differs only in the format, that of an earlier version" in text
    with cache.space(RECIPE) as new:
        assert new.path != space.path
        assert not new.find([key_of(1)], ["a"])
        new.write([(key_of(2), "a", ROW)])
        assert new.find([key_of(2)], ["a"])
    info = cache.info()
    assert {one.key: one.outdated for one in info.spaces} == {space.key: True, new.key: False}
    assert all(one.recipe == RECIPE for one in info.spaces)
    outdated = next(one for one in info.spaces if one.outdated)
    note = f"1 feature space(s) ({outdated.bytes / 1e6:,.1f} MB) were left by an earlier version"
    assert str(info).count(note) == 1
    assert str(info).count("(outdated)") == 1
    assert cache.clear(space.key) > 0
    assert [one.key for one in cache.info().spaces] == [new.key]
    assert "earlier version" not in str(cache.info())

    monkeypatch.setattr(_recipes, "RECIPE_FORMAT", _recipes.RECIPE_FORMAT - 1)
    assert not cache.info().spaces[0].outdated, "a later version may still use it"


def test_the_keys_of_existing_caches_do_not_change(cache, space):
    identity = json.dumps(
        {"dtype": "float16", "format": 3, "recipe": RECIPE, "schema": 1},
        sort_keys=True,
        separators=(",", ":"),
    )
    assert space.key == hashlib.sha256(identity.encode()).hexdigest()


def test_explain(cache, space):
    space.write([(key_of(1), "a", ROW), (key_of(1), "b", ROW)])

    def explain(number=1, recipe=RECIPE, parts=("a", "b"), view="original"):
        return cache.explain(key_of(number).digest, recipe, parts, view)

    assert explain().startswith("Hit: 'a' and 'b'")
    assert "lacks 'c' (has: 'a' and 'b')" in explain(parts=["a", "c"])
    assert "not in view 'mirror' (has: 'original')" in explain(view="mirror")
    assert "no image with digest" in explain(number=2)
    text = explain(recipe={**RECIPE, "image_size": 256})
    assert "no feature space" in text
    assert "differs only in 'image_size' (stored: 224, requested: 256)" in text
    assert "'new' (stored: absent, requested: 1)" in explain(recipe={**RECIPE, "new": 1})
    single = FeatureCache(cache.folder, dtype="float32")
    assert "the stored dtype" in single.explain(key_of(1).digest, RECIPE, ["a"])


def test_clear(cache, space):
    other = cache.space({**RECIPE, "image_size": 96})
    for one in (space, other):
        one.write([(key_of(1), "a", ROW)])
    cache.files.remember([(__file__, Path(__file__).stat(), "ab" * 32)])
    cache.files.close()
    mine = cache.folder / "thesis.txt"
    mine.touch()

    assert cache.clear(older_than=timedelta(days=1)) == 0
    assert cache.clear("0" * 64) == 0
    assert cache.clear(recipe=RECIPE) > 0
    assert [one.key for one in cache.info().spaces] == [other.key]
    assert not space.find([key_of(1)], ["a"]), "the open space notices"
    space.write([(key_of(2), "a", ROW)])
    assert space.find([key_of(1), key_of(2)], ["a"]) == {key_of(2)}
    assert cache.clear(other.key[:12]) > 0
    space.close()
    os.utime(space.path, (1e9, 1e9))
    assert cache.clear(older_than=timedelta(days=1)) > 0
    assert cache.info().n_spaces == 0
    assert (cache.folder / "files.sqlite").exists()
    assert cache.clear() > 0
    assert list(cache.folder.glob("*.sqlite*")) == []
    assert mine.exists()
    other.close()


# max_bytes


def fill(space, numbers, n_values=20_000):
    return [space.write([(key_of(i), "a", np.ones(n_values, np.float32))]) for i in numbers]


def test_the_least_recently_used_space_goes_first(cache, warnings):
    spaces = [cache.space({"number": i}) for i in range(3)]
    for i, space in enumerate(spaces):
        fill(space, range(10))
        space.close()
        os.utime(space.path, (1e9 + (2 - i), 1e9 + (2 - i)))  # the last one was used longest ago
    small = FeatureCache(cache.folder, max_bytes=cache.info().n_bytes + 100_000)
    with small.space({"number": 9}) as space:
        assert all(fill(space, range(10)))
    assert [one.recipe["number"] for one in cache.info().spaces] == [9, 0, 1]
    assert cache.info().n_bytes <= small.max_bytes
    assert warnings() == []


def test_spaces_in_use_are_spared(cache, warnings):
    with cache.space({"number": 0}) as busy:
        fill(busy, range(10))
        with FeatureCache(cache.folder, max_bytes=cache.info().n_bytes).space({"number": 1}) as space:
            assert fill(space, range(3)) == [False] * 3
        assert len(busy.find([key_of(i) for i in range(10)], ["a"])) == 10
    assert len(warnings()) == 1
    assert "max_bytes" in warnings()[0]


def test_rows_of_earlier_runs_go_before_those_of_this_one(cache, warnings):
    with cache.space(RECIPE) as space:
        fill(space, range(20))
    with FeatureCache(cache.folder, max_bytes=cache.info().n_bytes + 50_000).space(RECIPE) as space:
        wanted = [key_of(i) for i in range(5)]  # the oldest, but this run asks for them
        assert space.find(wanted, ["a"]) == set(wanted)
        stored = fill(space, range(100, 140))
        assert stored.count(True) >= 12
        assert stored == sorted(stored, reverse=True), "once full, it stays as it is"
        assert space.find(wanted, ["a"]) == set(wanted)
        held = space.find([key_of(i) for i in range(100, 140)], ["a"])
        assert held == {key_of(100 + i) for i in range(stored.count(True))}, "never its own rows"
        assert not space.find([key_of(i) for i in range(5, 20)], ["a"])
    assert len(warnings()) == 1


def test_by_default_the_cache_takes_half_of_the_room(tmp_path, monkeypatch, warnings):
    free = 10**12
    asked = []
    monkeypatch.setattr("transferkit.cache._room.free_bytes", lambda folder: asked.append(folder) or free)
    for i in range(3):
        with FeatureCache(tmp_path).space({"number": i}) as space:
            assert all(fill(space, range(10)))
        os.utime(space.path, (1e9 + i, 1e9 + i))
    assert len(asked) == 3, "once a minute, not for each row"
    held = FeatureCache(tmp_path).info().n_bytes
    free = held // 2  # another program filled the disk
    with FeatureCache(tmp_path).space({"number": 3}) as space:
        assert all(fill(space, range(2)))
    assert [one.recipe["number"] for one in FeatureCache(tmp_path).info().spaces] == [3, 2]
    free = 0
    with FeatureCache(tmp_path / "new").space({"number": 4}) as space:
        assert fill(space, range(2)) == [False, False]
    assert len(warnings()) == 1
    with FeatureCache(tmp_path / "new", max_bytes=None).space({"number": 4}) as space:
        assert all(fill(space, range(2)))


def test_the_room_is_that_of_the_disk_also_before_the_folder_exists(tmp_path):
    import shutil

    assert abs(free_bytes(tmp_path / "a" / "b") - shutil.disk_usage(tmp_path).free) < 1e9


def test_a_run_without_end_remembers_the_latest_images(tmp_path, monkeypatch):
    monkeypatch.setattr("transferkit.cache._space.LARGEST_RUN", 5)
    with FeatureCache(tmp_path).space(RECIPE) as space:
        fill(space, range(20), 10)
        assert len(space.wanted) == 5
        assert bytes.fromhex(key_of(19).digest) in space.wanted


def test_damaged_files_go_first(cache):
    with cache.space(RECIPE) as space:
        fill(space, range(3))
    aside = cache.folder / f"{space.path.name}.damaged-1"
    aside.write_bytes(bytes(10**6))
    with FeatureCache(cache.folder, max_bytes=10**6).space(RECIPE) as space:
        assert all(fill(space, range(3, 6)))
        assert len(space.find([key_of(i) for i in range(6)], ["a"])) == 6
    assert not aside.exists()


def test_use_is_noted(cache, space):
    space.write([(key_of(1), "a", ROW)])
    space.close()
    os.utime(space.path, (1e9, 1e9))
    with cache.space(RECIPE) as again:
        again.find([key_of(1)], ["a"])
    assert time.time() - cache.info().spaces[0].last_used.timestamp() < 60

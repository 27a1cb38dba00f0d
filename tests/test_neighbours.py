"""Nearest images: the right ones at the right distances, by their positions in the caller's list."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import transferkit
from tests.conftest import TINY
from transferkit import FeatureExtractor, NearestImages, plots
from transferkit.backbones import registry
from transferkit.errors import (
    BadImageError,
    InvalidInputError,
    MissingDependencyError,
    ModelFileError,
    NotFittedError,
)
from transferkit.neighbours import _search
from transferkit.neighbours._search import Search
from transferkit.persistence._file import read_model, write_model

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(400, 12)).astype(np.float32)


def nothing(found):
    return np.zeros(found.shape, bool)


def true_distances(queries, vectors, metric):
    """By definition, in double precision."""
    a, b = queries.astype(float), vectors.astype(float)
    if metric == "euclidean":
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    return 1 - a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)


@pytest.fixture
def tiny(tiny):
    """Registered, so that what is saved can be loaded."""
    registry.add(TINY)
    return tiny


@pytest.fixture
def nearest(tiny, pictures):
    return NearestImages(**tiny).fit(pictures[0])


# The search


@pytest.mark.parametrize("metric", _search.METRICS)
@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_neighbours_are_those_of_the_definition(metric, method):
    if method == "approximate":
        pytest.importorskip("faiss")
    queries = RNG.normal(size=(30, 12)).astype(np.float32)
    rows, distances = Search(VECTORS, metric, method).nearest(queries, 4, nothing, 0)
    expected = true_distances(queries, VECTORS, metric)
    order = np.argsort(expected, axis=1)[:, :4]
    np.testing.assert_array_equal(rows, order)
    np.testing.assert_allclose(distances, np.take_along_axis(expected, order, 1), atol=1e-6)


@pytest.mark.parametrize("metric", _search.METRICS)
def test_an_answer_does_not_depend_on_other_queries(metric):
    search = Search(VECTORS, metric, "exact")
    together = search.nearest(VECTORS[:50], 3, nothing, 0)
    for i in (0, 17, 49):
        alone = search.nearest(VECTORS[i : i + 1], 3, nothing, 0)
        for whole, one in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[i], one[0])
    assert (together[1][:, 0] == 0).all()  # the same vector, without rounding


def test_a_vector_of_zeros_is_like_its_own_kind_only():
    vectors = np.array([[0, 0], [1, 0], [0, 0], [-1, 0]], np.float32)
    rows, distances = Search(vectors, "cosine", "exact").nearest(vectors[:2], 4, nothing, 0)
    assert rows.tolist() == [[0, 2, 1, 3], [1, 0, 2, 3]]
    assert distances.tolist() == [[0, 0, 1, 1], [0, 1, 1, 2]]


def test_cells_that_hold_too_few_are_not_the_whole_answer(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(_search, "_CELLS_VISITED", 1)
    rows, distances = Search(VECTORS, "cosine", "approximate").nearest(VECTORS[:20], 390, nothing, 0)
    assert all(len(set(row)) == 390 for row in rows.tolist())
    assert np.isfinite(distances).all()


def test_above_a_size_the_search_is_approximate_where_it_can_be(monkeypatch):
    monkeypatch.setattr(_search, "EXACT_UP_TO", 399)
    pytest.importorskip("faiss")
    assert Search(VECTORS, "cosine", "auto")._cells is not None
    assert Search(VECTORS[:399], "cosine", "auto")._cells is None
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    assert Search(VECTORS, "cosine", "auto")._cells is None
    with pytest.raises(MissingDependencyError, match=r"transferkit\[neighbours\]"):
        Search(VECTORS, "cosine", "approximate")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_a_forked_child_can_search(method):
    """The threads of scikit-learn and of faiss would wait for ever."""
    if method == "approximate":
        pytest.importorskip("faiss")
    search = Search(VECTORS, "cosine", method)
    search.nearest(VECTORS[:300], 3, nothing, 0)
    search.pairs(0.01)
    child = os.fork()
    if child == 0:
        search.nearest(VECTORS[:300], 3, nothing, 0)
        search.pairs(0.01)
        Search(VECTORS, "cosine", method)
        os._exit(0)
    for _ in range(100):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


# The estimator


def test_queries_find_themselves_and_fitted_images_do_not(nearest, pictures):
    paths = pictures[0]
    found = nearest.query(paths[3:6], k=2)
    assert found.indices[:, 0].tolist() == [3, 4, 5]
    assert found.indices.shape == found.distances.shape == found.paths.shape == (3, 2)
    assert found.paths[0, 0] == str(paths[3])
    assert (found.distances[:, 0] == 0).all()
    own = nearest.query(k=3)
    assert len(own) == 60
    assert (own.indices != np.arange(60)[:, None]).all()
    np.testing.assert_array_equal(own.indices[7, :2], nearest.query(paths[7], k=3).indices[0, 1:])
    assert str(found).splitlines()[1].split()[:3] == ["0", "1", "3"]
    assert found.to_rows()[2] == {
        "query": 1, "rank": 1, "index": 4, "distance": 0.0, "path": str(paths[4]),
    }  # fmt: skip


def test_a_grid_keeps_where_things_are(tiny, pictures):
    paths, labels = pictures
    same = [
        np.mean(labels[NearestImages(**tiny, grid=grid).fit(paths).query(k=3).indices] == labels[:, None])
        for grid in (1, 2)
    ]
    assert same[0] < 0.7 < 0.95 < same[1]  # bright on the left, or on the right


def test_the_vector_is_the_mean_of_the_last_map(nearest, pictures, tiny):
    expected = FeatureExtractor(**tiny, layers="last").transform(pictures[0])
    np.testing.assert_array_equal(nearest.vectors_, expected)


def test_positions_are_those_of_the_callers_list(tiny, pictures, tmp_path):
    """Also where some images cannot be read."""
    paths = list(pictures[0][:20])
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"nothing")
    paths[4:4] = [bad, bad]
    nearest = NearestImages(**tiny).fit(paths)
    assert nearest.rows_.tolist() == [*range(4), *range(6, 22)]
    assert [failure.index for failure in nearest.report_.failures] == [4, 5]
    found = nearest.query([paths[2], paths[10]], k=1)
    assert found.indices.tolist() == [[2], [10]]
    own = nearest.query(k=1)
    assert own.rows.tolist() == nearest.rows_.tolist()
    assert not np.isin([4, 5], own.indices).any()
    with pytest.raises(BadImageError, match="Image 1"):
        nearest.query([paths[0], bad])
    with pytest.raises(BadImageError):
        NearestImages(**tiny, extractor=FeatureExtractor(on_error="raise")).fit(paths)


def test_copies_are_found_or_left_out(tiny, pictures, tmp_path):
    paths = list(pictures[0][:12])
    copy = tmp_path / "copy.png"
    shutil.copy(paths[2], copy)
    nearest = NearestImages(**tiny).fit([*paths, copy])
    assert nearest.query(paths[2], k=2).indices.tolist() == [[2, 12]]  # at the same distance, in order
    assert not np.isin([2, 12], nearest.query(paths[2], k=11, copies=False).indices).any()
    own = nearest.query(k=1).indices[:, 0]
    assert (own[2], own[12]) == (12, 2)
    assert not np.isin(nearest.query(k=2, copies=False).indices[[2, 12]], [2, 12]).any()
    with pytest.raises(InvalidInputError, match="k must be 11 or less: 13 images.*leaves out 2"):
        nearest.query(paths[2], k=12, copies=False)
    with pytest.raises(InvalidInputError, match="k must be 12 or less"):
        nearest.query(k=13)


def test_of_a_new_image_nothing_is_left_out(nearest):
    new = np.full((30, 30, 3), 99, np.uint8)
    found = nearest.query(new, k=60, copies=False)
    np.testing.assert_array_equal(found.indices, nearest.query(new, k=60).indices)


def test_duplicates_are_groups(tiny, pictures, tmp_path):
    paths = list(pictures[0][:20])
    copies = [tmp_path / "a.png", tmp_path / "b.bmp"]
    shutil.copy(paths[5], copies[0])
    Image.open(paths[5]).save(copies[1])  # other bytes, the same pixels
    nearest = NearestImages(**tiny).fit([b"broken", copies[0], *paths, copies[1]])
    assert [group.tolist() for group in nearest.duplicates(0)] == [[1, 7, 22]]
    everything = nearest.duplicates(2.0)
    assert [group.tolist() for group in everything] == [list(range(1, 23))]
    with pytest.raises(InvalidInputError, match="threshold must be a distance"):
        nearest.duplicates(-0.1)


def test_duplicates_are_those_within_the_threshold():
    first, second = Search(VECTORS, "cosine", "exact").pairs(0.3)
    distances = true_distances(VECTORS, VECTORS, "cosine")
    expected = np.argwhere(np.triu(distances <= 0.3, 1))
    assert len(expected) > 20
    np.testing.assert_array_equal(np.stack([first, second], 1), expected)


def test_the_same_vectors_are_duplicates_in_spite_of_rounding():
    twice = np.concatenate([VECTORS, 3 * VECTORS])  # the same direction, rounded otherwise
    first, second = Search(twice, "cosine", "exact").pairs(0)
    np.testing.assert_array_equal(np.stack([first, second], 1), np.arange(400)[:, None] + [0, 400])


@pytest.mark.parametrize("scale", [1, 1e3, 1e6])
def test_long_vectors_are_duplicates_of_themselves(scale):
    """Distances by products are off by a part of the length of vectors, beside which 0 is small."""
    long = np.random.default_rng(0).normal(size=(150, 1024)).astype(np.float32) * np.float32(scale)
    first, second = Search(np.concatenate([long, long]), "euclidean", "exact").pairs(0)
    np.testing.assert_array_equal(np.stack([first, second], 1), np.arange(150)[:, None] + [0, 150])
    near = np.concatenate([long[:1], long[:1] + np.float32(scale * 1e-5)])  # 3.2e-4 away
    assert not len(Search(near, "euclidean", "exact").pairs(scale * 3e-4)[0])
    assert len(Search(near, "euclidean", "exact").pairs(scale * 3.4e-4)[0]) == 1


def test_several_layers_and_arrays(tiny):
    arrays = [np.full((20, 20, 3), shade, np.uint8) for shade in (10, 60, 110, 160)]
    nearest = NearestImages(**tiny, layers=["last", "vector"], metric="euclidean").fit(arrays)
    assert nearest.vectors_.shape == (4, 8)
    found = nearest.query(np.full((40, 30, 3), 65, np.uint8), k=3)
    assert found.indices.tolist() == [[1, 2, 0]]
    assert found.paths.tolist() == [[None] * 3]
    assert nearest.paths_ == [None] * 4


def test_all_problems_at_once(tiny):
    with pytest.raises(InvalidInputError) as caught:
        NearestImages(TINY, metric="dot", method="fast", grid=0).fit("photos")
    assert [problem.split()[0] for problem in caught.value.problems] == ["metric", "method", "grid", "fit"]
    with pytest.raises(InvalidInputError, match="backbone='precomputed' has no images"):
        NearestImages("precomputed").fit(VECTORS)
    with pytest.raises(InvalidInputError, match="backbone is set on the estimator|image_size is set on"):
        NearestImages(TINY, extractor=FeatureExtractor(image_size=64)).fit([VECTORS])
    with pytest.raises(NotFittedError, match="Call fit"):
        NearestImages().query("a.jpg")


def test_a_fit_that_fails_changes_nothing(nearest, pictures):
    before = nearest.query(k=2).indices
    with pytest.raises(InvalidInputError):
        nearest.fit([b"", b""])
    np.testing.assert_array_equal(nearest.query(k=2).indices, before)
    nearest.set_params(extractor__resize="pad")
    assert nearest.get_params()["extractor__resize"] == "pad"
    np.testing.assert_array_equal(nearest.query(pictures[0][0], k=1).indices, [[0]])  # of the fit


def test_a_warm_fit_runs_no_network(nearest, pictures, engine):
    calls = engine.calls
    NearestImages(TINY).fit(pictures[0]).query(pictures[0][:5])
    assert engine.calls == calls


# Saving


@pytest.fixture
def saved(nearest, tmp_path):
    nearest.save(tmp_path / "photos.safetensors")
    return tmp_path / "photos.safetensors"


def test_what_is_loaded_answers_the_same(nearest, saved, pictures):
    loaded = transferkit.load(saved)
    for arguments in ({}, {"X": pictures[0][:9], "copies": False}):
        one, other = nearest.query(**arguments), loaded.query(**arguments)
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.distances, other.distances)
    assert (loaded.metric, loaded.grid, loaded.method) == ("cosine", 1, "auto")
    copy = pickle.loads(pickle.dumps(nearest))
    np.testing.assert_array_equal(copy.query(k=2).indices, nearest.query(k=2).indices)


def test_the_approximate_search_is_made_again(tiny, pictures, tmp_path):
    pytest.importorskip("faiss")
    nearest = NearestImages(**tiny, method="approximate").fit(pictures[0])
    nearest.save(tmp_path / "a.safetensors")
    for other in (transferkit.load(tmp_path / "a.safetensors"), pickle.loads(pickle.dumps(nearest))):
        np.testing.assert_array_equal(other.query(k=3).indices, nearest.query(k=3).indices)


def test_a_file_holds_no_absolute_path_unless_asked(nearest, saved, pictures, tmp_path):
    folder = str(tmp_path).encode()
    assert folder not in saved.read_bytes()
    assert transferkit.load(saved).paths_ == [path.name for path in pictures[0]]
    nearest.save(saved, absolute_paths=True)
    assert folder in saved.read_bytes()
    assert transferkit.load(saved).paths_ == list(map(str, pictures[0]))


def test_names_keep_the_folders_below_the_common_one(tiny, pictures, tmp_path):
    paths = []
    for folder, path in zip(("cat", "dog/black", "dog"), pictures[0], strict=False):
        (tmp_path / "pets" / folder).mkdir(parents=True, exist_ok=True)
        paths.append(shutil.copy(path, tmp_path / "pets" / folder / "ä b.png"))
    NearestImages(**tiny).fit([*paths, np.zeros((20, 20), np.uint8)]).save(tmp_path / "pets.safetensors")
    names = transferkit.load(tmp_path / "pets.safetensors").paths_
    assert names == ["cat/ä b.png", "dog/black/ä b.png", "dog/ä b.png", None]


def test_addresses_are_kept_as_they_are(tiny, pictures, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe_file("/pets/0.png", pictures[0][0].read_bytes())
    images = ["memory://pets/0.png", *map(str, pictures[0][1:3])]
    nearest = NearestImages(**tiny).fit(images)
    for absolute, paths in ((False, [path.name for path in pictures[0][1:3]]), (True, images[1:])):
        nearest.save(tmp_path / "pets.safetensors", absolute_paths=absolute)
        assert transferkit.load(tmp_path / "pets.safetensors").paths_ == ["memory://pets/0.png", *paths]


@pytest.mark.parametrize("name", ["vectors", "rows", "digests", "names", "n_images"])
def test_arrays_that_do_not_fit_are_refused(saved, name):
    tensors, document = read_model(saved)
    array = tensors[name]
    for wrong in (array[: len(array) // 2] if array.ndim else array - 1, array.astype(float)[None]):
        write_model(saved, {**tensors, name: wrong}, document)
        with pytest.raises(ModelFileError, match="does not describe a model"):
            transferkit.load(saved)
    write_model(saved, {key: tensors[key] for key in tensors if key != name}, document)
    with pytest.raises(ModelFileError, match="does not describe a model"):
        transferkit.load(saved)


def test_rows_that_name_no_image_are_refused(saved):
    tensors, document = read_model(saved)
    for rows in (tensors["rows"] + 1, tensors["rows"][::-1].copy(), tensors["rows"] * 0):
        write_model(saved, {**tensors, "rows": rows}, document)
        with pytest.raises(ModelFileError, match="does not describe a model"):
            transferkit.load(saved)


def test_other_features_are_refused(saved):
    registry.add(replace(TINY, version="other"), shipped=True)
    with pytest.raises(ModelFileError, match="features here would differ"):
        transferkit.load(saved)


# The picture


def test_a_picture_of_answers(nearest, pictures, tmp_path):
    axes = plots.plot_neighbours(nearest.query(pictures[0][2], k=3))
    assert [ax.get_title() for ax in axes][:2] == ["query", "0"]
    assert axes[1].get_xlabel() == "0002.png"
    nearest.save(tmp_path / "a.safetensors")
    own = transferkit.load(tmp_path / "a.safetensors").query(k=2)
    axes = plots.plot_neighbours(own, images=pictures[0], n=2)
    assert len(axes) == 6
    np.testing.assert_array_equal(axes[3].images[0].get_array(), np.asarray(Image.open(pictures[0][1])))
    with pytest.raises(InvalidInputError, match="images must be the list"):
        plots.plot_neighbours(own, images=pictures[0][:2], n=60)
    arrays = [np.full((20, 20, 3), shade, np.uint8) for shade in (10, 60, 110)]
    with pytest.raises(InvalidInputError, match="images must be the list that was passed to fit"):
        plots.plot_neighbours(NearestImages(TINY).fit(arrays).query(arrays[0], k=1))
    plt.close("all")

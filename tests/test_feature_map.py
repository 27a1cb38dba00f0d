"""A map of features: places, colours, and small pictures that do not cover each other."""

import sys
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.offsetbox import AnnotationBbox

from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.plots import plot_feature_map
from transferkit.plots._projection import on_a_plane

RNG = np.random.default_rng(0)
TWO = np.concatenate([RNG.normal(size=(40, 6)) + 4 * np.eye(6)[i] for i in (0, 1)])
LABELS = ["cat"] * 40 + ["dog"] * 40
IMAGES = RNG.integers(0, 255, (80, 12, 20, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def pictures(ax):
    ax.figure.canvas.draw()
    return [child for child in ax.get_children() if isinstance(child, AnnotationBbox)]


def test_what_varies_most_is_drawn_whatever_the_length_of_vectors():
    places, names = on_a_plane(TWO * RNG.uniform(0.1, 50, (80, 1)), "pca", 0)
    first = places[:, 0] * np.sign(places[0, 0])
    assert (first[:40] > 0).mean() > 0.9
    assert (first[40:] < 0).mean() > 0.9
    assert names[0].startswith("Component 1 (")
    flat, names = on_a_plane(np.ones((4, 3)), "pca", 0)
    assert not flat.any()
    assert "0%" in names[0]


def test_pictures_are_spread_and_do_not_cover_each_other():
    ax = plot_feature_map(TWO, IMAGES, LABELS, n=80)
    drawn = pictures(ax)
    assert 8 < len(drawn) < 60
    assert len(pictures(plot_feature_map(TWO, IMAGES, LABELS, n=5))) == 5
    boxes = [one.get_window_extent() for one in drawn]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cat", "dog"]
    assert not pictures(plot_feature_map(TWO, None, LABELS))


def test_a_frame_has_the_colour_of_its_label():
    ax = plot_feature_map(TWO, IMAGES, LABELS, n=5)
    frames = {mpl.colors.to_hex(one.patch.get_edgecolor()).upper() for one in pictures(ax)}
    points = {mpl.colors.to_hex(one.get_facecolor()[0]).upper() for one in ax.collections}
    assert frames <= points
    assert len(frames) == 2


def test_many_labels_share_a_colour_and_numbers_have_a_scale():
    ax = plot_feature_map(TWO, labels=[f"class {min(i, 20)}" for i in range(80)])
    assert ax.get_legend().get_texts()[0].get_text() == "7 other labels"
    ax = plot_feature_map(TWO, IMAGES, np.linspace(0, 1, 80))
    assert ax.get_legend() is None
    assert len(ax.figure.axes) == 2


def test_features_of_an_extraction_are_taken(tiny, pictures):
    from transferkit import Classifier

    paths, labels = pictures
    clf = Classifier(**tiny).fit(paths[:20], labels[:20])
    ax = plot_feature_map(clf.extract(paths[:20]), paths[:20], labels[:20])
    assert sum(len(one.get_offsets()) for one in ax.collections) == 20


def test_umap_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "transferkit\[map\]"'):
        plot_feature_map(TWO, method="umap")
    seen = {}

    class Mapper:
        def __init__(self, **options):
            seen.update(options)

        def fit_transform(self, vectors):
            seen["shape"] = vectors.shape
            return vectors[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Mapper))
    assert plot_feature_map(TWO, method="umap").get_xlabel() == "UMAP 1"
    assert seen == {"n_neighbors": 15, "random_state": 0, "n_jobs": 1, "shape": (80, 6)}


@pytest.mark.slow
def test_umap_separates_two_kinds():
    pytest.importorskip("umap")
    places, _ = on_a_plane(TWO, "umap", 0)
    distances = np.linalg.norm(places[:, None] - places, axis=2) + np.diag(np.full(len(TWO), np.inf))
    nearest = distances.argmin(axis=1)
    assert np.mean((nearest < 40) == (np.arange(80) < 40)) > 0.95
    again, _ = on_a_plane(TWO, "umap", 0)
    np.testing.assert_array_equal(again, places)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"features": np.zeros((2, 3))}, "features must be numbers of shape .* at least 3 images"),
        ({"features": np.full((5, 2), np.nan)}, "features must be finite"),
        ({"images": IMAGES[:3]}, "images must have one entry for each of 80 images. Got 3"),
        ({"labels": ["a"]}, "labels must have one entry"),
        ({"labels": np.zeros((80, 2))}, "labels must be one for each image"),
        ({"method": "tsne"}, "method must be 'pca' or 'umap'"),
        ({"n": 0}, "n must be a positive integer"),
        ({"side": -1}, "side must be a positive number"),
    ],
)
def test_mistakes_are_told(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        plot_feature_map(**({"features": TWO} | arguments))
    assert plt.get_fignums() == []

"""One vector for each image: the default of the extractor, its names, and where it goes in scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from transferkit import FeatureExtractor, get_backbone


def test_the_default_is_the_mean_of_the_last_but_one_layer(tiny, pictures):
    paths, _ = pictures
    vectors = FeatureExtractor(**tiny).transform(paths)
    assert (vectors.shape, vectors.dtype) == ((60, 6), np.float32)
    whole = FeatureExtractor(**tiny, layers="fine", grid="full").extract(paths).maps()[0]
    np.testing.assert_allclose(vectors, whole.mean(axis=(1, 2)), rtol=2e-3)


@pytest.mark.parametrize(
    ("name", "layer"), [("mobilenet", "conv_pw_12_relu"), ("dinov2_small", "summary"), ("scattering", "last")]
)
def test_which_layer_that_is(name, layer):
    assert get_backbone(name).layers[-2:][0] == layer
    assert FeatureExtractor(name, weights=None).settings().layers == (layer,)
    assert FeatureExtractor(name, weights=None).settings().grids == (1,)


def test_recommended_layers_come_with_their_grids(tiny):
    assert FeatureExtractor("mobilenet", layers="auto", weights=None).settings().grids == (2, 7, 2, 1)
    assert FeatureExtractor(**tiny, layers=["fine", "last"]).settings().grids == (1, 1)
    assert FeatureExtractor(**tiny, layers="auto", grid=2).settings().grids == (2, 2)


@pytest.mark.parametrize(
    ("parameters", "first", "last", "n"),
    [
        ({}, "fine_0", "fine_5", 6),
        ({"layers": "last"}, "last_0", "last_2", 3),
        ({"layers": ["last", "fine"], "grid": (1, 2)}, "last_0", "fine_1_1_5", 27),
        ({"grid": "full"}, "fine_0_0_0", "fine_7_7_5", 384),
    ],
)
def test_names_of_columns(tiny, pictures, engine, parameters, first, last, n):
    extractor = FeatureExtractor(**tiny, **parameters, cache=False)
    names = extractor.get_feature_names_out()
    assert (names[0], names[-1], len(set(names))) == (first, last, n)
    assert engine.images == 1
    assert extractor.transform(pictures[0][:3]).shape == (3, n)
    np.testing.assert_array_equal(extractor.get_feature_names_out(), names)
    extractor.get_feature_names_out()
    assert engine.images == 4
    assert len(extractor.set_params(layers="last", grid=None).get_feature_names_out()) == 3


def test_a_name_is_the_place_of_its_column(tiny, pictures):
    extractor = FeatureExtractor(**tiny, layers=["last", "fine"], grid=(1, 2))
    maps = dict(zip(("last", "fine"), extractor.extract(pictures[0][:3]).maps(), strict=True))
    rows = extractor.transform(pictures[0][:3])
    assert not np.allclose(maps["fine"], maps["fine"].transpose(0, 2, 1, 3))
    for column, name in zip(rows.T, extractor.get_feature_names_out(), strict=True):
        layer, *place = name.split("_")
        y, x, channel = map(int, ["0", "0", *place][-3:])
        np.testing.assert_array_equal(column, maps[layer][:, y, x, channel])


def test_names_do_not_depend_on_which_channels_are_chosen(tiny):
    names = FeatureExtractor(**tiny, channels=(5, 3, 1), frame=2).get_feature_names_out()
    assert names.tolist() == [f"fine_{i}" for i in range(6)]


def test_names_leave_the_report_alone(tiny, pictures):
    extractor = FeatureExtractor(**tiny)
    extractor.extract(pictures[0][:3])
    report = extractor.report_
    extractor.get_feature_names_out()
    assert extractor.report_ is report


def test_columns_of_a_table(tiny, pictures):
    paths = [str(path) for path in pictures[0]]
    frame = FeatureExtractor(**tiny).set_output(transform="pandas").fit_transform(paths)
    assert frame.columns.tolist() == [f"fine_{i}" for i in range(6)]
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    np.testing.assert_array_equal(frame.to_numpy(), FeatureExtractor(**tiny).transform(paths))


def test_paths_beside_numbers_and_categories(tiny, pictures):
    paths, labels = pictures
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "path": [str(path) for path in paths],
            "age": rng.normal(size=60),
            "site": rng.choice(["a", "b"], 60),
        }
    )
    columns = ColumnTransformer(
        [
            ("image", FeatureExtractor(**tiny, grid=2), "path"),
            ("number", StandardScaler(), ["age"]),
            ("site", OneHotEncoder(sparse_output=False), ["site"]),
        ]
    ).set_output(transform="pandas")
    found = columns.fit_transform(table)
    cells = [f"image__fine_{y}_{x}_{i}" for y in (0, 1) for x in (0, 1) for i in range(6)]
    assert found.columns.tolist() == [*cells, "number__age", "site__site_a", "site__site_b"]
    model = make_pipeline(columns, StandardScaler(), LogisticRegression()).fit(table, labels)
    assert model.score(table, labels) > 0.9


def test_a_union_of_two_backbones(tiny, pictures):
    both = FeatureUnion([("a", FeatureExtractor(**tiny)), ("b", FeatureExtractor(**tiny, layers="last"))])
    assert both.fit_transform(pictures[0]).shape == (60, 9)
    assert both.get_feature_names_out()[[0, -1]].tolist() == ["a__fine_0", "b__last_2"]


@pytest.mark.parametrize("layers", ["fine", ["fine", "last"]])
def test_what_does_not_fit_into_memory_is_a_file(tiny, pictures, layers):
    parameters = {**tiny, "layers": layers, "grid": "full"}
    rows = FeatureExtractor(**parameters, memory_limit=1000).transform(pictures[0])
    base = rows if isinstance(rows, np.memmap) else rows.base
    assert isinstance(base, np.memmap)
    np.testing.assert_array_equal(rows, FeatureExtractor(**parameters).transform(pictures[0]))

"""Averages within a graph are those of `pool_to_grid`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_prepared import LAYERS, SIZE, build, store  # noqa: F401
from transferkit.engines._averages import grids_of_outputs, with_averages
from transferkit.foundation.maps import pool_to_grid

pytestmark = pytest.mark.openvino
SIDES = st.integers(1, 15)


def run(model, maps):
    import openvino

    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.infer(dict(enumerate(maps)))
    return [np.array(tensor.data) for tensor in request.output_tensors]


def as_they_came(shapes):
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from openvino import opset8

    inputs = [opset8.parameter(shape, np.float32) for shape in shapes]
    return openvino.Model([opset8.result(opset8.relu(each)) for each in inputs], inputs)


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, st.integers(1, 9), st.integers(1, 4), st.integers(1, 9))
def test_maps_of_any_shape(height, width, channels, n, grid):
    maps = np.random.default_rng(0).random((n, height, width, channels), dtype=np.float32)
    (found,) = run(with_averages(as_they_came([maps.shape]), [grid]), [maps])
    np.testing.assert_allclose(found, pool_to_grid(maps, grid), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "grid", "kinds"),
    [
        ((28, 28), 7, {"AvgPool"}),
        ((7, 7), 2, {"AvgPool"}),
        ((14, 7), 7, {"AvgPool"}),
        ((7, 7), 1, {"AvgPool"}),
        ((28, 28), 28, set()),
        ((5, 7), 9, set()),
        ((7, 7), 3, {"AvgPool"}),
        ((7, 7), 4, {"MatMul"}),
        ((14, 28), 3, {"MatMul"}),
    ],
)
def test_averages_are_fast_operations_or_none(shape, grid, kinds):
    model = with_averages(as_they_came([(1, *shape, 3)]), [grid])
    others = {"Parameter", "Constant", "Relu", "Transpose", "Result"}
    assert {op.get_type_name() for op in model.get_ops()} - others == kinds


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_cells_of_different_sizes_in_any_precision(dtype):
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from openvino import opset8

    given = opset8.parameter((2, 7, 7, 3), dtype)
    model = openvino.Model([opset8.result(opset8.relu(given))], [given])
    maps = np.random.default_rng(0).random((2, 7, 7, 3)).astype(dtype)
    (found,) = run(with_averages(model, [4]), [maps])
    np.testing.assert_allclose(found, pool_to_grid(maps.astype(np.float32), 4), rtol=2e-3)


def test_vectors_whole_maps_and_unknown_sizes_stay_as_they_are():
    vectors, maps = np.ones((2, 5), np.float32), np.ones((2, 4, 4, 3), np.float32)
    model = with_averages(as_they_came([vectors.shape, maps.shape, (-1, -1, 4, 3)]), [2, None, 2])
    found = run(model, [vectors, maps, maps])
    assert [each.shape for each in found] == [vectors.shape, maps.shape, maps.shape]


@pytest.mark.parametrize(
    ("places", "grids", "expected"),
    [([0, 1], (7, None), [7, None]), ([0, 0, 1], (7, 7, 2), [7, 2]), ([0, 0, 1], (7, 1, 2), [None, 2])],
)
def test_layers_that_share_an_output_share_its_average_or_none(places, grids, expected):
    assert grids_of_outputs(places, grids) == expected


@pytest.mark.slow
def test_an_engine_gives_the_averages_that_are_asked_for(store):  # noqa: F811
    pixels = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)
    whole = build(store).run(pixels)
    converted = build(store, grids=(2, 1))  # from the graph that was kept
    assert len(list(store.folder.glob("graph-*"))) == 1
    for found, maps, grid in zip(converted.run(pixels), whole, (2, 1), strict=True):
        assert found.shape[1:3] == (min(grid, maps.shape[1]),) * 2
        pooled = pool_to_grid(maps, grid)
        np.testing.assert_allclose(found, pooled, atol=1e-5 * pooled.std())
        np.testing.assert_array_equal(pool_to_grid(found, grid), found)
    assert len(LAYERS) == 2

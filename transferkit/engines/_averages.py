"""Average over a grid inside the graph, so that large maps never leave the network.

Copying whole maps of four layers takes 5 to 10 % of a run, more than averaging them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grids = Sequence[int | None]


def grids_of_outputs(places: Sequence[int], grids: Grids) -> list[int | None]:
    """Return the grid of each output of a graph; None (whole maps) if layers with different grids share it.

    ``places`` are the indices of the outputs of the layers with these grids.
    """
    wanted = [
        {grid for at, grid in zip(places, grids, strict=True) if at == n} for n in range(1 + max(places))
    ]
    return [next(iter(each)) if len(each) == 1 else None for each in wanted]


def with_averages(model: Any, grids: Grids) -> Any:
    """Return an OpenVINO model whose maps (n, h, w, c) are averaged over these grids, as `pool_to_grid` does.

    Outputs that are not maps, or whose size is unknown before a run, are unchanged.
    """
    import openvino
    from openvino import opset8

    model = model.clone()
    outputs = []
    for output, grid in zip(model.outputs, grids, strict=True):
        value, shape = output.get_node().input_value(0), output.partial_shape
        if grid is None or shape.rank.get_length() != 4 or any(side.is_dynamic for side in list(shape)[1:]):
            outputs.append(opset8.result(value))
            continue
        height, width = (side.get_length() for side in list(shape)[1:3])
        if max(height, width) <= grid:
            outputs.append(opset8.result(value))
            continue
        planes = opset8.transpose(value, np.array([0, 3, 1, 2], np.int64))
        means = _averaged(planes, (height, width), (min(grid, height), min(grid, width)))
        outputs.append(opset8.result(opset8.transpose(means, np.array([0, 2, 3, 1], np.int64))))
    return openvino.Model(outputs, model.get_parameters())


def _averaged(planes: Any, sides: tuple[int, int], cells: tuple[int, int]) -> Any:
    """Return averages of planes (n, c, h, w) over cells."""
    import openvino
    from openvino import opset8

    down, across = (_bounds(*each) for each in zip(sides, cells, strict=True))
    windows = [_window(each) for each in (down, across)]
    if None not in windows:
        sizes, steps = zip(*windows, strict=True)
        return opset8.avg_pool(planes, steps, [0, 0], [0, 0], sizes, exclude_pad=True)
    if planes.get_element_type() != openvino.Type.f32:
        return opset8.adaptive_avg_pool(planes, np.array(cells, np.int64))
    # Much faster than AdaptiveAvgPool, which OpenVINO runs without vector instructions; exact in float32.
    rows = opset8.matmul(planes, _shares(across, sides[1]).T.copy(), False, False)
    return opset8.matmul(_shares(down, sides[0]), rows, False, False)


def _bounds(side: int, cells: int) -> list[tuple[int, int]]:
    """Return the first position of each cell along a side, and the one after its last."""
    return [(i * side // cells, -(-(i + 1) * side // cells)) for i in range(cells)]


def _window(bounds: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the size of the cells and the step between them, or None if they differ."""
    sizes = {end - start for start, end in bounds}
    steps = {after - start for (start, _), (after, _) in itertools.pairwise(bounds)} or {1}
    return (sizes.pop(), steps.pop()) if len(sizes) == len(steps) == 1 else None


def _shares(bounds: list[tuple[int, int]], side: int) -> NDArray[np.float32]:
    """Return by how much each position counts in the mean of each cell, (cells, side)."""
    shares = np.zeros((len(bounds), side), np.float32)
    for row, (start, end) in zip(shares, bounds, strict=True):
        row[start:end] = 1 / (end - start)
    return shares

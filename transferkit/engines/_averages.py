"""Average over a grid inside the graph, so that large maps never leave the network.

Copying whole maps of four layers takes 5 to 10 % of a run, more than averaging them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

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
    from openvino import opset8

    windows = [_window(*each) for each in zip(sides, cells, strict=True)]
    if None in windows:  # OpenVINO has only slow code for cells of different sizes
        return opset8.adaptive_avg_pool(planes, np.array(cells, np.int64))
    sizes, steps = zip(*windows, strict=True)
    return opset8.avg_pool(planes, steps, [0, 0], [0, 0], sizes, exclude_pad=True)


def _window(side: int, cells: int) -> tuple[int, int] | None:
    """Return the common size of the cells along a side and the step between them, None if they differ."""
    first = [i * side // cells for i in range(cells)]
    sizes = {-(-(i + 1) * side // cells) - start for i, start in enumerate(first)}
    steps = {b - a for a, b in itertools.pairwise(first)} or {1}
    return (sizes.pop(), steps.pop()) if len(sizes) == len(steps) == 1 else None

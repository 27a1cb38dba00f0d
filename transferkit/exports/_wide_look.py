"""More looks at wide squares, as nodes; ``estimators.refinement.WideLook`` is the same in NumPy.

With an "If" node, only doubtful images are looked at again. A network quantized to 8 bits must not be inside
such a node: then all images are looked at again, and the results for all others are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transferkit.exports._frames import in_quarters
from transferkit.exports._maps import mean
from transferkit.exports._network import EmbeddedNetwork
from transferkit.exports._points import in_frames
from transferkit.exports._tensor import Tensor


def look_wide(
    planes: Tensor,
    found: Sequence[Tensor],
    predictor: Any,
    settings: Any,
    network: EmbeddedNetwork,
    *,
    branches: bool,
) -> list[Tensor]:
    """Return the points (n, k, 2) of both views, replaced by those of wide squares if these are better."""
    wide, graph = predictor.wide_look, planes.graph
    doubt = _disagreement(found)
    doubtful = doubt > wide.limit
    k, pairs = predictor.task.n_points, predictor.views[0].pairs

    def again(planes: Tensor, found: Sequence[Tensor], doubt: Tensor, doubtful: Tensor) -> list[Tensor]:
        best, latest = list(found), list(found)
        for _ in range(wide.most):
            frames = _wide_frames(mean(latest), wide.side)
            latest = in_frames(planes, frames, predictor.head, k, [False, True], pairs, settings, network)
            less = _disagreement(latest)
            better = (less < doubt) & doubtful
            best = [better.expand(1, 2).where(*pair, "float32") for pair in zip(latest, best, strict=True)]
            doubt = better.where(less, doubt, "float32")
            doubtful = doubt > wide.limit
        return best

    def of_the_doubtful() -> list[Tensor]:
        rows = graph.add("NonZero", doubtful, dtype="int64").reshape(-1)
        some = [each.take(rows, 0) for each in (planes, *found, doubt, doubtful)]
        changed = again(some[0], some[1:-2], *some[-2:])
        return [
            graph.add("ScatterND", points, rows.expand(1), other, dtype="float32")
            for points, other in zip(found, changed, strict=True)
        ]

    if not branches:
        return again(planes, found, doubt, doubtful)
    some = doubtful.cast("int32").greatest().cast("bool")
    return graph.only_if(some, of_the_doubtful, found)


def _disagreement(found: Sequence[Tensor]) -> Tensor:
    """Return the distance of points (n, k, 2) of two views, as a fraction of the size of the shape."""
    one, other = found
    gap = one - other
    apart = (gap * gap).sum(2).apply("Sqrt")
    k = apart.shape(1).cast("float32")
    return apart.sum(1) / k / _sizes(mean(found))


def _wide_frames(shapes: Tensor, side: float) -> Tensor:
    """Return upright squares (n, 4) around shapes (n, k, 2)."""
    low, high = _bounds(shapes)
    middle = (low + high) / 2 + 0.5
    x, y = (middle.part(1, i, i + 1) for i in (0, 1))
    sides = _sizes(shapes).expand(1) * side
    return in_quarters([x, y, sides, sides * 0])


def _sizes(shapes: Tensor) -> Tensor:
    low, high = _bounds(shapes)
    width, height = ((high - low).part(1, i, i + 1) for i in (0, 1))
    return width.at_least(height).at_least(np.float32(1e-9)).reshape(-1)


def _bounds(shapes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the least and the largest coordinates (n, 2) of shapes (n, k, 2)."""
    low, high = (_largest(shapes * sign) * sign for sign in (-1.0, 1.0))
    return low, high


def _largest(shapes: Tensor) -> Tensor:
    graph = shapes.graph
    values, _ = graph.add_several("TopK", shapes, graph.ints(1), dtypes=("float32", "int64"), axis=1)
    largest: Tensor = values.reshape(-1, 2)
    return largest

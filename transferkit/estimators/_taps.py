"""The choice of taps: which layers an estimator uses, and on which grid each is averaged.

Grids are numbers of cells per side. They were chosen on faces, X-rays, cats and dogs; see ``docs/design.md``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from transferkit.backbones import Backbone
from transferkit.heads import Head, ScoreMapHead

CLASS_GRID = 4  # for layers chosen by the user, if the backbone recommends a grid for each of its layers
POINT_GRID = 7
POINT_GRIDS = (7, 7, 4, 2)  # for the four layers that most backbones recommend, fine ones first
SCORE_GRIDS = (14, 14, 7, 2)  # for the same layers if cells are scored; a whole-map regression halves them
SCORE_GRID = 14
CASCADE_GRIDS = (14, 7, 4)  # for the closer look; fine, since features are read at points
FEW_CASCADE_GRIDS = (28, 7, 4)  # for the closer look at few images, for which finer cells cost little
NETWORK_GRID = 14  # for the fine map of a whole image, which only has to locate the shape
CLOSE_NETWORK_GRID = 28
COARSE_GRID = 7


class Taps(NamedTuple):
    """Layers and grids, as :class:`FeatureExtractor` takes them."""

    layers: Any
    grid: Any


def class_taps(backbone: Backbone, head: Head, layers: Any, grid: Any) -> Taps:
    """Return the taps for classes: the user's layers and grid, or those that head and backbone recommend."""
    layers = head.layers if layers is None else layers
    if grid is not None or not head.pools:
        return Taps(layers, grid)
    one_for_each = isinstance(backbone.grid, tuple) and layers != "auto"
    return Taps(layers, CLASS_GRID if one_for_each else backbone.grid)


def point_taps(backbone: Backbone, head: Head, layers: Any, grid: Any) -> Taps:
    """Return the taps for points, on finer grids than for classes, since places matter."""
    if head.refinement == "network":
        taps = network_taps(backbone, layers, NETWORK_GRID)
        return taps if grid is None else Taps(taps.layers, grid)
    taps = class_taps(backbone, head, layers, grid)
    if grid is not None or not head.pools or taps.grid is None:
        return taps
    recommended = isinstance(taps.layers, str) and taps.layers == "auto"
    each, same = (SCORE_GRIDS, SCORE_GRID) if isinstance(head, ScoreMapHead) else (POINT_GRIDS, POINT_GRID)
    if recommended and len(backbone.layers) == len(each):
        return Taps(taps.layers, each)
    return Taps(taps.layers, same)


def close_taps(backbone: Backbone, head: Head, layers: Any, *, few: bool = False) -> Taps:
    """Return the taps of a closer look, for few or many images."""
    if head.refinement == "network":
        return network_taps(backbone, layers, CLOSE_NETWORK_GRID)
    if not _are_recommended(layers):
        chosen = (layers,) if isinstance(layers, str) else tuple(layers)
    else:
        chosen = backbone.layers
    grids = FEW_CASCADE_GRIDS if few else CASCADE_GRIDS
    chosen = chosen[: len(grids)]
    return Taps(chosen, grids[: len(chosen)])


def network_taps(backbone: Backbone, layers: Any, fine: int) -> Taps:
    """Return the taps of a keypoint network: a fine layer and the next, or the user's on a fine grid."""
    if not _are_recommended(layers):
        return Taps(layers, fine)
    chosen = backbone.layers[:2]
    return Taps(chosen, (fine, COARSE_GRID)[: len(chosen)])


def _are_recommended(layers: Any) -> bool:
    return layers is None or (isinstance(layers, str) and layers == "auto")

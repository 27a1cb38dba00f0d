"""Describe the features of a network by their shapes, and choose default layers among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

N_STAGES = 3  # stages of a convolutional network whose last map is recommended


@dataclass(frozen=True)
class Feature:
    """A tensor that features can be taken from.

    Parameters
    ----------
    tensor : str
        Name of the tensor in the graph.
    kind : {"map", "tokens", "vector", "token"}
        "token" is the first of several tokens, as a vector.
    shape : tuple of int
        Shape of the feature without the batch: (h, w, c) or (c,).
    layout : {"NCHW", "NHWC"}, default="NHWC"
        Layout of a map.
    n_prefix : int, default=0
        Number of tokens before those of patches.
    """

    tensor: str
    kind: str
    shape: tuple[int, ...]
    layout: str = "NHWC"
    n_prefix: int = 0


def recommended(features: Mapping[str, Feature], made_by: Mapping[str, str]) -> tuple[str, ...]:
    """Return recommended layers, fine ones first, as many as for the backbones of this library.

    For a convolutional network, these are the last maps at the three coarsest sizes, and one inside the stage
    before the last. For a transformer, they are the tokens at half and three quarters of its depth, the last
    tokens, and the summary.
    """
    last = features.get("last")
    if last is None:
        return ()
    of_graph = [each for name, each in features.items() if name == each.tensor]
    if last.kind == "tokens":
        depths = [each for each in of_graph if each.shape == last.shape and made_by[each.tensor] == "Add"]
        chosen = [depths[(len(depths) - 1) * share // 4].tensor for share in (2, 3)] if depths else []
        ends = ["last", *(["summary"] if "summary" in features else [])]
        return tuple(dict.fromkeys([*chosen, *ends]))
    maps = [each for each in of_graph if each.kind == "map" and each.shape[0] > 1]
    maps = [each for each in maps if made_by[each.tensor] != "Pad"]  # another size, but nothing new
    sides = sorted({each.shape[0] for each in maps})[:N_STAGES]
    stages = [[each for each in maps if each.shape[0] == side] for side in sorted(sides, reverse=True)]
    chosen = [stage[-1].tensor for stage in stages]
    if len(stages) == N_STAGES:
        inside = _inside(stages[-2], made_by)
        chosen[-2:-2] = [inside] if inside not in chosen else []
    named = ["last" if name == last.tensor else name for name in chosen]  # another branch may end the graph
    return tuple(dict.fromkeys(named))


def _inside(stage: Sequence[Feature], made_by: Mapping[str, str]) -> str:
    """Return the tensor nearest to the middle of a stage whose operator is that of its last one."""
    end = stage[-1]
    alike = [
        (abs(i - len(stage) / 2), each.tensor)
        for i, each in enumerate(stage[:-1])
        if made_by[each.tensor] == made_by[end.tensor] and each.shape[-1] * 2 >= end.shape[-1]
    ]
    return min(alike, default=(0, end.tensor))[1]

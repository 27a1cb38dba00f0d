"""Features of a network as shapes, and which of them to learn from where nobody has chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

N_STAGES = 3  # of a convolutional network, of which the last map is recommended


@dataclass(frozen=True)
class Feature:
    """One tensor that can be tapped.

    Parameters
    ----------
    tensor : str
        Its name in the graph.
    kind : {"map", "tokens", "vector", "token"}
        "token" is the first token of tokens, as a vector.
    shape : tuple of int
        Without the batch, as given to the outside: (h, w, c) or (c,).
    layout : {"NCHW", "NHWC"}, default="NHWC"
        Of a map.
    n_prefix : int, default=0
        Tokens before those of patches.
    """

    tensor: str
    kind: str
    shape: tuple[int, ...]
    layout: str = "NHWC"
    n_prefix: int = 0


def recommended(features: Mapping[str, Feature], made_by: Mapping[str, str]) -> tuple[str, ...]:
    """Return layers to learn from, fine ones first: as many as the backbones of this library recommend.

    Of a convolutional network the last maps at the three coarsest sizes, and one inside the stage before the
    last; of tokens, the sums at half and three quarters of the depth, the last ones, and the summary.
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
    maps = [each for each in maps if made_by[each.tensor] != "Pad"]  # a size of its own, with nothing new
    sides = sorted({each.shape[0] for each in maps})[:N_STAGES]
    stages = [[each for each in maps if each.shape[0] == side] for side in sorted(sides, reverse=True)]
    chosen = [stage[-1].tensor for stage in stages]
    if len(stages) == N_STAGES:
        inside = _inside(stages[-2], made_by)
        chosen[-2:-2] = [inside] if inside not in chosen else []
    named = ["last" if name == last.tensor else name for name in chosen]  # another branch may end the graph
    return tuple(dict.fromkeys(named))


def _inside(stage: Sequence[Feature], made_by: Mapping[str, str]) -> str:
    """Return the tensor nearest to the middle of a stage that is made like its last one, or that one."""
    end = stage[-1]
    alike = [
        (abs(i - len(stage) / 2), each.tensor)
        for i, each in enumerate(stage[:-1])
        if made_by[each.tensor] == made_by[end.tensor] and each.shape[-1] * 2 >= end.shape[-1]
    ]
    return min(alike, default=(0, end.tensor))[1]

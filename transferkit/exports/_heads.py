"""Heads as nodes: a function for each kind of fitted head, which maps feature maps to its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transferkit.errors import ExportError
from transferkit.exports._looks import Maps
from transferkit.exports._maps import affine, flat
from transferkit.exports._network_heads import conv, mlp
from transferkit.exports._point_heads import cascade, keypoint_map
from transferkit.exports._score_head import score_map, whole_map
from transferkit.exports._tensor import Tensor
from transferkit.heads import ConvHead, KeypointMapHead, MLPHead
from transferkit.heads.cascade import FittedCascade
from transferkit.heads.linear import FittedLinear
from transferkit.heads.score_map import FittedScoreMap, FittedWholeMap

Apply = Callable[[Any, Maps], Tensor]


def linear(head: FittedLinear, maps: Maps) -> Tensor:
    """Return logits or values (n, k) of a linear head."""
    return affine(flat(maps.tensors), head.weights, head.intercept)


HEADS: dict[type, Apply] = {
    FittedLinear: linear,
    MLPHead: mlp,
    ConvHead: conv,
    FittedCascade: cascade,
    KeypointMapHead: keypoint_map,
    FittedScoreMap: score_map,
    FittedWholeMap: whole_map,
}
"""By the type of the fitted head, or of the head that it was fitted by."""


def apply_head(head: Any, maps: Maps) -> Tensor:
    """Return the outputs of a fitted head for maps, (n, number of outputs).

    Raises
    ------
    ExportError
        This head cannot be exported.
    """
    apply = HEADS.get(type(getattr(head, "head", head)))
    if apply is None:
        raise ExportError(
            f"A head of type {type(head).__name__} cannot be exported. Those of transferkit can: 'auto', "
            "'linear', 'mlp', 'conv', 'keypoint_map' and 'score_map'. Train with one of them."
        )
    return apply(head, maps)

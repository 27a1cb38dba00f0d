"""Heads as nodes: a function for each kind of fitted head, from maps to the numbers that it predicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from transferkit.errors import ExportError
from transferkit.export._looks import Maps
from transferkit.export._maps import flat
from transferkit.export._tensor import Tensor
from transferkit.heads.linear import FittedLinear

Apply = Callable[[Any, Maps], Tensor]


def linear(head: FittedLinear, maps: Maps) -> Tensor:
    """Return logits or values (n, k) of a linear head."""
    return affine(flat(maps.tensors), head.weights, head.intercept)


def affine(rows: Tensor, weights: Any, intercept: Any) -> Tensor:
    """Return rows (n, c) times weights (c, k), plus an intercept (k,)."""
    return rows @ np.asarray(weights, np.float32) + np.asarray(intercept, np.float32)


HEADS: dict[type, Apply] = {FittedLinear: linear}


def apply_head(head: Any, maps: Maps) -> Tensor:
    """Return what a fitted head says of maps, (n, number of outputs).

    Raises
    ------
    ExportError
        There are no nodes for this head.
    """
    apply = HEADS.get(type(head))
    if apply is None:
        raise ExportError(
            f"A head of type {type(head).__name__} cannot be exported. Those of transferkit can: 'auto', "
            "'linear', 'mlp', 'conv', 'keypoint_map' and 'score_map'. Train with one of them."
        )
    return apply(head, maps)

"""Heads: small models that are trained on the features of a backbone.

Importing them loads neither TensorFlow nor scikit-learn; fitting loads what the head needs.
"""

from __future__ import annotations

import warnings
from typing import Any

from transferkit.heads._base import FittedHead, Head, Maps, TrainingData, Validation, outputs_of
from transferkit.heads._calibration import CALIBRATIONS, network_gain
from transferkit.heads._held_out import held_out_gain, sample_rows
from transferkit.heads._joint import JointHead, calibrated, joint_head, pooled
from transferkit.heads._registry import HEADS, get_head, head_from_dict, head_to_dict, register_head
from transferkit.heads.auto import AutoHead
from transferkit.heads.conv import ConvHead
from transferkit.heads.keypoint_map import KeypointMapHead
from transferkit.heads.linear import LinearHead
from transferkit.heads.mlp import MLPHead
from transferkit.heads.score_map import ScoreMapHead

__all__ = [
    "CALIBRATIONS",
    "HEADS",
    "AutoHead",
    "ConvHead",
    "FittedHead",
    "Head",
    "JointHead",
    "KeypointMapHead",
    "LinearHead",
    "MLPHead",
    "Maps",
    "ScoreMapHead",
    "TrainingData",
    "Validation",
    "calibrated",
    "get_head",
    "head_from_dict",
    "head_to_dict",
    "held_out_gain",
    "joint_head",
    "network_gain",
    "outputs_of",
    "pooled",
    "register_head",
    "sample_rows",
]


def __getattr__(name: str) -> Any:
    if name != "CascadeHead":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from transferkit.heads.cascade import CascadeHead

    warnings.warn(
        "CascadeHead is internal and will be removed from transferkit.heads. It is in "
        "transferkit.heads.cascade.",
        FutureWarning,
        stacklevel=2,
    )
    return CascadeHead

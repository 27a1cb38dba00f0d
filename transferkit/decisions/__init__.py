"""Decisions based on predictions: thresholds, prediction sets with guaranteed coverage, and novelty.

All of them are based on training images and models that have not learned from these: the logits of
:class:`HeldOut`, and the distances of :class:`Novelty`.
"""

from transferkit.decisions.conformal import class_sets
from transferkit.decisions.held_out import HeldOut, rebuild_held_out
from transferkit.decisions.novelty import MOST_ROWS, Novelty, rebuild_novelty
from transferkit.decisions.threshold import Threshold, choose_threshold

__all__ = [
    "MOST_ROWS",
    "HeldOut",
    "Novelty",
    "Threshold",
    "choose_threshold",
    "class_sets",
    "rebuild_held_out",
    "rebuild_novelty",
]

"""The closer look at keypoints: rounds that crop the shape found so far, and find it again.

``_refinement`` is a fitted round; ``_cascade`` and ``_network`` fit one; ``_closer_look`` decides which
rounds to keep; ``_training`` prepares their training data; ``_again`` repeats a look on moved squares, to see
how much the result changes. ``_wide_look`` comes before the rounds: it repeats a doubtful first look.
"""

from transferkit.estimators.refinement._again import held_out_again, look_again
from transferkit.estimators.refinement._cascade import FEW_IMAGES, MIN_IMAGES
from transferkit.estimators.refinement._closer_look import CloserLook
from transferkit.estimators.refinement._network import Sample, frames_moved_by, has_place
from transferkit.estimators.refinement._refinement import MIN_POINTS, Refinement, rebuild_refinement
from transferkit.estimators.refinement._training import fit_rounds, held_out_images
from transferkit.estimators.refinement._wide_look import WideLook, fit_wide_look, rebuild_wide_look

__all__ = [
    "FEW_IMAGES",
    "MIN_IMAGES",
    "MIN_POINTS",
    "CloserLook",
    "Refinement",
    "Sample",
    "WideLook",
    "fit_rounds",
    "fit_wide_look",
    "frames_moved_by",
    "has_place",
    "held_out_again",
    "held_out_images",
    "look_again",
    "rebuild_refinement",
    "rebuild_wide_look",
]

"""Evaluate fitted models on unseen images: metrics with confidence intervals, and the worst mistakes."""

from transferkit.evaluation._evaluate import evaluate
from transferkit.evaluation._figures import LOWER_IS_BETTER, figure_cells, figure_title
from transferkit.evaluation._kinds import KINDS, Evaluation, check_options, kind_of, own_options
from transferkit.evaluation._names import image_names
from transferkit.evaluation._report import Report
from transferkit.evaluation.classification import ClassificationEvaluation, Mistake
from transferkit.evaluation.keypoints import KeypointEvaluation, KeypointMistake
from transferkit.evaluation.labels import LabelEvaluation, LabelMistake
from transferkit.evaluation.values import ValueEvaluation, ValueMistake

__all__ = [
    "KINDS",
    "LOWER_IS_BETTER",
    "ClassificationEvaluation",
    "Evaluation",
    "KeypointEvaluation",
    "KeypointMistake",
    "LabelEvaluation",
    "LabelMistake",
    "Mistake",
    "Report",
    "ValueEvaluation",
    "ValueMistake",
    "check_options",
    "evaluate",
    "figure_cells",
    "figure_title",
    "image_names",
    "kind_of",
    "own_options",
]

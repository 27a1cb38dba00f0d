"""Ask a fitted model about images it has not seen: figures with intervals, and its worst mistakes."""

from transferkit.evaluation._evaluate import check_options, evaluate, predict_classes
from transferkit.evaluation._figures import LOWER_IS_BETTER, figure_cells, figure_title
from transferkit.evaluation._names import image_names
from transferkit.evaluation._report import Report
from transferkit.evaluation.classification import ClassificationEvaluation, Mistake
from transferkit.evaluation.keypoints import KeypointEvaluation, KeypointMistake

__all__ = [
    "LOWER_IS_BETTER",
    "ClassificationEvaluation",
    "KeypointEvaluation",
    "KeypointMistake",
    "Mistake",
    "Report",
    "check_options",
    "evaluate",
    "figure_cells",
    "figure_title",
    "image_names",
    "predict_classes",
]

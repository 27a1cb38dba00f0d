"""Metrics, as functions of arrays.

``as_outcomes``, ``as_value_pair``, ``check_label_arrays`` and ``positive_class`` are used by evaluations.
"""

from transferkit.metrics._outcomes import as_outcomes, positive_class
from transferkit.metrics.classification import (
    CLASSIFICATION_FIGURES,
    ClassificationFigures,
    classification_figures,
    resampled_figures,
)
from transferkit.metrics.error_distribution import (
    area_under_ced,
    check_limit,
    cumulative_error_distribution,
    failure_rate,
)
from transferkit.metrics.figure import Figure, check_confidence, percentile_figure
from transferkit.metrics.keypoint_figures import (
    KEYPOINT_FIGURES,
    keypoint_figures,
    mean_error_figures,
    resampled_keypoint_figures,
)
from transferkit.metrics.keypoints import group_errors, normalized_mean_error
from transferkit.metrics.labels import (
    EACH_LABEL_FIGURES,
    LABEL_FIGURES,
    LabelFigures,
    check_label_arrays,
    label_figures,
    resampled_label_figures,
)
from transferkit.metrics.proportions import wilson_interval
from transferkit.metrics.resampling import Resampling
from transferkit.metrics.values import (
    VALUE_FIGURES,
    ValueFigures,
    as_value_pair,
    resampled_value_figures,
    value_figures,
)

__all__ = [
    "CLASSIFICATION_FIGURES",
    "EACH_LABEL_FIGURES",
    "KEYPOINT_FIGURES",
    "LABEL_FIGURES",
    "VALUE_FIGURES",
    "ClassificationFigures",
    "Figure",
    "LabelFigures",
    "Resampling",
    "ValueFigures",
    "area_under_ced",
    "as_outcomes",
    "as_value_pair",
    "check_confidence",
    "check_label_arrays",
    "check_limit",
    "classification_figures",
    "cumulative_error_distribution",
    "failure_rate",
    "group_errors",
    "keypoint_figures",
    "label_figures",
    "mean_error_figures",
    "normalized_mean_error",
    "percentile_figure",
    "positive_class",
    "resampled_figures",
    "resampled_keypoint_figures",
    "resampled_label_figures",
    "resampled_value_figures",
    "value_figures",
    "wilson_interval",
]

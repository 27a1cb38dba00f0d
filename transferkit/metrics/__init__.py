"""Figures of merit: plain functions of arrays."""

from transferkit.metrics.error_distribution import area_under_ced, cumulative_error_distribution, failure_rate
from transferkit.metrics.keypoints import group_errors, normalized_mean_error
from transferkit.metrics.proportions import wilson_interval

__all__ = [
    "area_under_ced",
    "cumulative_error_distribution",
    "failure_rate",
    "group_errors",
    "normalized_mean_error",
    "wilson_interval",
]

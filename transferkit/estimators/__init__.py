"""Estimators: an extractor plus a head, with scikit-learn's contract."""

from transferkit.estimators.classifier import Classifier
from transferkit.estimators.keypoint_regressor import KeypointRegressor
from transferkit.persistence._document import load

__all__ = ["Classifier", "KeypointRegressor", "load"]

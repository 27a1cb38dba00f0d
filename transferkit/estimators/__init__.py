"""Estimators: an extractor plus a head, with scikit-learn's contract."""

from transferkit.estimators._document import load
from transferkit.estimators.classifier import Classifier
from transferkit.estimators.keypoint_regressor import KeypointRegressor

__all__ = ["Classifier", "KeypointRegressor", "load"]

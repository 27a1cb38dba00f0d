"""Estimators: an extractor plus a head, with scikit-learn's contract.

``_base`` trains, ``_fitted`` answers, and ``predictor`` is what a fitted model needs for that; ``_taps``
plans which layers are read, ``_splitting`` what is held out, ``_nested`` serves ``head__*`` and
``extractor__*``, and ``refinement`` looks again at keypoints. To add an estimator, write a file like
``classifier.py`` and enter it here.
"""

from transferkit.estimators._base import ImageEstimator
from transferkit.estimators._extractor_owner import ExtractorOwner
from transferkit.estimators._fitted import not_fitted
from transferkit.estimators._fitting import all_or_nothing, snapshot
from transferkit.estimators._records import LayerTrial, Round
from transferkit.estimators._scoring import say_left_out
from transferkit.estimators._taps import Taps
from transferkit.estimators.classifier import Classifier
from transferkit.estimators.image_regressor import ImageRegressor
from transferkit.estimators.keypoint_regressor import KeypointRegressor

__all__ = [
    "Classifier",
    "ExtractorOwner",
    "ImageEstimator",
    "ImageRegressor",
    "KeypointRegressor",
    "LayerTrial",
    "Round",
    "Taps",
    "all_or_nothing",
    "not_fitted",
    "say_left_out",
    "snapshot",
]

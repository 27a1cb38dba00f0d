"""Estimators: an extractor plus a head, with scikit-learn's contract.

``_base`` trains, ``_fitted`` answers, and ``predictor`` is what a fitted model needs for that; ``_taps``
plans which layers are read, ``_splitting`` what is held out, ``_nested`` serves ``head__*`` and
``extractor__*``, and ``refinement`` looks again at keypoints. To add an estimator, write a file like
``classifier.py`` and enter it here.
"""

from transferkit.estimators._base import ImageEstimator
from transferkit.estimators._records import LayerTrial, Round
from transferkit.estimators.classifier import Classifier
from transferkit.estimators.image_regressor import ImageRegressor
from transferkit.estimators.keypoint_regressor import KeypointRegressor
from transferkit.persistence import load

__all__ = [
    "Classifier",
    "ImageEstimator",
    "ImageRegressor",
    "KeypointRegressor",
    "LayerTrial",
    "Round",
    "load",
]

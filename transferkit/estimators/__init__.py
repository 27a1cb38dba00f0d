"""Estimators: an extractor plus a head, with scikit-learn's contract.

``_base`` trains, ``_fitted`` answers, and ``predictor`` is what a fitted model needs for that; ``_taps``
plans which layers are read, ``_splitting`` what is held out, ``_nested`` serves ``head__*`` and
``extractor__*``, and ``refinement`` looks again at keypoints. ``saved_model`` answers without an estimator.
To add an estimator, write a file like ``classifier.py`` and enter it here.

Names are imported on first use: estimators need scikit-learn, which takes a second to load, and a saved
model does not.
"""

from typing import TYPE_CHECKING

from transferkit.foundation.lazy import lazy_names

if TYPE_CHECKING:
    from transferkit.estimators._base import ImageEstimator
    from transferkit.estimators._copies import known_contents, warn_if_trained_on
    from transferkit.estimators._extractor_owner import ExtractorOwner
    from transferkit.estimators._fitted import not_fitted
    from transferkit.estimators._fitting import all_or_nothing, snapshot
    from transferkit.estimators._records import LayerTrial, Round
    from transferkit.estimators._scoring import say_left_out
    from transferkit.estimators._taps import Taps
    from transferkit.estimators.classifier import Classifier
    from transferkit.estimators.image_regressor import ImageRegressor
    from transferkit.estimators.keypoint_regressor import KeypointRegressor
    from transferkit.estimators.saved_model import SavedModel, load_without_estimator

__all__ = [
    "Classifier",
    "ExtractorOwner",
    "ImageEstimator",
    "ImageRegressor",
    "KeypointRegressor",
    "LayerTrial",
    "Round",
    "SavedModel",
    "Taps",
    "all_or_nothing",
    "known_contents",
    "load_without_estimator",
    "not_fitted",
    "say_left_out",
    "snapshot",
    "warn_if_trained_on",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Classifier": "classifier",
        "ExtractorOwner": "_extractor_owner",
        "ImageEstimator": "_base",
        "ImageRegressor": "image_regressor",
        "KeypointRegressor": "keypoint_regressor",
        "LayerTrial": "_records",
        "Round": "_records",
        "SavedModel": "saved_model",
        "Taps": "_taps",
        "all_or_nothing": "_fitting",
        "known_contents": "_copies",
        "load_without_estimator": "saved_model",
        "not_fitted": "_fitted",
        "say_left_out": "_scoring",
        "snapshot": "_fitting",
        "warn_if_trained_on": "_copies",
    },
)

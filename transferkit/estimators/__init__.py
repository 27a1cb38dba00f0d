"""Estimators: an extractor plus a head, with scikit-learn's contract.

``_plan`` plans the head, views and extractor of a fit; ``_targets`` defines what ``y`` means; ``_base``
trains; ``_fitted`` is the fitted half of an estimator, and ``predictor`` the state that it needs. ``_taps``
chooses layers and grids, ``_splitting`` the held-out images; ``_nested`` handles ``head__*`` and
``extractor__*``, and ``refinement`` the closer look at keypoints. ``saved_model`` predicts without an
estimator. To add an estimator, write a file like ``classifier.py`` and enter it here.

Names are imported on first use: estimators need scikit-learn, which takes a second to load, and a saved
model does not.
"""

from typing import TYPE_CHECKING

from transferkit.foundation.lazy import lazy_names

if TYPE_CHECKING:
    from transferkit.estimators._base import ImageEstimator
    from transferkit.estimators._copies import content_keys, known_contents, warn_if_trained_on
    from transferkit.estimators._extractor_owner import ExtractorOwner
    from transferkit.estimators._fitted import not_fitted
    from transferkit.estimators._fitting import all_or_nothing, snapshot
    from transferkit.estimators._hold_out import HeldOutImages, hold_out_images
    from transferkit.estimators._records import LayerTrial, Round
    from transferkit.estimators._scoring import say_left_out
    from transferkit.estimators._splitting import as_seed
    from transferkit.estimators._taps import Taps
    from transferkit.estimators._targets import Targets
    from transferkit.estimators._tuned import FineTuning, Tuned, TunedLook
    from transferkit.estimators.classifier import Classifier
    from transferkit.estimators.image_regressor import ImageRegressor
    from transferkit.estimators.keypoint_regressor import KeypointRegressor
    from transferkit.estimators.refinement import frames_moved_by, has_place
    from transferkit.estimators.saved_model import SavedModel, load_without_estimator

__all__ = [
    "Classifier",
    "ExtractorOwner",
    "FineTuning",
    "HeldOutImages",
    "ImageEstimator",
    "ImageRegressor",
    "KeypointRegressor",
    "LayerTrial",
    "Round",
    "SavedModel",
    "Taps",
    "Targets",
    "Tuned",
    "TunedLook",
    "all_or_nothing",
    "as_seed",
    "content_keys",
    "frames_moved_by",
    "has_place",
    "hold_out_images",
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
        "FineTuning": "_tuned",
        "HeldOutImages": "_hold_out",
        "ImageEstimator": "_base",
        "ImageRegressor": "image_regressor",
        "KeypointRegressor": "keypoint_regressor",
        "LayerTrial": "_records",
        "Round": "_records",
        "SavedModel": "saved_model",
        "Taps": "_taps",
        "Targets": "_targets",
        "Tuned": "_tuned",
        "TunedLook": "_tuned",
        "all_or_nothing": "_fitting",
        "as_seed": "_splitting",
        "content_keys": "_copies",
        "frames_moved_by": "refinement",
        "has_place": "refinement",
        "hold_out_images": "_hold_out",
        "known_contents": "_copies",
        "load_without_estimator": "saved_model",
        "not_fitted": "_fitted",
        "say_left_out": "_scoring",
        "snapshot": "_fitting",
        "warn_if_trained_on": "_copies",
    },
)

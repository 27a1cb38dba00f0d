"""A saved model that predicts without its estimator and scikit-learn, which takes a second to import."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit import images
from transferkit.decisions import rebuild_held_out, rebuild_novelty
from transferkit.errors import TransferKitError
from transferkit.estimators._expected_error import rebuild_expected_error
from transferkit.estimators._novelty import novelty_of
from transferkit.estimators._points import predict_points
from transferkit.estimators._subjects import extract_subjects
from transferkit.estimators._training_record import rebuild_training
from transferkit.estimators._tuned import rebuild_fine_tuning
from transferkit.estimators._unknown import check_unknown, with_unknown
from transferkit.estimators.predictor import Predictor
from transferkit.estimators.refinement import rebuild_refinement, rebuild_wide_look
from transferkit.extraction import Extraction, Features
from transferkit.foundation.scratch import memory_limit
from transferkit.keypoints import checked_pairs
from transferkit.persistence import SavedParts, read_parts, weights_of_closer_look
from transferkit.tasks import Points
from transferkit.views import with_pairs

_IMAGES = (
    "augment",
    "backbone",
    "extractor",
    "grid",
    "head",
    "image_size",
    "layers",
    "random_state",
    "weights",
)
# Parameters and kinds of task of each estimator; a test compares these with the classes.
ESTIMATORS = {
    "Classifier": ((*_IMAGES, "class_weight", "threshold", "calibrate"), frozenset({"classes", "labels"})),
    "ImageRegressor": (_IMAGES, frozenset({"values"})),
    "KeypointRegressor": ((*_IMAGES, "mirror_pairs", "refine"), frozenset({"points", "values"})),
}


@dataclass(frozen=True)
class SavedModel:
    """The part of a fitted estimator that predicts; attributes and methods are those of the estimators.

    Parameters
    ----------
    predictor : Predictor
        A predictor on images.
    """

    predictor: Predictor

    def kind_for(self, y: Any) -> str:
        """Return the kind of task, whatever ``y`` is."""
        return self.predictor.task.kind

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels, sorted."""
        labels: NDArray[Any] = self._task.labels
        return labels

    @property
    def thresholds_(self) -> NDArray[np.float64]:
        """Probability above which each label is predicted, with several labels per image."""
        chosen = self._task.thresholds
        return np.full(len(self._task.labels), 0.5) if chosen is None else chosen

    @property
    def n_points_(self) -> int:
        """Number of points."""
        return self.n_outputs_ // 2

    @property
    def n_outputs_(self) -> int:
        """How many numbers are predicted per image."""
        return int(self._task.n_outputs)

    @property
    def output_names_(self) -> tuple[str, ...] | None:
        """Names of the numbers, if they have any."""
        names: tuple[str, ...] | None = self._task.names
        return names

    @property
    def boxed_(self) -> bool:
        """Whether ``predict`` needs boxes."""
        return bool(getattr(self._task, "boxed", False))

    def extract(self, X: Any, boxes: Any = None, *, on_error: str = "raise") -> Features:
        """Return the features that this model predicts from, as the estimators do."""
        items = images.readable_again(images.as_image_list(X))
        return extract_subjects(self.predictor, items, boxes, on_error=on_error)[1]

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class (n, n_classes)."""
        chances: NDArray[np.float64] = self._task.probabilities(self._outputs(X))
        return chances

    def novelty(self, X: Any) -> NDArray[np.float64]:
        """Return how different each image is from the training images, as the estimators do."""
        with memory_limit(self._limit):
            return novelty_of(self.predictor, self.extract(X))

    def predict(
        self,
        X: Any,
        boxes: Any = None,
        *,
        return_error: bool = False,
        unknown_label: Any = None,
        max_novelty: float | None = None,
    ) -> Any:
        """Return the prediction for each image, as the estimators do.

        ``boxes`` and ``return_error`` are for keypoints, ``unknown_label`` for classes.
        """
        if isinstance(self._task, Points):
            return predict_points(
                self.predictor,
                X,
                boxes,
                return_error=return_error,
                max_novelty=max_novelty,
                limit=self._limit,
            )
        least = check_unknown(self._task, unknown_label, max_novelty)
        features = self.extract(X)
        with memory_limit(self._limit):
            answers = self._task.decode(self.predictor.outputs(features))
            if least is None:
                return answers
            return with_unknown(answers, novelty_of(self.predictor, features) > least, unknown_label)

    @property
    def _task(self) -> Any:
        return self.predictor.task

    @property
    def _limit(self) -> float | None:
        limit: float | None = self.predictor.extractor.settings().memory_limit
        return limit

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        features = self.extract(X)
        with memory_limit(self._limit):
            return self.predictor.outputs(features)


def load_without_estimator(path: str | os.PathLike[str]) -> SavedModel | None:
    """Return a saved model of images; None if :func:`transferkit.load` must be used.

    That is the case for anything else and for damaged models, for which ``load`` raises the error.
    """
    try:
        return _model(read_parts(path, ESTIMATORS))
    except (TransferKitError, OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None


def _model(saved: SavedParts) -> SavedModel:
    def extraction(layers: Any, grid: Any, **weights: Any) -> Extraction:
        made = Extraction(**(saved.extraction | {"layers": layers, "grid": grid} | weights))
        made.settle(saved.ranges)
        return made

    learned = saved.parts
    whole = extraction(saved.extraction["layers"], saved.extraction["grid"])
    saved.check(whole.describe())
    extras = learned.extras
    novelty = rebuild_novelty(*extras["novelty"]) if "novelty" in extras else None
    predictor = Predictor(
        whole, learned.views, learned.fitted, learned.task, learned.head.half, novelty=novelty
    )
    if "held_out" in extras:  # not needed to predict, but if it is invalid, ``load`` must raise the error
        rebuild_held_out(*extras["held_out"], learned.task)
    if "training" in extras:
        rebuild_training(*extras["training"], learned.task)
    if "fine_tuning" in extras:
        rebuild_fine_tuning(*extras["fine_tuning"])
    if not isinstance(learned.task, Points):
        if learned.rounds or {"expected_error", "wide_look"} & set(extras):
            raise ValueError("a closer look at answers that are no points")
        return SavedModel(predictor)
    n_points = learned.task.n_points
    pairs = checked_pairs(saved.parameters.get("mirror_pairs"), n_points)
    closer = weights_of_closer_look(extras)
    close = extraction if closer is None else partial(extraction, weights=closer)
    rounds = [rebuild_refinement(*round, close, n_points, pairs) for round in learned.rounds]
    error = (
        rebuild_expected_error(*extras["expected_error"], n_points) if "expected_error" in extras else None
    )
    views = with_pairs(learned.views, pairs)
    wide = rebuild_wide_look(*extras["wide_look"], views, learned.task) if "wide_look" in extras else None
    return SavedModel(
        replace(predictor, views=views, wide_look=wide, refinements=tuple(rounds), expected_error=error),
    )

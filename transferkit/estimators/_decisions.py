"""Decisions of a fitted classifier: thresholds, and prediction sets with guaranteed coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from transferkit.decisions import HeldOut, Threshold, choose_threshold, class_sets
from transferkit.errors import InvalidInputError
from transferkit.estimators._fitted import FittedEstimator
from transferkit.estimators._fitting import snapshot
from transferkit.foundation.arguments import check, flag, is_number
from transferkit.tasks import HALF, Classes, class_threshold, given_thresholds, threshold_problems

_Self = TypeVar("_Self", bound="Decisions")


class Decisions(FittedEstimator):
    """The part of a classifier that rests on held-out predictions."""

    threshold: Any

    @property
    def held_out_(self) -> HeldOut | None:
        """Logits of training images by models that had not seen them; None where no image was held out."""
        found: HeldOut | None = self._fitted().held_out
        return found

    def threshold_for(
        self,
        label: Any = None,
        *,
        sensitivity: float | None = None,
        specificity: float | None = None,
        costs: tuple[float, float] | None = None,
    ) -> Threshold:
        """Return the threshold for a label that meets a target; the model is not changed.

        Pass exactly one of ``sensitivity``, ``specificity`` and ``costs``.

        Parameters
        ----------
        label : label, optional
            The positive label; by default the second of two classes.
        sensitivity : float, optional
            Share of the images with the label for which it should be predicted, in (0, 1).
        specificity : float, optional
            Share of the images without the label for which it should not be predicted, in (0, 1).
        costs : (float, float), optional
            Cost of a false negative (the label is missed) and of a false positive. The threshold with the
            least expected cost is the second over the sum of both, if the label is as frequent as among the
            held-out images (by ``sample_weight``, not ``class_weight``).

        Returns
        -------
        Threshold
            ``.value``, and sensitivity, specificity and precision on held-out training images, with
            confidence intervals. Pass it to :meth:`with_threshold`.

        Raises
        ------
        NotFittedError
        InvalidInputError
            Not exactly one target is given, the label is unknown, no training image was held out, or too few
            were held out for the target.

        Notes
        -----
        The sensitivity is guaranteed for a new image with the label, not just for the images that the
        threshold was chosen on: of n held-out images with the label, at most
        ``n - ceil((n + 1) * sensitivity)`` may be below the threshold. So 0.95 needs at least 19 of them. If
        ``fit`` had groups, n is the number of groups; copies of an image form a group, too. The guarantee
        holds for images that resemble the training images.
        """
        task: Any = self._fitted().task
        return choose_threshold(
            self._held_out("threshold_for"),
            task,
            label,
            sensitivity=sensitivity,
            specificity=specificity,
            costs=costs,
        )

    def with_threshold(self: _Self, threshold: Threshold | float | Mapping[Any, float]) -> _Self:
        """Return a fitted copy that predicts with another threshold; probabilities do not change.

        With several labels per image, labels missing from a dictionary or a ``Threshold`` keep their
        threshold.

        Parameters
        ----------
        threshold : Threshold, float, or dict from label to float
            As the constructor's ``threshold``, without "f1" and "balanced_accuracy". A dictionary has
            a single key with one label per image, and any number of keys with several.

        Returns
        -------
        Classifier
            A copy that shares everything learned with this one. ``save`` keeps the threshold.

        Raises
        ------
        NotFittedError
        InvalidInputError
            The threshold is not in (0, 1), or the label is unknown.
        """
        predictor = self._fitted()
        task: Any = predictor.task
        given = {threshold.label: threshold.value} if isinstance(threshold, Threshold) else threshold
        if isinstance(given, str):
            raise InvalidInputError(
                f"threshold must be a number, a dictionary, or what threshold_for returns. Got {given!r}: "
                "pass that to the constructor."
            )
        one_each = isinstance(task, Classes)
        check(threshold_problems(given, task.labels.tolist(), one_each=one_each))
        if one_each:
            task = replace(task, threshold=class_threshold(given, task.labels))
        else:
            if isinstance(given, Mapping):
                kept = np.full(len(task.labels), HALF) if task.thresholds is None else task.thresholds
                given = {**dict(zip(task.labels.tolist(), kept.tolist(), strict=True)), **given}
            task = replace(task, thresholds=given_thresholds(given, task.labels))
        copy = snapshot(self)
        copy.threshold = given
        copy._parameters_ = {**self._parameters_, "threshold": given}
        copy.predictor_ = replace(predictor, task=task)
        return copy

    def predict_set(self, X: Any, *, coverage: float = 0.9, by_class: bool = False) -> NDArray[np.bool_]:
        """Return a set of classes for each image that contains the right one with a given probability.

        Parameters
        ----------
        X : image or sequence of images
        coverage : float, default=0.9
            Share of images whose set should contain the right class, in (0, 1). It holds on average over
            images that resemble the training images.
        by_class : bool, default=False
            Guarantee the coverage for each class, not only on average over all images. Sets are larger.

        Returns
        -------
        ndarray of bool, shape (n, n_classes)
            Columns in the order of ``classes_``; True for classes in the set. The most probable class is
            always in it. If too few images were held out to guarantee the coverage, every class is.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            ``coverage`` is not in (0, 1), images have several labels, or no training image was held out.

        Notes
        -----
        Conformal prediction from the probability of the right class of held-out training images (Sadinle et
        al. 2019). Each of these was predicted by a model trained on slightly fewer images than this one.
        """
        problems = flag("by_class", by_class)
        if not (is_number(coverage, above=0) and coverage < 1):
            problems.append(f"coverage must be above 0 and below 1, such as 0.9. Got {coverage!r}.")
        check(problems)
        predictor = self._fitted()
        task = predictor.task
        if not isinstance(task, Classes):
            raise InvalidInputError(
                "predict_set is for one label for each image. This model has several: see predict_proba."
            )
        held_out = self._held_out("predict_set")
        probabilities = task.probabilities(self._outputs(predictor, X))
        return class_sets(probabilities, held_out, task, float(coverage), by_class=by_class)

    def _held_out(self, what: str) -> HeldOut:
        """Return the held-out predictions; raise if there are none."""
        held_out = self.held_out_
        if held_out is None or not len(held_out):
            raise InvalidInputError(
                f"{what} needs answers to training images by models that had not seen them, and there are "
                "none: of a network with validation_data, one saved by an earlier version, or trained on "
                "too few images to hold any out. Train again, with head='linear' or without validation_data."
            )
        return held_out

"""What a fitted classifier offers to whoever acts on its answers: thresholds, and sets with a promise."""

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
    """The part of a classifier that needs answers to images which models had not seen."""

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
        """Return the probability above which a label should be predicted for a purpose; nothing is changed.

        Parameters
        ----------
        label : label, optional
            The one that is looked for; by default the second of two classes.
        sensitivity : float, optional
            Share of images with the label that shall be given it, in (0, 1).
        specificity : float, optional
            Share of the others that shall not be given it, in (0, 1).
        costs : (float, float), optional
            Cost of missing an image with the label, and of giving the label to another. Where the label is as
            frequent as among the held-out images (by ``sample_weight``, not ``class_weight``), the least
            cost is expected at a probability of the second over the sum of both.

        Returns
        -------
        Threshold
            ``.value``, and sensitivity, specificity and precision on held-out training images, with
            intervals. For :meth:`with_threshold`.

        Raises
        ------
        NotFittedError
        InvalidInputError
            Not one purpose is given, the label is unknown, no training image was held out, or there are too
            few for what is asked.

        Notes
        -----
        A sensitivity is promised for the next image with the label, not for those that the threshold was
        chosen on: of n held-out images with it, ``n - ceil((n + 1) * sensitivity)`` may be below. So 19 are
        needed for 0.95. Where ``fit`` had groups, n are groups, each of which counts as one, and so do copies
        of an image. The promise is for images like those to train on.
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
        """Return a fitted copy that predicts with another threshold; probabilities are the same.

        Of several labels, those that a dictionary or a ``Threshold`` leaves out keep theirs.

        Parameters
        ----------
        threshold : Threshold, float, or dict from label to float
            As the parameter of the same name. One label of several classes, or labels where images may have
            several.

        Returns
        -------
        Classifier
            It shares all that was learned with this one. ``save`` keeps the threshold.

        Raises
        ------
        NotFittedError
        InvalidInputError
            The threshold is no number in (0, 1), or the label unknown.
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
        """Return which classes each image may be of: the right one is among them as often as promised.

        Parameters
        ----------
        X : image or sequence of images
        coverage : float, default=0.9
            Share of images whose right class shall be in their set, in (0, 1): of images like those to train
            on, over all of them.
        by_class : bool, default=False
            Keep the promise for the images of each class, not only for all together. Sets are larger.

        Returns
        -------
        ndarray of bool, shape (n, n_classes)
            In the order of ``classes_``. The most probable class is always in the set; where so much cannot
            be promised from so few held-out images, every class is.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            ``coverage`` is not in (0, 1), images have several labels, or no training image was held out.

        Notes
        -----
        Conformal prediction by the probability of the right class of held-out training images (Sadinle et al.
        2019). Each of them was judged by a model that had seen a little less than this one.
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
        """Return the held-out answers; raise where there are none."""
        held_out = self.held_out_
        if held_out is None or not len(held_out):
            raise InvalidInputError(
                f"{what} needs answers to training images by models that had not seen them, and there are "
                "none: of a network with validation_data, one saved by an earlier version, or trained on "
                "too few images to hold any out. Train again, with head='linear' or without validation_data."
            )
        return held_out

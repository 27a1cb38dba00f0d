"""The meaning of ``y`` for a classifier: one label per image, or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._targets import Targets
from transferkit.estimators._training_set import Rows, TrainingSet
from transferkit.foundation.arguments import choice
from transferkit.heads import CALIBRATIONS, Head, get_head
from transferkit.tasks import (
    Classes,
    Labels,
    as_label_sets,
    as_labels,
    best_thresholds,
    check_classes,
    check_label_sets,
    class_threshold,
    class_weight_problems,
    class_weights,
    dense_labels,
    given_thresholds,
    is_criterion,
    is_label_sets,
    label_set_problems,
    label_sets_like,
    label_weights,
    labels_among,
    threshold_problems,
    warn_if_one_hot,
)


@dataclass(frozen=True)
class ClassTargets(Targets):
    """Classes, with the parameters of a classifier that concern them.

    Parameters
    ----------
    head : str or Head
    class_weight, threshold, calibrate
        As given to the classifier; ``problems`` checks them.
    """

    head: str | Head
    class_weight: Mapping[Any, float] | str | None
    threshold: float | Mapping[Any, float] | str
    calibrate: str | None

    def read(self, y: Any, problems: list[str], name: str = "y") -> NDArray[Any]:
        """Return labels (n,), or 0 and 1 (n, n_labels) if images may have several."""
        y = dense_labels(y)
        if not is_label_sets(y):
            return as_labels(y, problems, name)
        indicator, names = as_label_sets(y, problems, name)
        problems += [] if problems else label_set_problems(indicator, names.tolist())
        return indicator

    def problems(self, y: Any, targets: NDArray[Any]) -> list[str]:
        """Return problems of the parameters for these classes."""
        several = targets.ndim == 2
        names = (as_label_sets(y, []).names if several else np.unique(targets)).tolist()
        problems = class_weight_problems(self.class_weight, names)
        problems += threshold_problems(self.threshold, names, one_each=not several)
        problems += choice("calibrate", self.calibrate, CALIBRATIONS, or_none=True)
        head = get_head(self.head)
        if several and Labels.kind not in head.kinds:
            problems.append(
                f"head={self.head!r} does not learn several labels for each image. Choose another."
            )
        elif several and self.class_weight is not None and not getattr(head, "weighs_labels", False):
            problems.append(
                f"class_weight must be None with head={self.head!r} and several labels for each image: this "
                f"head cannot weigh labels. Got {self.class_weight!r}. Leave it out, or choose another head."
            )
        return problems

    def make_task(self, y: Any, targets: NDArray[Any], features: AnyFeatures, rows: Rows) -> Classes | Labels:
        """Return the task with the classes, or labels, of the training rows."""
        labels = targets[rows]
        if targets.ndim == 2:
            names = as_label_sets(y, []).names
            check_label_sets(labels, names)
            warn_if_one_hot(labels)
            return Labels(names)
        classes = np.unique(labels)
        check_classes(classes, targets, len(labels))
        return Classes(classes)

    def read_validation(self, y: Any, task: Any, name: str) -> NDArray[Any]:
        """Return labels, which must be among those of the training images."""
        like = label_sets_like if isinstance(task, Labels) else labels_among
        return like(y, task.labels, name)

    def weights(self, targets: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of each training row, including that of its class."""
        if targets.ndim == 2 or self.class_weight is None:
            return weight
        return class_weights(self.class_weight, targets, weight)

    def label_weight(
        self, task: Any, targets: NDArray[Any], weight: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return the weight of each row for each of several labels."""
        if self.class_weight is None or not isinstance(task, Labels):
            return None
        return label_weights(self.class_weight, task.labels, targets, weight)

    def with_threshold(
        self,
        task: Any,
        data: TrainingSet,
        sample_weight: NDArray[np.float64],
        unseen: Callable[[], NDArray[np.float64]],
    ) -> Classes | Labels:
        """Return the task with its thresholds.

        Parameters
        ----------
        task : Classes or Labels
        data : TrainingSet
        sample_weight : ndarray of float64, shape (n,)
            Weights of its rows for the criterion; these do not include class weights.
        unseen : callable
            Returns held-out outputs for these rows; called only if thresholds are chosen.
        """
        several = isinstance(task, Labels)
        if not is_criterion(self.threshold):
            if not several:
                return replace(task, threshold=class_threshold(self.threshold, task.labels))
            given = given_thresholds(self.threshold, task.labels)
            return task if (given == 0.5).all() else replace(task, thresholds=given)
        chances, indicator = task.probabilities(unseen()), data.targets[0]
        if not several:
            chances, indicator = chances[:, 1:], indicator[:, None]
        chosen = best_thresholds(chances, indicator, sample_weight, str(self.threshold))
        if not several:
            return replace(task, threshold=(1, float(chosen[0])))
        return replace(task, thresholds=chosen)

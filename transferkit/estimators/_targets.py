"""The meaning of ``y`` for an estimator: how it is checked, which task it defines, and how it is encoded."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._training_set import Rows
from transferkit.tasks import Task, Values, as_values, check_enough, check_values, column_names, values_like
from transferkit.views import AnyView


class Targets:
    """The targets of an estimator; subclasses define the meaning of ``y``.

    Attributes
    ----------
    unit : str
        What ``y`` has one of for each image, for error messages.
    calibrate : str or None
        How the head calibrates probabilities; None for no calibration.
    """

    unit: ClassVar[str] = "label"
    calibrate: str | None = None

    def read(self, y: Any, problems: list[str], name: str = "y") -> NDArray[Any]:
        """Return checked targets, one for each image; add any problems to the list."""
        raise NotImplementedError

    def problems(self, y: Any, targets: NDArray[Any]) -> list[str]:
        """Return other problems of the targets of all images."""
        return []

    def make_task(self, y: Any, targets: NDArray[Any], features: AnyFeatures, rows: Rows) -> Task:
        """Return the task, after checking the targets of the training rows."""
        raise NotImplementedError

    def read_validation(self, y: Any, task: Any, name: str) -> NDArray[Any]:
        """Return the targets of the user's validation data, which must fit the task."""
        raise NotImplementedError

    def check_validation(self, targets: NDArray[Any], features: AnyFeatures, rows: Rows, name: str) -> None:
        """Raise if targets of the user's validation data cannot belong to their images."""

    def encode(
        self,
        task: Any,
        targets: NDArray[Any],
        features: AnyFeatures,
        rows: Rows,
        view: AnyView,
        extractor: Any,
    ) -> NDArray[Any]:
        """Return the targets of one view, encoded for the head."""
        encoded: NDArray[Any] = task.encode(targets)
        return encoded

    def weights(self, targets: NDArray[Any], weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weight of each training row, given the user's."""
        return weight

    def label_weight(
        self, task: Task, targets: NDArray[Any], weight: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Return the weights of training rows for each of several labels; None if all are equal."""
        return None


class ValueTargets(Targets):
    """Numbers, one or several for each image."""

    unit = "number, or row of numbers"

    def read(self, y: Any, problems: list[str], name: str = "y") -> NDArray[Any]:
        """Return numbers, with NaN for missing ones."""
        return as_values(y, problems, name)

    def make_task(self, y: Any, targets: NDArray[Any], features: AnyFeatures, rows: Rows) -> Values:
        """Return the task, with the names of the columns if there are any."""
        known = targets[rows]
        check_enough(len(known))
        check_values(known, len(targets))
        return Values(int(np.prod(targets.shape[1:])), targets.ndim == 1, column_names(y))

    def read_validation(self, y: Any, task: Any, name: str) -> NDArray[Any]:
        """Return the numbers of each image, as many as training images have."""
        return values_like(y, task, name)

    def check_validation(self, targets: NDArray[Any], features: AnyFeatures, rows: Rows, name: str) -> None:
        """Check that there is a number to compare with."""
        if not np.isfinite(targets[rows]).any():
            raise InvalidInputError(
                f"{name} must have a number in one image at least that can be read and has a weight. All of "
                f"{len(rows)} are missing. Pass some, or leave validation_data out."
            )

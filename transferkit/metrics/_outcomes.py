"""True and predicted labels, validated and encoded as class positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import check
from transferkit.tasks import as_labels

Floats = npt.NDArray[np.float64]
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Outcomes:
    """True and predicted classes of n images.

    Attributes
    ----------
    true, predicted : ndarray of int, shape (n,)
        Positions in ``classes``.
    probabilities : ndarray, shape (n, k), or None
    classes : ndarray, shape (k,)
    positive : int or None
        Position of the positive class; None for more than two classes.
    """

    true: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    probabilities: Floats | None
    classes: npt.NDArray[Any]
    positive: int | None

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def never_predicted(self) -> list[int]:
        """Return the positions of classes that have images but were never predicted."""
        return [int(place) for place in np.setdiff1d(self.true, self.predicted)]

    def in_canonical_order(self) -> tuple[Outcomes, npt.NDArray[np.intp]]:
        """Return the rows sorted by content, and the order, so that the input order does not matter."""
        columns = [self.predicted, self.true]
        if self.probabilities is not None:
            columns = [*self.probabilities.T, *columns]
        order = np.lexsort(columns)
        chances = None if self.probabilities is None else self.probabilities[order]
        return Outcomes(self.true[order], self.predicted[order], chances, self.classes, self.positive), order


def as_outcomes(
    y_true: Any, y_pred: Any, probabilities: Any = None, *, classes: Any = None, pos_label: Any = None
) -> Outcomes:
    """Validate labels and probabilities; parameters and errors as for `classification_figures`."""
    problems: list[str] = []
    true, predicted = as_labels(y_true, problems, "y_true"), as_labels(y_pred, problems, "y_pred")
    check(problems)
    if true.shape != predicted.shape or not len(true):
        raise InvalidInputError(
            f"y_true and y_pred must have shape (n,), one label for each image, n >= 1. "
            f"Got {true.shape} and {predicted.shape}."
        )
    if classes is None and (true.dtype.kind == "U") != (predicted.dtype.kind == "U"):
        raise InvalidInputError(  # numpy would turn both into strings
            "y_true and y_pred must have labels of one type. "
            f"Got {true.tolist()[0]!r} and {predicted.tolist()[0]!r}."
        )
    known = np.asarray(np.union1d(true, predicted) if classes is None else classes)
    if len(known) < 2 or len(np.unique(known)) < len(known):
        raise InvalidInputError(
            f"There must be at least two classes, without duplicates. Got {quoted(known.tolist())}. "
            "Pass classes= with all classes of the model."
        )
    return Outcomes(
        _positions(true, known, "y_true"),
        _positions(predicted, known, "y_pred"),
        None if probabilities is None else _as_probabilities(probabilities, len(true), len(known)),
        known,
        positive_class(known, pos_label),
    )


def positive_class(classes: npt.NDArray[Any], pos_label: Any) -> int | None:
    """Return the position of the positive class, by default the second; None for more than two classes.

    Raises
    ------
    InvalidInputError
        `pos_label` is not one of the classes, or there are more than two.
    """
    names = classes.tolist()
    if len(names) > 2:
        if pos_label is not None:
            raise InvalidInputError(
                f"pos_label is for two classes. Got {pos_label!r} and {len(names)} classes. "
                "Leave it out: each class has its own figures."
            )
        return None
    if pos_label is None:
        return 1
    if np.ndim(pos_label) or pos_label not in names:
        raise InvalidInputError(f"pos_label must be {quoted(names, 'or')}. Got {pos_label!r}.")
    return names.index(pos_label)


def _positions(labels: npt.NDArray[Any], classes: npt.NDArray[Any], name: str) -> npt.NDArray[np.int64]:
    """Return the position of each label among the classes."""
    places = {label: place for place, label in enumerate(classes.tolist())}
    values = labels.tolist()
    strange = {label for label in values if label not in places}
    if strange:
        raise InvalidInputError(
            f"{name} has labels that are not in classes: {quoted(sorted(strange, key=str))}. "
            f"The classes are {quoted(classes.tolist())}."
        )
    return np.array([places[label] for label in values], dtype=np.int64)


def _as_probabilities(probabilities: Any, n: int, n_classes: int) -> Floats:
    """Return validated probabilities as float64."""
    try:
        values = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"probabilities must be numbers of shape {(n, n_classes)}: {error}. "
            "Pass what predict_proba returns."
        ) from error
    if values.shape != (n, n_classes):
        raise InvalidInputError(
            f"probabilities must have shape {(n, n_classes)}, one column for each class. Got {values.shape}."
        )
    sums = values.sum(axis=1, keepdims=True)
    if not (np.isfinite(values).all() and (values >= 0).all() and (abs(sums - 1) < _SUM_TOLERANCE).all()):
        raise InvalidInputError(
            "probabilities must be in 0..1 and sum to 1 in each row. "
            f"Got values from {values.min():.4g} to {values.max():.4g} and sums from {sums.min():.4g} to "
            f"{sums.max():.4g}. Pass what predict_proba returns."
        )
    return values  # not renormalised: rounding would break ties

"""Kinds of tasks for evaluations: how targets are read, and which figures are computed.

``evaluate`` and ``compare`` look up the ``kind`` of an estimator here. To add one, write a file like
``keypoints.py`` and add a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, gather, quoted
from transferkit.estimators import Classifier, ImageEstimator
from transferkit.evaluation.classification import ClassificationEvaluation
from transferkit.evaluation.keypoints import KeypointEvaluation, default_normalizer
from transferkit.evaluation.labels import LabelEvaluation
from transferkit.evaluation.values import ValueEvaluation
from transferkit.foundation import arguments
from transferkit.keypoints import as_points
from transferkit.metrics import (
    CLASSIFICATION_FIGURES,
    KEYPOINT_FIGURES,
    LABEL_FIGURES,
    VALUE_FIGURES,
    check_confidence,
    check_limit,
    normalized_mean_error,
    positive_class,
)
from transferkit.tasks import as_label_sets, as_labels, as_values, is_label_sets

Targets = npt.NDArray[Any]
Evaluation = ClassificationEvaluation | KeypointEvaluation | LabelEvaluation | ValueEvaluation
Predicted = tuple[Targets, npt.NDArray[np.float64] | None]


@dataclass(frozen=True)
class Kind:
    """One kind of task.

    Attributes
    ----------
    unit : str
        What y has one of for each image, for messages.
    figures : sequence of str
        Names of the figures; the first one is the default to sort by.
    read : callable
        Maps ``y``, a list of problems, and the classes of a fitted model (or None) to targets.
    options : mapping of str to callable
        Options of ``evaluate`` for this kind; each callable checks a value, given the truth.
    predict : callable
        Maps an estimator and items (for points, also options of ``predict``) to predictions, and to
        probabilities or expected errors, or None.
    evaluation : callable
        Maps targets, predictions, probabilities and classes to an evaluation.
    """

    unit: str
    figures: tuple[str, ...]
    read: Callable[[Any, list[str], Any], Targets]
    options: Mapping[str, Callable[[Targets, Any], Any]]
    predict: Callable[..., Predicted]
    evaluation: Callable[..., Evaluation]


def kind_of(estimator: Any, y: Any = None) -> str:
    """Return the kind of an estimator.

    A search or a pipeline has the kind of the estimator of ours inside it. Any other regressor is assumed to
    predict points, unless ``y`` has one number per image, or an odd number of them.
    """
    from sklearn.base import is_classifier

    if not isinstance(estimator, ImageEstimator) and not is_classifier(estimator):
        estimator = _innermost(estimator)
    if isinstance(estimator, ImageEstimator):
        if estimator.kind not in KINDS:
            raise InvalidInputError(
                f"evaluate and compare know tasks of kind {quoted(sorted(KINDS), 'or')}. Got "
                f"{type(estimator).__name__}, whose kind is {estimator.kind!r}. "
                "Use the metrics of scikit-learn."
            )
        return estimator.kind_for(y)
    if is_classifier(estimator):
        return "labels" if is_label_sets(y) else "classes"
    return "points" if _may_be_points(y) else "values"


def _innermost(estimator: Any) -> Any:
    """Return the estimator of ours inside a search, a pipeline or the like; else the estimator itself."""
    inner = estimator
    while inner is not None and not isinstance(inner, ImageEstimator):
        steps = getattr(inner, "steps", None)
        names = ("best_estimator_", "estimator", "regressor")
        inner = (
            steps[-1][1]
            if steps
            else next((getattr(inner, name) for name in names if hasattr(inner, name)), None)
        )
    return estimator if inner is None else inner


def _may_be_points(y: Any) -> bool:
    """Return True unless there is one number per image, or an odd number of them."""
    try:
        shape = np.shape(y)
    except ValueError:  # of lists of several lengths
        return True
    return len(shape) > 2 or (len(shape) == 2 and shape[1] % 2 == 0)


def check_options(kind: str, truth: Targets, confidence: float, limit: float, **options: Any) -> None:
    """Raise errors of options now instead of after the prediction.

    ``truth`` are the classes, or the true points.
    """
    problems: list[str] = []
    gather(problems, lambda: check_confidence(confidence))
    gather(problems, lambda: check_limit(limit))
    for name, value in options.items():
        if name in KINDS[kind].options:
            gather(problems, lambda: KINDS[kind].options[name](truth, value))  # noqa: B023 - called at once
        elif value is not None:
            problems.append(f"{name} is for {_OWNERS[name]}. Got {value!r} and a {_NOUNS.get(kind, kind)}.")
    arguments.check(problems)


def predict_classes(estimator: Any, items: Any) -> Predicted:
    """Return labels, and probabilities if the model has them; in a single pass for a model of ours."""
    if isinstance(estimator, Classifier):
        return _answers(estimator, items)
    has_chances = hasattr(estimator, "predict_proba")
    return np.asarray(estimator.predict(items)), estimator.predict_proba(items) if has_chances else None


def _predict_points(estimator: Any, items: Any, **options: Any) -> Predicted:
    """Return points, and with ``return_error`` the error to expect of each."""
    found = estimator.predict(items, **options)
    points, expected = found if options.get("return_error") else (found, None)
    return as_points(points, name="the prediction"), expected


def _predict_labels(estimator: Any, items: Any) -> Predicted:
    """Return 0 or 1 for each label, and probabilities if the model has one for each label."""
    if isinstance(estimator, Classifier):
        return _answers(estimator, items)
    found = estimator.predict(items)
    found = np.asarray(found.toarray() if hasattr(found, "toarray") else found)
    chances = estimator.predict_proba(items) if hasattr(estimator, "predict_proba") else None
    if isinstance(chances, list):  # one array (n, 2) per label, as from scikit-learn's trees
        pairs = zip(chances, estimator.classes_, strict=True)
        chances = np.column_stack([_of_present(one, list(classes)) for one, classes in pairs])
    return found, chances if getattr(chances, "shape", None) == found.shape else None


def _answers(estimator: Classifier, items: Any) -> Predicted:
    """Return the results of ``predict`` and ``predict_proba``, in a single pass."""
    task, outputs = estimator._answer(items)
    return task.decode(outputs), task.probabilities(outputs)


def _of_present(chances: npt.NDArray[np.float64], classes: list[Any]) -> npt.NDArray[np.float64]:
    """Return the probability of 1 (n,), also if only 0 or only 1 occurred in training."""
    return chances[:, classes.index(1)] if 1 in classes else np.zeros(len(chances))


def known_classes(estimator: Any, kind: str) -> Any:
    """Return the classes or labels of a fitted model; positions if it does not know the names of labels."""
    if kind not in ("classes", "labels"):
        return None
    classes = getattr(estimator, "classes_", None)
    return np.arange(len(classes)) if kind == "labels" and isinstance(classes, list) else classes


def position_problems(estimator: Any, y: Any, classes: Any) -> list[str]:
    """Return a problem if columns of y have the numbers of labels, in an order that may not be that of fit.

    Classifiers of other libraries know labels by their position in the y of fit, whatever the columns say.
    """
    columns = None if isinstance(estimator, ImageEstimator) else getattr(y, "columns", None)
    positions = np.arange(0 if columns is None else len(columns)).tolist()
    names = positions if columns is None else list(columns)
    if names == positions or set(names) != set(positions) or list(classes) != positions:
        return []
    return [
        f"y must have its columns in the order of the y of fit, as a {type(estimator).__name__} may know "
        f"labels by position. Got {quoted(names)}. If they are in that order, pass y.to_numpy()."
    ]


def _predict_values(estimator: Any, items: Any) -> Predicted:
    return np.asarray(estimator.predict(items)), None


def _evaluate_values(truth: Targets, predicted: Targets, *_: None, **options: Any) -> ValueEvaluation:
    return ValueEvaluation(truth, predicted, **options)


def _evaluate_points(
    truth: Targets, predicted: Targets, expected: Any, *_: None, **options: Any
) -> KeypointEvaluation:
    return KeypointEvaluation(truth, predicted, expected_error=expected, **options)


def _check_normalizer(truth: Targets, normalizer: Any) -> None:
    scale = default_normalizer(truth.shape[1]) if normalizer is None else normalizer
    normalized_mean_error(truth, truth, normalizer=scale)


KINDS = {
    "classes": Kind(
        "label",
        CLASSIFICATION_FIGURES,
        lambda y, problems, _: as_labels(y, problems),
        {"pos_label": positive_class},
        predict_classes,
        ClassificationEvaluation,
    ),
    "points": Kind(
        "set of keypoints",
        KEYPOINT_FIGURES,
        lambda y, problems, _: as_points(y, name="y"),
        {"normalizer": _check_normalizer},
        _predict_points,
        _evaluate_points,
    ),
    "labels": Kind(
        "set of labels",
        LABEL_FIGURES,
        lambda y, problems, classes: as_label_sets(y, problems, known=classes).indicator,
        {},
        _predict_labels,
        LabelEvaluation,
    ),
    "values": Kind(
        "number, or row of numbers",
        VALUE_FIGURES,
        lambda y, problems, _: as_values(y, problems),
        {},
        _predict_values,
        _evaluate_values,
    ),
}
_OWNERS = {"pos_label": "classifiers", "normalizer": "keypoints"}
_NOUNS = {
    "classes": "classifier",
    "labels": "classifier of several labels",
    "points": "regressor",
    "values": "regressor of numbers",
}


def own_options(kind: str, limit: float, **options: Any) -> dict[str, Any]:
    """Return the options that apply to this kind."""
    own = {name: value for name, value in options.items() if name in KINDS[kind].options}
    return own | ({"limit": limit} if kind == "points" else {})


def check_kind(estimator: Any) -> None:
    """Raise unless an object is a classifier or a regressor of scikit-learn's kind."""
    from sklearn.base import is_classifier, is_regressor

    if not hasattr(estimator, "predict") or not (is_classifier(estimator) or is_regressor(estimator)):
        raise InvalidInputError(
            "estimator must be a fitted Classifier, KeypointRegressor, ImageRegressor, or another classifier "
            f"or regressor of scikit-learn's kind. Got {type(estimator).__name__}."
        )

"""From a fitted model, images and what is known of them to an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, gather, quoted
from transferkit.estimators._base import ImageEstimator, check_lengths
from transferkit.estimators.refinement._refinement import readable_again
from transferkit.evaluation._names import image_names
from transferkit.evaluation.classification import ClassificationEvaluation
from transferkit.evaluation.keypoints import KeypointEvaluation, default_normalizer
from transferkit.extraction import Failure
from transferkit.foundation import arguments as checks
from transferkit.foundation.arguments import choice
from transferkit.images import as_image_list
from transferkit.keypoints import as_points
from transferkit.metrics import check_confidence, check_limit, normalized_mean_error
from transferkit.metrics._outcomes import positive_class
from transferkit.tasks._groups import as_groups
from transferkit.tasks._labels import as_labels

__all__ = ["evaluate"]


def evaluate(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    pos_label: Any = None,
    normalizer: str | float | None = None,
    limit: float = 0.08,
    groups: Any = None,
    on_error: str = "raise",
    confidence: float = 0.95,
    seed: int = 0,
) -> ClassificationEvaluation | KeypointEvaluation:
    """Return how good a fitted model is on images that it has not seen, with intervals.

    Parameters
    ----------
    estimator : Classifier, KeypointRegressor or another fitted classifier or regressor
        With the methods of scikit-learn; AUC, log loss and Brier score need ``predict_proba``.
    X : image or sequence of images, or features
        Whatever its ``predict`` takes.
    y : array-like, shape (n,), or (n, 2 k) or (n, k, 2)
        Labels, or keypoints in pixels of each original image; of one image its label or points will do.
    pos_label : label, optional
        The positive class of two; by default the second of ``classes_``. The table says which it is.
    normalizer : str or float, optional
        What errors of keypoints are divided by, see `transferkit.metrics.normalized_mean_error`; by default
        ``"outer_eye_corners"`` for 68 points, else ``"box_size"``. The table says which it is. One point has
        no size of its own and needs a number of pixels, such as 100.0.
    limit : float, default=0.08
        Above which error keypoints count as not found.
    groups : array-like, shape (n,), optional
        Images of one group, such as one person, are not independent: intervals then come from
        drawing whole groups.
    on_error : {"raise", "skip"}, default="raise"
        What to do with an image that cannot be read; skipped ones are listed in ``.skipped``, counted in
        the table, and in no figure.
    confidence : float, default=0.95
    seed : int, default=0
        Of the bootstrap.

    Returns
    -------
    ClassificationEvaluation or KeypointEvaluation
        Print it; or take ``.figures``, ``.worst()``, ``.to_frame()``, ``.to_dict()``.

    Raises
    ------
    InvalidInputError
        Lengths differ, y has labels that were never trained on, or a parameter does not fit.
    NotFittedError, BadImageError

    Examples
    --------
    >>> from transferkit import Classifier, evaluate
    >>> evaluation = evaluate(clf, test_paths, test_labels)  # doctest: +SKIP
    >>> print(evaluation)                                    # doctest: +SKIP
    >>> evaluation.worst(3)                                  # doctest: +SKIP
    """
    classifies = _is_classifier(estimator)
    problems = choice("on_error", on_error, ("raise", "skip")) + checks.seed("seed", seed)
    items, names = _as_items(estimator, X)
    y = [y] if len(items) == 1 and _is_of_one(y, classifies) else y
    if classifies:
        targets = as_labels(y, problems)
        check_lengths(len(items), targets, problems)
        problems += [] if problems else _unseen(targets, estimator.classes_)
    else:
        targets = as_points(y, name="y")
        check_lengths(len(items), targets, problems, unit="set of keypoints")
    if groups is not None:
        as_groups(groups, len(items), problems)
    checks.check(problems)
    check_options(
        classifies, estimator.classes_ if classifies else targets, pos_label, normalizer, limit, confidence
    )
    rows, skipped = _readable(estimator, items, on_error)
    if len(rows) < len(items):
        items, names = [items[row] for row in rows], [names[row] for row in rows]
    common: dict[str, Any] = {
        "names": names,
        "images": items if isinstance(items, list) else None,
        "groups": None if groups is None else np.asarray(groups)[rows],
        "skipped": skipped,
        "confidence": confidence,
        "seed": seed,
    }
    if not classifies:
        predicted = as_points(estimator.predict(items), name="the prediction")
        return KeypointEvaluation(targets[rows], predicted, normalizer=normalizer, limit=limit, **common)
    predicted, probabilities = predict_classes(estimator, items)
    return ClassificationEvaluation(
        targets[rows], predicted, probabilities, estimator.classes_, pos_label=pos_label, **common
    )


def check_options(
    classifies: bool,
    truth: npt.NDArray[Any],
    pos_label: Any,
    normalizer: str | float | None,
    limit: float,
    confidence: float,
) -> None:
    """Raise what would be raised in the end, before a prediction takes its time.

    ``truth`` are the classes, or the true points.
    """
    problems: list[str] = []
    gather(problems, lambda: check_confidence(confidence))
    gather(problems, lambda: check_limit(limit))
    if classifies:
        if normalizer is not None:
            problems.append(f"normalizer is for keypoints. Got {normalizer!r} and a classifier.")
        gather(problems, lambda: positive_class(truth, pos_label))
    else:
        if pos_label is not None:
            problems.append(f"pos_label is for classifiers. Got {pos_label!r} and a regressor.")
        scale = default_normalizer(truth.shape[1]) if normalizer is None else normalizer
        gather(problems, lambda: normalized_mean_error(truth, truth, normalizer=scale))
    checks.check(problems)


def predict_classes(estimator: Any, items: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]:
    """Return labels, and probabilities where the model gives them; one pass for a model of our own."""
    if isinstance(estimator, ImageEstimator):
        chances = estimator.predict_proba(items)
        return estimator.classes_[chances.argmax(axis=1)], chances
    has_chances = hasattr(estimator, "predict_proba")
    return np.asarray(estimator.predict(items)), estimator.predict_proba(items) if has_chances else None


def _is_of_one(y: Any, classifies: bool) -> bool:
    """Say whether this is the label, or the points (2 k,) or (k, 2), of one image by itself."""
    if classifies:
        return isinstance(y, str | np.generic | int | float)
    try:
        shape = np.shape(y)
    except ValueError:  # of lists of several lengths
        return False
    return len(shape) == 1 or (len(shape) == 2 and shape[0] > 1 and shape[1] == 2)


def _is_classifier(estimator: Any) -> bool:
    """Say whether a fitted model gives classes or keypoints."""
    from sklearn.base import is_classifier, is_regressor
    from sklearn.utils.validation import check_is_fitted

    if not hasattr(estimator, "predict") or not (is_classifier(estimator) or is_regressor(estimator)):
        raise InvalidInputError(
            "estimator must be a fitted Classifier, KeypointRegressor, or another classifier or regressor of "
            f"scikit-learn's kind. Got {type(estimator).__name__}."
        )
    if isinstance(estimator, ImageEstimator):
        estimator._check_fitted()
    else:
        check_is_fitted(estimator)
    return bool(is_classifier(estimator))


def _as_items(estimator: Any, X: Any) -> tuple[Any, list[str]]:
    """Return the images as a list that can be read again, or features as they are; and their names."""
    ours = isinstance(estimator, ImageEstimator)
    if estimator.extractor_ is not None if ours else isinstance(X, list | tuple):
        items = readable_again(as_image_list(X))
        return items, image_names(items)
    return X, [f"#{i}" for i in range(len(X))]


def _unseen(labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> list[str]:
    """Say when labels were never trained on."""
    known = set(classes.tolist())
    strange = sorted({label for label in labels.tolist() if label not in known}, key=str)
    if not strange:
        return []
    count = sum(label not in known for label in labels.tolist())
    shown = quoted(strange[:10]) + (f" and {len(strange) - 10:,} more" if len(strange) > 10 else "")
    return [
        f"y has labels that the model was never trained on: {shown}, in {count} of {len(labels)} "
        f"images. It knows {quoted(classes.tolist())}. Drop those images, or train with their class."
    ]


def _readable(estimator: Any, items: Any, on_error: str) -> tuple[npt.NDArray[np.int64], Sequence[Failure]]:
    """Return the rows to evaluate, and what is wrong with the others."""
    rows = np.arange(len(items))
    if on_error == "raise":  # predict does, and names the image
        return rows, ()
    if getattr(estimator, "extractor_", None) is None:
        raise InvalidInputError(
            "on_error='skip' needs a Classifier or KeypointRegressor on images. "
            f"Got {type(estimator).__name__}. Leave it out."
        )
    features = estimator.extract(items, on_error="skip")
    return rows[features.ok], features.report.failures

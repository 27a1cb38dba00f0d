"""Evaluate a fitted model on labelled images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.datasets import labelled_images
from transferkit.errors import BadImageError, InvalidInputError, quoted
from transferkit.estimators import ImageEstimator, KeypointRegressor, say_left_out, warn_if_trained_on
from transferkit.evaluation._kinds import (
    KINDS,
    Evaluation,
    check_kind,
    check_options,
    kind_of,
    known_classes,
    own_options,
    position_problems,
)
from transferkit.evaluation._names import image_names
from transferkit.extraction import Failure, FeatureExtractor
from transferkit.foundation import arguments
from transferkit.images import Reader
from transferkit.tasks import as_groups, check_lengths, column_problems, points_like

__all__ = ["evaluate"]


def evaluate(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    pos_label: Any = None,
    normalizer: str | float | None = None,
    limit: float = 0.08,
    groups: Any = None,
    boxes: Any = None,
    return_error: bool = False,
    on_error: str | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Evaluate a fitted model on images that it has not seen, with confidence intervals.

    Parameters
    ----------
    estimator : Classifier, KeypointRegressor, ImageRegressor or another fitted classifier or regressor
        Model with scikit-learn's methods; AUC, log loss and Brier score need ``predict_proba``.
    X : image or sequence of images, or features
        Whatever ``predict`` of the estimator takes.
    y : array-like, shape (n,), or (n, 2 k) or (n, k, 2), or (n, n_outputs), optional
        Labels, keypoints in pixels of each original image, or numbers; for a single image, also just its
        label, points or number. Several labels per image are passed as for ``Classifier.fit``. By default
        the labels that X holds.
    pos_label : label, optional
        Only for two classes: the positive one, by default the second of ``classes_``. Shown in the table.
    normalizer : str or float, optional
        Only for keypoints: the distance by which errors are divided, see
        `transferkit.metrics.normalized_mean_error`; by default ``"outer_eye_corners"`` for 68 points, else
        ``"box_size"``. Shown in the table. A single point has no size, and needs a number of pixels, such as
        100.0.
    limit : float, default=0.08
        Only for keypoints: largest error of an image that is not a failure, as a fraction of the normalizer.
    groups : array-like, shape (n,), optional
        Group of each image, such as the person. Images of one group are not independent; so whole groups are
        resampled for the intervals.
    boxes : array-like, shape (n, 4), optional
        Only for a KeypointRegressor that was fitted with boxes: left, top, right and bottom edge of each
        subject, in pixels.
    return_error : bool, default=False
        Only for a KeypointRegressor: compare the expected error of each point with the actual one.
    on_error : {"raise", "skip"}, optional
        What to do with an image that cannot be read. Skipped images are listed in ``.skipped`` and in a
        logged warning, counted in the table, and left out of all metrics. By default as for ``fit`` and
        ``score``, which skip them unless the extractor of the estimator says otherwise.
    confidence : float, default=0.95
        Confidence level of the intervals.
    seed : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    ClassificationEvaluation, LabelEvaluation, KeypointEvaluation or ValueEvaluation
        Print it, or use ``.figures``, ``.worst()``, ``.to_frame()`` or ``.to_dict()``.

    Raises
    ------
    InvalidInputError
        Lengths differ, y has labels that were not in training, or a parameter cannot be used.
    NotFittedError, BadImageError

    Examples
    --------
    >>> from transferkit import Classifier, evaluate
    >>> evaluation = evaluate(clf, test_paths, test_labels)  # doctest: +SKIP
    >>> print(evaluation)                                    # doctest: +SKIP
    >>> evaluation.worst(3)                                  # doctest: +SKIP
    """
    if y is None:
        X, y = labelled_images(X)
    name = _fitted_kind(estimator, y)
    kind, classifies, ours = KINDS[name], name == "classes", _given_the_same(estimator)
    classes = known_classes(estimator, name)
    problems = arguments.choice("on_error", on_error, ("raise", "skip"), or_none=True)
    problems += arguments.seed("seed", seed)
    where = _places(estimator, boxes)
    arguments.check(arguments.flag("return_error", return_error))
    if return_error:
        _check_points(estimator, "return_error")
    items, y, names = _as_items(estimator, X, y)
    output_names = getattr(estimator, "output_names_", None) if name == "values" else None
    problems += column_problems(y, output_names, "y")
    problems += position_problems(estimator, y, classes) if name == "labels" else []
    y = [y] if len(items) == 1 and _is_of_one(y, name) else y
    targets = kind.read(y, problems, classes)
    if name == "points" and ours is not None:
        points_like(targets, ours.n_points_)
    check_lengths(len(items), targets, problems, unit=kind.unit)
    problems += _unseen(targets, classes) if classifies and not problems else []
    if groups is not None:
        as_groups(groups, len(items), problems)
    arguments.check(problems)
    options = {"pos_label": pos_label, "normalizer": normalizer}
    own = own_options(name, limit, **options)
    if name == "labels" and isinstance(estimator, ImageEstimator):
        own["thresholds"] = getattr(estimator, "thresholds_", None)
    if name == "values":
        own["output_names"] = output_names
    check_options(name, classes if classifies else targets, confidence, limit, **options)
    skips = _skips(estimator, on_error)
    rows, skipped = np.arange(len(items)), list[Failure]()
    errors = {"return_error": True} if return_error else {}
    try:
        answers = kind.predict(estimator, items, **where, **errors)
    except BadImageError:  # names the image
        if not skips:
            raise
        features = estimator.extract(items, on_error="skip", **where)
        rows, skipped = rows[features.ok], features.report.failures
        say_left_out("evaluate", skipped, len(items))
        items, names = [items[row] for row in rows], [names[row] for row in rows]
        where = {name: np.asarray(where[name])[rows] for name in where}
        answers = kind.predict(estimator, items, **where, **errors)
    if ours is not None:
        warn_if_trained_on("evaluate", ours, items)
    found = kind.evaluation(
        targets[rows],
        *answers,
        classes,
        **own,
        names=names,
        images=items if isinstance(items, list) else None,
        groups=None if groups is None else np.asarray(groups)[rows],
        skipped=skipped,
        confidence=confidence,
        seed=seed,
    )
    found.reader = _reader(estimator, ours)
    return found


def _reader(estimator: Any, ours: ImageEstimator | None) -> Reader | None:
    """Return how images are read: by our estimator, or by the extractor that a pipeline starts with."""
    inner = getattr(estimator, "best_estimator_", estimator)
    first = inner.steps[0][1] if getattr(inner, "steps", None) else None
    extractor = first if ours is None else ours.extractor_
    return extractor.reader() if isinstance(extractor, FeatureExtractor) else None


def _given_the_same(estimator: Any) -> ImageEstimator | None:
    """Return the fitted ImageEstimator that receives exactly these images, such as the best one of a search.

    None for other estimators, and in a pipeline of several steps, which may change the images.
    """
    while not isinstance(estimator, ImageEstimator):
        steps: Any = getattr(estimator, "steps", ())
        estimator = steps[0][1] if len(steps) == 1 else getattr(estimator, "best_estimator_", None)
        if estimator is None:
            return None
    return estimator if hasattr(estimator, "predictor_") else None


def _is_of_one(y: Any, kind: str) -> bool:
    """Return True for the label or labels, the number, or the points (2 k,) or (k, 2), of a single image."""
    if kind == "labels":
        names = isinstance(y, list | tuple | set | frozenset)
        return names and len(y) > 0 and all(isinstance(one, str) for one in y)
    if kind != "points":
        return isinstance(y, str | np.generic | int | float)
    try:
        shape = np.shape(y)
    except ValueError:  # of lists of several lengths
        return False
    return len(shape) == 1 or (len(shape) == 2 and shape[0] > 1 and shape[1] == 2)


def _fitted_kind(estimator: Any, y: Any) -> str:
    """Return the kind of a fitted model."""
    from sklearn.utils.validation import check_is_fitted

    check_kind(estimator)
    if isinstance(estimator, ImageEstimator):
        estimator._check_fitted()
    else:
        check_is_fitted(estimator)
    return kind_of(estimator, y)


def _as_items(estimator: Any, X: Any, y: Any) -> tuple[Any, Any, list[str]]:
    """Return images as a list that can be read twice, or features as they are; the targets; and names."""
    ours = isinstance(estimator, ImageEstimator)
    if estimator.extractor_ is not None if ours else isinstance(X, list | tuple):
        items, y = labelled_images(X, y)
        return items, y, image_names(items)
    return X, y, [f"#{i}" for i in range(len(X))]


def _unseen(labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> list[str]:
    """Return a problem if there are labels that were not in training."""
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


def _places(estimator: Any, boxes: Any) -> dict[str, Any]:
    """Return boxes as an argument of ``predict``, if there are any."""
    if boxes is None:
        return {}
    _check_points(estimator, "boxes")
    return {"boxes": boxes}


def _check_points(estimator: Any, name: str) -> None:
    """Raise unless the estimator predicts points in images."""
    if not isinstance(estimator, KeypointRegressor) or estimator.extractor_ is None:
        raise InvalidInputError(
            f"{name} can be passed for a KeypointRegressor on images. Got a {type(estimator).__name__}. "
            "Leave it out."
        )


def _skips(estimator: Any, on_error: str | None) -> bool:
    """Return whether images that cannot be read are left out."""
    ours = isinstance(estimator, ImageEstimator) and estimator.extractor_ is not None
    if on_error == "skip" and not ours:
        raise InvalidInputError(
            "on_error='skip' needs an estimator of transferkit on images. "
            f"Got {type(estimator).__name__}. Leave it out."
        )
    if on_error is None:
        return ours and estimator._run_settings()["on_error"] != "raise"
    return on_error == "skip"

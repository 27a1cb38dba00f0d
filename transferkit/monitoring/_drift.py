"""Detect drift: compare new images, without labels, with the training images of a model."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from transferkit import images
from transferkit.errors import InvalidInputError
from transferkit.estimators import ImageEstimator, known_contents, say_left_out
from transferkit.foundation.arguments import check, is_number
from transferkit.monitoring._checks import novelty_check, probability_checks, share_check, stranger_check
from transferkit.monitoring._report import DriftCheck, DriftReport
from transferkit.tasks import Classes

logger = logging.getLogger("transferkit")

FEWEST = 20  # images for a meaningful distribution
# Among many images, effects below these are significant but irrelevant. Those of probabilities must be
# larger: held-out images were predicted by other models than new ones, which matters if little was learned.
_SMALLEST = {"novelty": 0.02, "strangers": 0.02, "probability": 0.05, "classes": 0.05}


def drift(model: Any, X: Any, *, boxes: Any = None, alpha: float = 0.01) -> DriftReport:
    """Check whether new images still resemble the training images of a model; no labels are needed.

    The novelty of the new images (see :meth:`Classifier.novelty`) and the number of very strange images are
    compared with those of the training images. For a classifier, the probability of each class and its
    expected share are compared with those of held-out training images, too.

    Parameters
    ----------
    model : Classifier, KeypointRegressor or ImageRegressor
        A model fitted on images.
    X : sequence of images
        At least 20 new images. Those that cannot be read, or that the model has learned from, are left out
        with a warning.
    boxes : array-like, shape (n, 4), optional
        Boxes of the subjects, for a model that was trained with boxes.
    alpha : float, default=0.01
        Probability of a false alarm if nothing has changed, over all checks together.

    Returns
    -------
    DriftReport
        ``.drifted``, ``.checks``, and ``.strangest()``, the images to look at. Can be passed to
        ``plots.plot_drift``.

    Raises
    ------
    NotFittedError
    InvalidInputError
        The model was trained on features, it keeps no training images to compare with, or there are fewer
        than 20 images.

    Notes
    -----
    The tests are the Kolmogorov-Smirnov test for novelty (one-sided, since less novelty is harmless) and for
    the probability of each class; an exact test of the number of images beyond the strangest hundredth of the
    training images; and a test of normal means for the share of each class. Each has the level ``alpha``
    divided by the number of checks (Rabanser, Günnemann and Lipton 2019, "Failing loudly", NeurIPS). An
    effect below 0.02 (0.05 for probabilities) is never reported. A group of training images counts as one
    image. New images that belong together, such as frames of a film, are not independent, and cause false
    alarms.

    Examples
    --------
    >>> from transferkit import drift, load
    >>> report = drift(load("cats.safetensors"), "photos_of_this_week")  # doctest: +SKIP
    >>> report.drifted  # doctest: +SKIP
    False
    """
    if not isinstance(model, ImageEstimator) or not hasattr(model, "novelty"):
        raise InvalidInputError(
            f"model must be a fitted Classifier, KeypointRegressor or ImageRegressor. Got {model!r:.200}."
        )
    problems = []
    if not (is_number(alpha, above=0) and alpha < 1):
        problems.append(f"alpha must be above 0 and below 1, such as 0.01. Got {alpha!r}.")
    if boxes is not None and not hasattr(model, "boxed_"):
        problems.append(
            f"boxes are for a KeypointRegressor that was trained with boxes. Got a {type(model).__name__}. "
            "Leave them out."
        )
    check(problems)
    items = images.readable_again(images.as_image_list(X))
    where = {} if boxes is None else {"boxes": boxes}
    features = model.extract(items, on_error="skip", **where)
    if features.report.failures:
        say_left_out("drift", features.report.failures, len(items))
    learned = known_contents(model, features.digests)
    rows = np.flatnonzero(features.ok & ~learned)
    if learned.any():
        logger.warning(
            f"drift: {learned.sum():,} of {len(items):,} images are among those that the model has learned "
            "from, and are left out: they say nothing about new ones."
        )
    if len(rows) < FEWEST:
        raise InvalidInputError(
            f"X must have {FEWEST} images or more that can be read, and that the model has not learned from: "
            f"of fewer, a distribution says little. Got {len(rows)}."
        )
    good = [items[row] for row in rows]
    places = {name: np.asarray(array)[rows] for name, array in where.items()}
    novelty = model.novelty(good, **places)
    n_known = model.predictor_.novelty.n_groups
    found = [novelty_check(novelty, n_known), stranger_check(novelty, n_known)]
    shares, before = dict[Any, float](), dict[Any, float]()
    task: Any = model.predictor_.task
    held_out = model.predictor_.held_out
    if held_out is not None and len(held_out) >= FEWEST:
        chances, known = model.predict_proba(good), held_out.probabilities(task)
        labels = task.labels.tolist()
        n_groups = len(np.unique(held_out.groups))
        found += probability_checks(chances, known, n_groups, labels, one_each=isinstance(task, Classes))
        found.append(share_check(chances, known, n_groups, labels))
        shares = dict(zip(labels, chances.mean(axis=0).tolist(), strict=True))
        before = dict(zip(labels, known.mean(axis=0).tolist(), strict=True))
    checks = [
        DriftCheck(name, label, effect, p, p < alpha / len(found) and effect >= _SMALLEST[name], what)
        for name, label, effect, p, what in found
    ]
    return DriftReport(
        any(one.drifted for one in checks),
        checks,
        len(rows),
        float(alpha),
        novelty,
        rows,
        list(items),
        task.labels if isinstance(task, Classes) else None,
        shares,
        before,
        list(features.report.failures),
    )

"""Compare new images with those that a model was trained on, without labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit import images
from transferkit.errors import InvalidInputError
from transferkit.estimators import ImageEstimator, say_left_out
from transferkit.foundation.arguments import check, is_number
from transferkit.monitoring._report import DriftCheck, DriftReport
from transferkit.tasks import Classes

Floats = NDArray[np.float64]

FEWEST = 20  # images of which a distribution says something
# Effects below these are real where there are many images, and matter to nobody. Those of probabilities must
# be larger: held-out images were judged by other models than new ones, which shows where little was learned.
_SMALLEST = {"novelty": 0.02, "strangers": 0.02, "probability": 0.05, "classes": 0.05}
_STRANGE = 0.95  # novelty of one in twenty training images
_STRANGERS = 0.01  # share of the training images that count as strange, one at least


def drift(model: Any, X: Any, *, boxes: Any = None, alpha: float = 0.01) -> DriftReport:
    """Tell whether new images are still like those that a model was trained on; no labels are needed.

    Compared are how unlike the training images they are (:meth:`Classifier.novelty`), all together and how
    many are very strange, and, for a classifier, the probability of each class and how often each is
    predicted, with those of held-out training images.

    Parameters
    ----------
    model : Classifier, KeypointRegressor or ImageRegressor
        Fitted, on images.
    X : sequence of images
        Twenty or more. What cannot be read is left out, with a warning.
    boxes : array-like, shape (n, 4), optional
        For a model that was trained with boxes.
    alpha : float, default=0.01
        Chance of a false alarm if nothing has changed, over all checks together.

    Returns
    -------
    DriftReport
        ``.drifted``, ``.checks``, and ``.strangest()``, the images to look at. For ``plots.plot_drift``.

    Raises
    ------
    NotFittedError
    InvalidInputError
        The model learned from arrays, nothing is known of its training images, or there are fewer than 20.

    Notes
    -----
    The test of Kolmogorov and Smirnov for novelty (one-sided: less novel is no harm) and for the probability
    of each class, the exact test of how many images are beyond the strangest hundredth of the training
    images, and a test of normal means for the share of each class, at ``alpha`` over the number of checks
    (Rabanser, Günnemann and Lipton 2019, "Failing loudly", NeurIPS). An effect below 0.02 (of probabilities
    0.05) is never reported. Images that belong together, such as frames of a film, are not independent, and
    raise false alarms.

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
    rows = np.flatnonzero(features.ok)
    if features.report.failures:
        say_left_out("drift", features.report.failures, len(items))
    if len(rows) < FEWEST:
        raise InvalidInputError(
            f"X must have {FEWEST} images or more that can be read: of fewer, a distribution says little. "
            f"Got {len(rows)}."
        )
    good = [items[row] for row in rows]
    places = {name: np.asarray(array)[rows] for name, array in where.items()}
    novelty = model.novelty(good, **places)
    n_known = len(model.predictor_.novelty.distances)
    found = [_novelty_check(novelty, n_known), _stranger_check(novelty, n_known)]
    shares, before = dict[Any, float](), dict[Any, float]()
    task: Any = model.predictor_.task
    held_out = model.predictor_.held_out
    if held_out is not None and len(held_out) >= FEWEST:
        chances, known = model.predict_proba(good), held_out.probabilities(task)
        labels = task.labels.tolist()
        found += _probability_checks(chances, known, labels, one_each=isinstance(task, Classes))
        found.append(_share_check(chances, known, labels))
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


def _novelty_check(novelty: Floats, n_known: int) -> tuple[str, Any, float, float, str]:
    """Compare novelty with that of the training images, which is spread evenly."""
    from scipy.stats import ks_2samp

    test = ks_2samp(novelty, np.arange(n_known) / n_known, alternative="less")
    strange = float((novelty > _STRANGE).mean())
    what = f"{strange:.1%} of the images have a novelty above {_STRANGE}, {1 - _STRANGE:.0%} are usual"
    return "novelty", None, float(test.statistic), float(test.pvalue), what


def _stranger_check(novelty: Floats, n_known: int) -> tuple[str, Any, float, float, str]:
    """Compare how many images are as strange as the strangest hundredth of the training images.

    Of images like these, that number has a beta-binomial distribution, whatever the law of distances.
    """
    from scipy.stats import betabinom

    usual = max(1, round(_STRANGERS * n_known))
    strange = int((novelty > (n_known - usual + 0.5) / n_known).sum())
    p_value = float(betabinom(len(novelty), usual, n_known + 1 - usual).sf(strange - 1))
    share, before = strange / len(novelty), usual / (n_known + 1)
    what = f"{share:.1%} of the images are stranger than all but {usual:,} of {n_known:,} to train on"
    return "strangers", None, max(0.0, share - before), p_value, what


def _probability_checks(
    chances: Floats, known: Floats, labels: list[Any], *, one_each: bool
) -> list[tuple[str, Any, float, float, str]]:
    """Compare the probability of each label, of two classes of the second, with that of held-out images."""
    from scipy.stats import ks_2samp, wasserstein_distance

    found = []
    for column in range(1 if one_each and len(labels) == 2 else 0, len(labels)):
        now, before = chances[:, column], known[:, column]
        p_value = float(ks_2samp(now, before).pvalue)
        effect = float(wasserstein_distance(now, before))
        what = f"mean {now.mean():.3f}, before {before.mean():.3f}"
        found.append(("probability", labels[column], effect, p_value, what))
    return found


def _share_check(chances: Floats, known: Floats, labels: list[Any]) -> tuple[str, Any, float, float, str]:
    """Compare the share that is expected of each label: its mean probability."""
    from scipy.stats import norm

    gaps = chances.mean(axis=0) - known.mean(axis=0)
    errors = np.sqrt(chances.var(axis=0) / len(chances) + known.var(axis=0) / len(known))
    steps = np.abs(gaps) / np.maximum(errors, 1e-12)
    most = int(steps.argmax())
    p_value = min(1.0, float(2 * norm.sf(steps[most])) * len(labels))
    what = f"{labels[most]!r} {chances[:, most].mean():.1%}, before {known[:, most].mean():.1%}"
    return "classes", None, float(np.abs(gaps).max()), p_value, what

"""Compare backbones, or any settings, on the same images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from transferkit.cache import FeatureCache
from transferkit.comparison._candidates import as_candidates, image_estimator
from transferkit.comparison._comparison import Comparison, FailedCandidate
from transferkit.comparison._data import Data, check_data
from transferkit.comparison._folds import make_folds, without
from transferkit.comparison._ranking import ranked
from transferkit.comparison._run import Run, extract, plan, predict, raise_if_none_is_left
from transferkit.datasets import labelled_images
from transferkit.evaluation import (
    KINDS,
    Evaluation,
    check_options,
    image_names,
    own_options,
)
from transferkit.foundation import arguments
from transferkit.foundation.progress import progress_bar

__all__ = ["compare"]


def compare(
    backbones: Any,
    X: Any,
    y: Any = None,
    *,
    estimator: Any = None,
    metric: str | None = None,
    cv: Any = 5,
    groups: Any = None,
    boxes: Any = None,
    pos_label: Any = None,
    normalizer: str | float | None = None,
    limit: float = 0.08,
    on_error: str = "skip",
    n_timed: int = 16,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = True,
) -> Comparison:
    """Compare backbones or settings on the same images, and tell real differences from noise.

    Each candidate is cross-validated on the same folds: every image is predicted by a model trained without
    it. Each backbone processes an image once; all folds and later runs take the features from the cache, so
    that an interrupted comparison can be resumed by repeating the call. (The closer look at keypoints
    computes additional features in each fold, since it crops other squares.)

    Parameters
    ----------
    backbones : list of str or Backbone, or dict of str to str, Backbone or estimator
        Candidates: names in the registry, Keras models or functions; or a dictionary from names of your
        choice to these or to estimators, such as
        ``{"frozen": Classifier(), "tuned": FineTuned(Classifier())}``.
    X : sequence of images, or features
        Data to compare on.
    y : array-like, shape (n,), or (n, 2 k) or (n, k, 2), or (n, n_outputs), optional
        Labels, keypoints in pixels of each original image, or numbers; by default the labels that X holds, as
        for ``fit``.
    estimator : estimator, optional
        Estimator in which each backbone is used; by default ``Classifier()`` for labels,
        ``ImageRegressor()`` for numbers with fractions, and ``KeypointRegressor()`` for several numbers per
        image.
    metric : str, optional
        Metric to sort by. For classes ``"accuracy"`` (default), or another of
        `transferkit.metrics.classification_figures`; for keypoints ``"nme"``, or another of
        `transferkit.metrics.keypoint_figures`; for numbers ``"r2"``, or another of
        `transferkit.metrics.value_figures`; for several labels per image ``"subset_accuracy"``, or another
        of `transferkit.metrics.label_figures`.
    cv : int, splitter or iterable, default=5
        Number of folds, which are stratified by class and keep groups together; or a splitter of
        scikit-learn.
    groups : array-like, shape (n,), optional
        Group of each image. Images of one group, such as one person, are never separated by a fold, and are
        resampled together for intervals.
    boxes : array-like, shape (n, 4), optional
        Only for candidates that are KeypointRegressors, as for their ``fit``. Also pass ``groups`` that keep
        the subjects of an image together.
    pos_label, normalizer, limit
        As for `evaluate`.
    on_error : {"skip", "raise"}, default="skip"
        What to do with an image that cannot be read. Skipped images are left out for all candidates.
    n_timed : int, default=16
        Number of images on which each backbone is timed. With 0, neither the time nor the number of
        parameters is reported, both of which require building the network.
    confidence : float, default=0.95
        Confidence level of the intervals.
    seed : int, default=0
        Seed of the folds and of the bootstrap.
    progress : bool, default=True
        Show a single progress bar over all candidates.

    Returns
    -------
    Comparison
        Print it, or use ``.rows``, ``.to_frame()`` or ``.to_dict()``.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used, or all candidates failed. If only some fail, they are listed
        in ``.failed`` with the reason.
    UnknownBackboneError, BadImageError

    Notes
    -----
    The best candidate is chosen and evaluated on the same images, so its score, and the differences from it,
    are slightly optimistic. Evaluate the chosen candidate on separate images.

    Intervals show how the scores of these models would vary on other test images. They do not include the
    variation from other training images: of two equally good settings, one is called "worse" more often than
    the confidence level suggests, above all if there are few groups.

    Examples
    --------
    >>> from transferkit import compare
    >>> print(compare(["mobilenet", "vgg16"], paths, labels, groups=people))  # doctest: +SKIP
    """
    if y is None:
        X, y = labelled_images(X)
    candidates, kind = as_candidates(backbones, y, estimator)
    known = KINDS[kind].figures
    metric = known[0] if metric is None else metric
    problems = arguments.choice("metric", metric, known)
    problems += arguments.choice("on_error", on_error, ("raise", "skip"))
    problems += arguments.seed("seed", seed) + arguments.flag("progress", progress)
    if not (arguments.is_count(n_timed) or (arguments.is_number(n_timed, above=-1) and n_timed == 0)):
        problems.append(f"n_timed must be a number of images, 0 or more. Got {n_timed!r}.")
    data = check_data(candidates, X, y, groups, boxes, kind, problems)
    # Raise errors now, not after hours of work.
    folds = make_folds(cv, data, seed)
    options = {"pos_label": pos_label, "normalizer": normalizer}
    own = own_options(kind, limit, **options)
    truth = data.targets if data.labels is None else np.unique(data.labels)
    check_options(kind, truth, confidence, limit, **options)
    runs = [Run(name, candidate) for name, candidate in candidates.items()]
    with progress_bar(2 * len(data) * len(runs), "compare", "img", show=progress) as bar, _some_cache(runs):
        for run in runs:
            run.attempt(plan, data)
        for run in runs:
            bar.set_postfix_str(run.name)
            run.attempt(extract, data, on_error, n_timed, bar.update)
        raise_if_none_is_left(runs)
        skipped = {failure.index: failure for run in runs for failure in run.failures}
        lost = np.array(sorted(skipped), dtype=np.int64)
        data = data.take(np.setdiff1d(np.arange(len(data)), lost))
        folds = without(folds, lost, data)
        for run in runs:
            bar.set_postfix_str(run.name)
            run.attempt(predict, data, folds, bar.update)
    raise_if_none_is_left(runs)
    done = [run for run in runs if run.error is None]
    evaluations = [_evaluation(run, data, confidence=confidence, seed=seed, **own) for run in done]
    return Comparison(
        ranked(done, evaluations, metric, confidence),
        [FailedCandidate(run.name, str(run.error)) for run in runs if run.error is not None],
        metric,
        n_images=len(data),
        n_folds=len(folds),
        n_groups=None if data.groups is None else len(np.unique(data.groups)),
        n_copies=max(run.n_copies for run in done),
        skipped=[skipped[index] for index in lost.tolist()],
        confidence=confidence,
    )


def _evaluation(run: Run, data: Data, **settings: Any) -> Evaluation:
    """Return the evaluation of predictions by models that had not seen the image."""
    is_list = isinstance(data.items, list)
    settings |= {
        "names": image_names(data.items) if is_list else None,
        "images": data.items if is_list else None,
        "groups": data.groups,
    }
    evaluate = KINDS[data.kind].evaluation
    return evaluate(data.targets, run.predicted, run.probabilities, data.classes, **settings)


@contextmanager
def _some_cache(runs: Sequence[Run]) -> Iterator[None]:
    """Lend a cache to candidates that have none, so that folds need not run the backbone again."""
    ours = [one for one in (image_estimator(run.estimator) for run in runs) if one is not None]
    without = [one for one in ours if one._run_settings()["cache"] is False]
    if not without:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="transferkit-", ignore_cleanup_errors=True) as folder:
        for candidate in without:
            candidate.set_params(extractor__cache=FeatureCache(folder))
        yield

"""Audit images and labels before a model learns from them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from transferkit.auditing._balance import check_classes
from transferkit.auditing._data import Data, read_data
from transferkit.auditing._duplicates import Pairs, mark_same_pixels, near_pairs, originals
from transferkit.auditing._evidence import Evidence, joined
from transferkit.auditing._features import make_estimator, one_vector, plan, some_cache
from transferkit.auditing._findings import Check, by_severity
from transferkit.auditing._labels import check_labels, held_out_probabilities
from transferkit.auditing._looks import load_pixels, look
from transferkit.auditing._outliers import check_outliers
from transferkit.auditing._quality import check_files, file_table
from transferkit.auditing._repeats import check_across, check_two_labels, check_within, with_copies
from transferkit.auditing._report import AuditReport
from transferkit.auditing._series import check_series, guess
from transferkit.auditing._shortcut import check_shortcut, probe_shortcut
from transferkit.backbones import Backbone
from transferkit.errors import quoted
from transferkit.extraction import FeatureExtractor
from transferkit.foundation import arguments
from transferkit.foundation.scratch import memory_limit
from transferkit.metrics import check_confidence

CHECKS = ("duplicates", "series", "labels", "shortcut", "files", "outliers", "classes")
_NEED_FEATURES = {"duplicates", "series", "labels", "outliers"}


def audit(
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    test: Any = None,
    backbone: str | Backbone = "mobilenet",
    weights: str | os.PathLike[str] | None = "imagenet",
    image_size: int | None = None,
    extractor: FeatureExtractor | None = None,
    checks: Sequence[str] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> AuditReport:
    """Find problems of images and labels before a model learns from them.

    An audit looks for what makes evaluations too optimistic (the same picture or person in training and test,
    labels that properties of the files give away) and for what makes models worse (wrong labels, one picture
    with two labels, files that cannot be read or show nothing). It changes nothing. Labels of test images are
    used only to report which pairs disagree, how many images a class has, and which classes have no training
    images.

    Parameters
    ----------
    X : sequence of images
        As for ``fit``: paths, a folder, arrays, or a dataset.
    y : array-like, optional
        Targets, as for ``fit``; by default the labels that X holds, if any. Without labels, and for numbers
        and keypoints, the checks of labels are skipped.
    groups : array-like, shape (n,), optional
        Group of each image, such as the person that it shows.
    test : images, (X_test, y_test) or (X_test, y_test, groups), optional
        Test images. A tuple is always read as (X_test, y_test) or with groups; pass images alone as a list.
    backbone, weights, image_size, extractor : optional
        As for :class:`Classifier`. Features are shared with a Classifier of the same settings through the
        cache.
    checks : sequence of str, optional
        Checks to run, of "duplicates", "series", "labels", "shortcut", "files", "outliers" and "classes"; by
        default all. "files", "shortcut" and "classes" need no backbone.
    confidence : float, default=0.95
        Confidence level of the intervals.
    seed : int, default=0
        Seed of the folds and of the bootstrap.

    Returns
    -------
    AuditReport
        Print it, or use ``.findings``, ``.to_frame()``, ``.to_csv(path)`` or ``.to_html(path)``.

    Raises
    ------
    InvalidInputError
        The data or a parameter cannot be used, or most images cannot be read.
    EngineError
        The engine that was requested by name cannot run this backbone.
    WeightsError, MissingDependencyError

    See Also
    --------
    transferkit.plots.plot_duplicates, transferkit.plots.plot_label_issues

    Examples
    --------
    >>> from transferkit import audit
    >>> print(audit("photos", test="other_photos"))  # doctest: +SKIP
    """
    problems = arguments.seed("seed", seed)
    chosen = _chosen(checks, problems)
    arguments.check(problems)
    confidence = check_confidence(confidence)
    data = read_data(X, y, groups, test)
    estimator = make_estimator(data, backbone, weights, image_size, extractor)
    seconds: dict[str, float] = {}
    with some_cache(estimator), memory_limit(estimator._run_settings()["memory_limit"]):
        evidence = _collect(data, estimator, chosen, seed, confidence, seconds)
        found = [
            check
            for name in CHECKS
            if name in chosen
            for check in _timed(seconds, name, _MAKE[name], evidence)
        ]
    return AuditReport(
        by_severity(found),
        n_train=data.n_train,
        n_test=len(data) - data.n_train,
        images=data.items,
        labels=data.labels,
        classes=data.classes,
        groups=evidence.groups,
        pairs=with_copies(evidence),
        probabilities=evidence.probabilities,
        shortcut=evidence.shortcut,
        facts={**evidence.looks.words, **evidence.looks.numbers},
        files=file_table(evidence),
        seconds=seconds,
        reader=evidence.reader,
    )


def _collect(
    data: Data, estimator: Any, chosen: set[str], seed: int, confidence: float, seconds: dict[str, float]
) -> Evidence:
    """Look at all images, and extract their features."""
    extractor, views = plan(data, estimator)
    settings, reader = extractor.settings(), extractor.reader()
    vectors, failures = None, {}
    if chosen & _NEED_FEATURES:
        features = _timed(seconds, "features", extractor.extract, data.items, views=views, on_error="skip")
        failures = {failure.index: failure for failure in features.report.failures}
        vectors = _timed(seconds, "features", one_vector, features)
    looks = _timed(seconds, "looks", look, data.items, reader, progress=settings.progress)
    lost = failures | looks.failures
    if vectors is not None and (unread := np.isin(np.flatnonzero(features.ok), list(looks.failures))).any():
        vectors = vectors[~unread]  # files that were removed during the audit
    first = originals([None if row in lost else digest for row, digest in enumerate(looks.digests)])
    pairs = Pairs(*np.zeros((5, 0)))
    if "duplicates" in chosen:
        rows = np.flatnonzero(first == np.arange(len(data)))
        readable = np.flatnonzero(first >= 0)
        some = None if vectors is None else vectors[np.searchsorted(readable, rows)]
        pairs = _timed(seconds, "duplicates", near_pairs, looks.renderings, some, rows, data.n_train)
        load = partial(load_pixels, reader=reader)
        pairs = _timed(seconds, "duplicates", mark_same_pixels, pairs, lambda row: load(data.items[row]))
    size, own = settings.image_size, np.arange(data.n_train)
    evidence = Evidence(
        data, looks, lost, vectors, first, pairs, estimator, reader, size, seed, confidence, own
    )
    if vectors is not None:
        evidence = replace(evidence, guess=_timed(seconds, "series", guess, evidence))
    evidence = replace(evidence, groups=_groups(evidence))
    if "labels" in chosen:
        evidence = replace(
            evidence, probabilities=_timed(seconds, "labels", held_out_probabilities, evidence)
        )
    if "shortcut" in chosen:
        evidence = replace(evidence, shortcut=_timed(seconds, "shortcut", probe_shortcut, evidence))
    return evidence


def _duplicates(evidence: Evidence) -> list[Check]:
    return [*check_across(evidence), *check_within(evidence), *check_two_labels(evidence)]


_MAKE: dict[str, Callable[[Evidence], Iterable[Check]]] = {
    "duplicates": _duplicates,
    "series": check_series,
    "labels": check_labels,
    "shortcut": check_shortcut,
    "files": check_files,
    "outliers": check_outliers,
    "classes": check_classes,
}


def _groups(evidence: Evidence) -> Any:
    """Return groups of training images: those passed, those that show the same, or clearly of one series."""
    n = evidence.data.n_train
    keys = [evidence.repeats[:n]]
    if (given := evidence.data.train_groups) is not None:
        keys.append(np.array(given, dtype=str))
    elif evidence.guess is not None and evidence.guess.sure == "sure":
        keys.append(np.array(evidence.guess.series.names[:n]))
    links = []
    for key in keys:
        _, first, group = np.unique(key, return_index=True, return_inverse=True)
        links.append((first[group], np.arange(n)))
    return joined(n, *links)


def _chosen(checks: Any, problems: list[str]) -> set[str]:
    if checks is None:
        return set(CHECKS)
    names = [checks] if isinstance(checks, str) else checks
    several = isinstance(names, Sequence | set | frozenset) and len(names) > 0
    wrong = [name for name in names if name not in CHECKS] if several else [checks]
    if wrong:
        problems.append(f"checks must be some of {quoted(CHECKS)}, or None for all. Got {wrong[0]!r}.")
        return set()
    return set(names)


def _timed(seconds: dict[str, float], name: str, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return the result of some work, and add its duration to that of a stage."""
    started = time.perf_counter()
    try:
        return work(*args, **options)
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started

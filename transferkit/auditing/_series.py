"""The check of groups, passed or guessed: persons or series in both training and test."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import Check, Finding, count, fine, share
from transferkit.auditing._names import Series, guess_series
from transferkit.neighbours import Search

Rows = NDArray[np.int64]

_LEAST = 0.1  # share of the images in series, below which names say nothing
_MOST_QUERIES = 2000  # largest number of images whose nearest image is searched for
_SURE = 0.5  # share of images whose nearest one is of the same series; above it, features confirm the names
_LIKELY_TIMES = 3  # factor by which the agreement must exceed that by chance


class Guess(NamedTuple):
    """Guessed series, and whether features confirm them.

    ``agreement`` is the share of images in series whose nearest other image, near duplicates included, is of
    the same series, among those whose class has three images or more; ``chance`` what it would be if names
    meant nothing, NaN both if there are none; ``sure`` is "sure", "likely" or "unsure".
    """

    series: Series
    agreement: float
    chance: float
    sure: str


def guess(evidence: Evidence) -> Guess | None:
    """Return the guess that features confirm best, or None if the names say nothing."""
    data = evidence.data
    paths = [data.path(row) for row in range(len(data))]
    best: Guess | None = None
    for series in guess_series(paths, data.labels if data.kind == "classes" else []):
        if series.share < _LEAST:
            continue
        found = _judged(evidence, series)
        if best is None or _ORDER[found.sure] < _ORDER[best.sure]:
            best = found
    return best


_ORDER = {"sure": 0, "likely": 1, "unsure": 2}


def _judged(evidence: Evidence, series: Series) -> Guess:
    """Compare a guess with the features: is the nearest image of the same series?"""
    names = np.unique(np.array(series.names), return_inverse=True)[1]
    sizes = np.bincount(names)
    rows = evidence.readable
    in_series = np.flatnonzero(sizes[names[rows]] > 1)
    if evidence.vectors is None or len(in_series) < 2:
        return Guess(series, float("nan"), float("nan"), "unsure")
    if len(in_series) > _MOST_QUERIES:
        in_series = np.sort(np.random.default_rng(evidence.seed).permutation(in_series)[:_MOST_QUERIES])
    # Within a class, so that a backbone that knows the classes does not confirm names that follow them.
    agreed = chance = 0.0
    n_compared = 0  # without images of classes that are too small
    labels = np.array([str(evidence.data.labels[row]) for row in rows.tolist()])
    for label in np.unique(labels):
        candidates = np.flatnonzero(labels == label)
        queries = np.intersect1d(in_series, candidates)
        if len(candidates) < 3 or not len(queries):
            continue
        n_compared += len(queries)
        nearest = _nearest_other(evidence.vectors, candidates, queries)
        agreed += float((names[rows[nearest]] == names[rows[queries]]).sum())
        of_class = np.bincount(names[rows[candidates]], minlength=len(sizes))
        chance += float(((of_class[names[rows[queries]]] - 1) / (len(candidates) - 1)).sum())
    if not n_compared:
        return Guess(series, float("nan"), float("nan"), "unsure")
    agreement, chance = agreed / n_compared, chance / n_compared
    enough = agreed >= min(5, _SURE * len(in_series))  # among few images, most may agree by chance
    if agreement >= _SURE and agreement >= _LIKELY_TIMES * chance and enough:
        return Guess(series, agreement, chance, "sure")
    likely = agreement >= _LIKELY_TIMES * chance and agreed >= 5
    return Guess(series, agreement, chance, "likely" if likely else "unsure")


def _nearest_other(vectors: NDArray[np.float32], candidates: Rows, queries: Rows) -> Rows:
    """Return the nearest other candidate of each query; queries are among the candidates."""
    place = np.searchsorted(candidates, queries)
    search = Search(vectors[candidates], "cosine", "auto")
    found, _ = search.nearest(vectors[queries], 1, lambda near: near == place[:, None], 1)
    return candidates[found[:, 0]]


def check_series(evidence: Evidence) -> list[Check]:
    """Return checks of groups, passed and guessed, in both training and test, and of series in general."""
    checks = _given(evidence)
    found = evidence.guess
    if found is None:
        return [*checks, fine("series", "Names say nothing about who belongs together.")]
    n_train = evidence.data.n_train
    if len(evidence.data) > n_train:
        checks.append(_guessed_across(evidence, found))
    if evidence.data.train_groups is None:
        severity = "note" if found.sure == "unsure" else "warning"
        in_train = Counter(found.series.names[:n_train])
        n_series = sum(n > 1 for n in in_train.values())
        inside = sum(n for n in in_train.values() if n > 1)
        if n_series:
            summary = (
                f"{share(inside, n_train)} of the images to train on are of {n_series:,} series "
                f"by their {found.series.by}, {_words(found)}."
            )
            advice = (
                "If each is of one person or film, pass groups (report.groups if sure) to fit and splits."
            )
            checks.append(Check("series", severity, summary, advice, _of_series(evidence, found)))
    return checks


def _words(found: Guess) -> str:
    if np.isnan(found.agreement):
        return "which no features were compared with"
    doubt = {"sure": "which is sure", "likely": "which is likely", "unsure": "of which features say nothing"}
    return (
        f"{doubt[found.sure]}: of {share(found.agreement, 1)} of them the most similar image is of the same "
        f"series, by chance of {share(found.chance, 1)}"
    )


def _of_series(evidence: Evidence, found: Guess) -> tuple[Finding, ...]:
    names = Counter(found.series.names[: evidence.data.n_train])
    return tuple(
        Finding("series", "note", f"{name}: {count(n, 'image')}", score=float(n))
        for name, n in names.most_common()
        if n > 1
    )


def _given(evidence: Evidence) -> list[Check]:
    """Return checks of the caller's groups."""
    data = evidence.data
    if data.groups is None:
        return []
    if data.train_groups is None:
        summary = "The test has groups, the images to train on have none: nobody can say which both have."
        return [Check("group_across", "note", summary, "Pass groups= of the images to train on, too.")]
    n_train = data.n_train
    train = {_group_name(group) for group in data.train_groups}
    of_test = [row for row in range(n_train, len(data)) if data.groups[row] is not None]
    shared = [row for row in of_test if _group_name(data.groups[row]) in train]
    checks = []
    if shared:
        findings = tuple(
            data.finding("group_across", "error", f"group {data.groups[row]!r} is also in train", row)
            for row in shared
        )
        n_groups = len({_group_name(data.groups[row]) for row in shared})
        n_test = len(data) - n_train
        checks.append(
            Check("group_across", "error", f"{len(shared):,} of {count(n_test, 'image')} of the test "
                  f"({share(len(shared), n_test)}) are of {count(n_groups, 'group')} to train on.",
                  "Figures on this test are too good: split anew, with whole groups.", findings)
        )  # fmt: skip
    elif of_test:
        checks.append(fine("group_across", "No group is on both sides."))
    return [*checks, _torn(evidence)]


def _group_name(group: Any) -> str:
    """Return the name of a group, which is the same for 3, 3.0 and "3"."""
    return str(int(group) if isinstance(group, float) and group.is_integer() else group)


def _torn(evidence: Evidence) -> Check:
    """Return the check of pairs that show the same but are in different groups of the caller."""
    data = evidence.data
    assert data.groups is not None
    findings = []
    copies = [(int(first), row, 1.0) for row, first in enumerate(evidence.first) if 0 <= first < row]
    pairs = zip(*(column.tolist() for column in evidence.pairs[:3]), strict=True)
    for first, second, score in [*copies, *pairs]:
        groups = data.groups[first], data.groups[second]
        if second < data.n_train and groups[0] != groups[1]:
            what = f"groups {groups[0]!r} and {groups[1]!r} show the same (agreement {score:.2f})"
            findings.append(data.finding("torn_duplicates", "warning", what, second, first, score=score))
    if not findings:
        return fine("torn_duplicates", "Duplicates are of one group each.")
    findings.sort(key=lambda one: -(one.score or 0))
    summary = f"{count(len(findings), 'pair')} of images that show the same are of different groups."
    return Check(
        "torn_duplicates",
        "warning",
        summary,
        "Join these groups: pass groups=report.groups.",
        tuple(findings),
    )


def _guessed_across(evidence: Evidence, found: Guess) -> Check:
    """Return the check of test images whose guessed series is also among the training images."""
    data, names = evidence.data, found.series.names
    kind, n_test = "series_across", len(data) - data.n_train
    train: dict[str, Any] = {}
    for row in range(data.n_train):
        train.setdefault(names[row], row)
    shared = [row for row in range(data.n_train, len(data)) if names[row] in train]
    if not shared:
        return fine(kind, "No series of names is on both sides.")
    severity = {"sure": "error", "likely": "warning", "unsure": "note"}[found.sure]
    n_series = len({names[row] for row in shared})
    findings = tuple(
        data.finding(kind, severity, f"series {names[row]!r} is also in train", row, train[names[row]])
        for row in shared
    )
    all_of_test = len(set(names[data.n_train :]))
    summary = (
        f"{len(shared):,} of {count(n_test, 'image')} of the test ({share(len(shared), n_test)}) are of "
        f"{n_series:,} series to train on (of {all_of_test:,} in the test) by their {found.series.by}, "
        f"{_words(found)}."
    )
    advice = "If each is of one person or film, figures on this test are too good: split anew by series."
    return Check(kind, severity, summary, advice, findings)

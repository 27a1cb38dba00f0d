"""Checks of duplicates: between training and test, within the training images, and with two labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.auditing._duplicates import Pairs
from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import SEVERITIES, Check, Finding, count, fine, share

_STILL = 0.01  # a picture moved by less than this share of its side counts as not moved
_SURE = 0.85  # agreement; below it, a near duplicate may be a different but very similar picture
_ALL_DETAIL = 0.95  # agreement of detail that remains after saving again and resizing


def how(score: float, mirrored: bool, moved: float) -> str:
    """Describe how the second of two near duplicates differs from the first."""
    if score == 1:
        return "the same pixels, in another file"
    what = [
        *(["mirrored"] if mirrored else []),
        *(["cropped, turned or moved"] if moved >= _STILL else []),
        *(["saved again or resized"] if moved < _STILL and score >= _ALL_DETAIL and not mirrored else []),
        *(["in other light, marked, or another moment"] if score < _ALL_DETAIL else []),
    ]
    return f"the same picture, {' and '.join(what)} (agreement {score:.2f})"


def check_across(evidence: Evidence) -> list[Check]:
    """Return the checks of test images that are also among the training images."""
    data = evidence.data
    n_test = len(data) - data.n_train
    if not n_test:
        return []
    tested = np.arange(data.n_train, len(data))
    copies = tested[(evidence.first[tested] >= 0) & (evidence.first[tested] < data.n_train)]
    exact = tuple(
        data.finding(
            "duplicate_across", "error", "the same content", int(row), int(evidence.first[row]), score=1.0
        )
        for row in copies
    )
    best = _best_partners(evidence, across=True)
    near = tuple(
        data.finding(
            "near_duplicate_across",
            "error" if found[0] >= _SURE else "warning",
            how(*found),
            row,
            other,
            score=found[0],
        )
        for row, (other, found) in sorted(best.items(), key=lambda one: -one[1][1][0])
    )
    return [
        _across("duplicate_across", exact, n_test, "are also among those to train on, byte for byte"),
        _across(
            "near_duplicate_across", near, n_test, "nearly repeat one to train on", _films(evidence, best)
        ),
    ]


def _films(evidence: Evidence, best: Mapping[int, tuple[int, Any]]) -> str:
    """Describe how many of these pairs are of one series by their names, such as frames of a film."""
    if evidence.guess is None or evidence.guess.sure == "unsure" or not best:
        return ""
    names = evidence.guess.series.names
    n = sum(names[row] == names[other] for row, (other, _) in best.items())
    return (
        f" Of these, {n:,} {'is' if n == 1 else 'are'} of one series by their names, like frames of a film."
    )


def _across(kind: str, findings: tuple[Finding, ...], n_test: int, what: str, more: str = "") -> Check:
    if not findings:
        return fine(kind, f"No images of the test {what}.")
    summary = (
        f"{len(findings):,} of {count(n_test, 'image')} of the test ({share(len(findings), n_test)}) {what}."
    )
    advice = "Figures on this test are too good. Leave these images out of the test, or split anew by groups."
    severity = min((one.severity for one in findings), key=SEVERITIES.index)
    return Check(kind, severity, summary + more, advice, findings)


def check_within(evidence: Evidence) -> list[Check]:
    """Return the checks of training images that repeat others."""
    data = evidence.data
    rows = np.arange(data.n_train)
    copies = rows[(evidence.first[rows] >= 0) & (evidence.first[rows] < rows)]
    exact = tuple(
        data.finding(
            "duplicate", "warning", "the same content", int(row), int(evidence.first[row]), score=1.0
        )
        for row in copies
    )
    best = _best_partners(evidence, across=False)
    near = tuple(
        data.finding("near_duplicate", "warning", how(*found), row, other, score=found[0])
        for row, (other, found) in sorted(best.items(), key=lambda one: -one[1][1][0])
    )
    advice = (
        "A random split puts copies on both sides. Keep one of each, or pass groups=report.groups to fit."
    )
    return [
        _within("duplicate", exact, data.n_train, "repeat another byte for byte", advice),
        _within(
            "near_duplicate", near, data.n_train, "nearly repeat another", advice, _films(evidence, best)
        ),
    ]


def _within(
    kind: str, findings: tuple[Finding, ...], n: int, what: str, advice: str, more: str = ""
) -> Check:
    if not findings:
        return fine(kind, f"No images to train on {what}.")
    summary = f"{len(findings):,} of {count(n, 'image')} to train on ({share(len(findings), n)}) {what}."
    return Check(kind, "warning", summary + more, advice, findings)


def _best_partners(evidence: Evidence, *, across: bool) -> dict[int, tuple[int, tuple[float, bool, float]]]:
    """Return for each image that nearly repeats earlier ones the most similar one, and how it differs."""
    n_train, pairs = evidence.data.n_train, with_copies(evidence)
    if across:
        chosen = (pairs.first < n_train) & (evidence.first[pairs.second] >= n_train)
    else:
        chosen = (pairs.second < n_train) & (evidence.first[pairs.second] == pairs.second)
    best: dict[int, tuple[int, tuple[float, bool, float]]] = {}
    for first, row, *found in zip(*(column[chosen].tolist() for column in pairs), strict=True):
        if row not in best or found[0] > best[row][1][0]:
            best[row] = first, (found[0], found[1], found[2])
    return best


def check_two_labels(evidence: Evidence) -> list[Check]:
    """Return the check of images that show the same but have different labels."""
    data = evidence.data
    if all(label is None for label in data.labels):
        return []
    pairs = with_copies(evidence)
    found = []
    for first, second, score, mirrored, moved in zip(*(column.tolist() for column in pairs), strict=True):
        label, other = data.labels[first], data.labels[second]
        if label is None or other is None or label == other:
            continue
        same = evidence.first[first] == evidence.first[second]
        what = f"{label!r} and {other!r}: " + ("the same content" if same else how(score, mirrored, moved))
        severity = "error" if same else "warning"
        found.append(data.finding("two_labels", severity, what, second, first, score=score))
    if not found:
        return [fine("two_labels", "No picture has two labels.")]
    found.sort(key=lambda one: -(one.score or 0))
    n_same = sum(one.severity == "error" for one in found)
    pairs_found = f"{count(len(found), 'pair')} of images that show the same"
    summary = f"{pairs_found} differ in label, {n_same:,} of them byte for byte."
    advice = "One of the two labels is wrong, or nobody can tell: correct it, or leave both images out."
    return [Check("two_labels", "error" if n_same else "warning", summary, advice, tuple(found))]


def with_copies(evidence: Evidence) -> Pairs:
    """Return near duplicates, repeated for every exact copy, and pairs of equal content."""
    rows = np.flatnonzero(evidence.first >= 0)
    copies: dict[int, list[int]] = {}
    for row in rows.tolist():
        copies.setdefault(int(evidence.first[row]), []).append(row)
    found = [(members[0], row, 1.0, False, 0.0) for members in copies.values() for row in members[1:]]
    for first, second, *more in zip(*(column.tolist() for column in evidence.pairs), strict=True):
        found += [
            (min(a, b), max(a, b), *more)
            for a in copies.get(first, [first])
            for b in copies.get(second, [second])
        ]
    columns = list(zip(*found, strict=True)) or [()] * 5
    kinds = (np.int64, np.int64, np.float64, np.bool_, np.float64)
    return Pairs(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))

"""The check of classes: how many images each has."""

from __future__ import annotations

from collections import Counter

from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import Check, Finding, count, fine
from transferkit.errors import quoted

_FEW = 20  # images; fewer give figures that say nothing
_UNEVEN = 10  # times as many images in the largest class as in the smallest


def check_classes(evidence: Evidence) -> list[Check]:
    """Return checks of the number of images per class."""
    data = evidence.data
    if data.kind != "classes":
        return []
    train = Counter(data.labels[row] for row in evidence.train.tolist())
    tested = [
        row for row in evidence.readable.tolist() if row >= data.n_train and data.labels[row] is not None
    ]
    test = Counter(data.labels[row] for row in tested)
    checks = [_balance(train, test)]
    if unknown := sorted(set(test) - set(train), key=str):
        findings = tuple(
            Finding(
                "unknown_class", "error", f"{count(test[label], 'image')} of the test", "test", label=label
            )
            for label in unknown
        )
        summary = f"The test has {quoted(unknown)}, which no image to train on has."
        checks.append(
            Check("unknown_class", "error", summary, "No model can predict it: add images.", findings)
        )
    return checks


def _balance(train: Counter[object], test: Counter[object]) -> Check:
    """Return which classes have few images."""
    most = max(train.values(), default=0)
    findings = [
        Finding("class_balance", "warning" if n < _FEW else "note", f"{count(n, 'image')} to train on",
                label=label, score=float(n))
        for label, n in sorted(train.items(), key=lambda one: one[1])
        if n < _FEW or most >= _UNEVEN * n
    ]  # fmt: skip
    if test:
        findings += [
            Finding("class_balance", "note", f"{count(test.get(label, 0), 'image')} in the test", "test",
                    label=label, score=float(test.get(label, 0)))
            for label in sorted(train, key=str)
            if test.get(label, 0) < _FEW
        ]  # fmt: skip
    counts = sorted(train.values())
    whole = (
        f"{count(len(train), 'class', 'classes')} of {counts[0]:,} to {counts[-1]:,} images"
        if counts
        else "No images"
    )
    if not findings:
        return fine("class_balance", f"{whole}.")
    few = [repr(one.label) for one in findings if one.part == "train"]
    named = ", ".join(few[:5]) + (" and others" if len(few) > 5 else "")
    summary = f"{whole}; few are of {named}." if few else f"{whole}; the test has fewer than {_FEW} of some."
    advice = "Read balanced_accuracy and intervals; add images, or pass class_weight='balanced'."
    severity = "warning" if any(one.severity == "warning" for one in findings) else "note"
    return Check("class_balance", severity, summary, advice, tuple(findings))

"""The results of an audit: findings, one per image or fact, and checks, which hold all of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("error", "warning", "note", "fine")


@dataclass(frozen=True)
class Finding:
    """A single finding of an audit.

    Attributes
    ----------
    kind : str
        Kind of its check, such as "near_duplicate".
    severity : {"error", "warning", "note"}
        "error": evaluations or labels are wrong; "warning": they may be wrong; "note": worth a look.
    what : str
        Description of what was found.
    part : {"train", "test"}
        Where the image is.
    index : int or None
        Position in X, or in X_test; None for a finding that is not about a single image.
    path : str or None
        File of the image, as it was passed; None if the image is not a file.
    label : object
        Label of the image, or None.
    score : float or None
        Strength of the evidence; the check says what it measures. The strongest findings come first.
    suggested : object
        For a label issue, the label that other images suggest.
    other_part, other_index, other_path, other_label : optional
        The same for the other image of a pair.
    """

    kind: str
    severity: str
    what: str
    part: str = "train"
    index: int | None = None
    path: str | None = None
    label: Any = None
    score: float | None = None
    suggested: Any = None
    other_part: str | None = None
    other_index: int | None = None
    other_path: str | None = None
    other_label: Any = None


@dataclass(frozen=True)
class Check:
    """The findings of one kind, and what to do about them.

    Attributes
    ----------
    kind : str
        Name of the check, such as "near_duplicate".
    severity : {"error", "warning", "note", "fine"}
        "fine" if nothing was found.
    summary : str
        What was found, in one sentence.
    advice : str
        What to do about it; empty if there is nothing to do.
    findings : tuple of Finding
        The findings, most important first.
    """

    kind: str
    severity: str
    summary: str
    advice: str = ""
    findings: tuple[Finding, ...] = ()


def fine(kind: str, summary: str) -> Check:
    """Return a check that found nothing."""
    return Check(kind, "fine", summary)


def by_severity(checks: Sequence[Check]) -> list[Check]:
    """Return checks, the most severe first, otherwise in their order."""
    return sorted(checks, key=lambda check: SEVERITIES.index(check.severity))


def count(n: int, one: str, several: str = "") -> str:
    """Return a number with its noun."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def share(part: float, whole: float) -> str:
    """Return a share in percent, without rounding a small share to 0 or a large one to 100."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent % 1 else f"{percent:.0f} %"

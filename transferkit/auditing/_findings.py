"""What an audit finds: findings, one for each image or fact, and checks, which hold those of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SEVERITIES = ("error", "warning", "note", "fine")


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes
    ----------
    kind : str
        Such as "near_duplicate"; that of its check.
    severity : {"error", "warning", "note"}
        "error": figures or labels are wrong; "warning": they may be; "note": worth a look.
    what : str
        What was seen, in words.
    part : {"train", "test"}
    index : int or None
        Position in X, or in the X of the test; None for what concerns no single image.
    path : str or None
        Its file, as it was passed; None for what is no file.
    label : object
        Its label, or None.
    score : float or None
        The evidence, as a number; its check says which. Findings of a check come with the strongest first.
    suggested : object
        For a label issue, the label that other images suggest.
    other_part, other_index, other_path, other_label : optional
        The other image of a pair.
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
    severity : {"error", "warning", "note", "fine"}
        "fine" where nothing was found.
    summary : str
        What was found, in one sentence.
    advice : str
        What to do; empty where there is nothing.
    findings : tuple of Finding
        Those that matter most first.
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
    """Return checks, the gravest first, otherwise in their order."""
    return sorted(checks, key=lambda check: SEVERITIES.index(check.severity))


def count(n: int, one: str, several: str = "") -> str:
    """Return a number with its noun."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def share(part: float, whole: float) -> str:
    """Return a share in percent, without claiming 0 or 100 where it is neither."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    return f"{percent:.1f} %" if percent % 1 else f"{percent:.0f} %"

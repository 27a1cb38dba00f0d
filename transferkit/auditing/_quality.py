"""Checks of single images (unreadable, tiny, blank, blurred), and a summary of the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import Check, count, fine, share
from transferkit.foundation.tables import Table

_SMALL = 4  # an image is tiny if the backbone sees it enlarged by more than this factor
_FLAT = 3.0  # grey levels of standard deviation on a square of 128 pixels
_BLUR_GAP = 3.5  # robust standard deviations below the median, of the logarithm of sharpness
_NORMAL = 1.4826  # median absolute deviation -> standard deviation


def check_files(evidence: Evidence) -> list[Check]:
    """Return checks of all images."""
    numbers, size = evidence.looks.numbers, evidence.image_size
    side = np.minimum(numbers["width"], numbers["height"])
    tiny = side < size / _SMALL
    blank = numbers["contrast"] < _FLAT
    blurred = _blurred(numbers["sharpness"]) & ~blank & ~tiny
    return [
        _unreadable(evidence),
        _each(
            evidence, "tiny", "warning", tiny, side,
            lambda row: f"{numbers['width'][row]:.0f} x {numbers['height'][row]:.0f} pixels",
            f"have a side under {size // _SMALL} pixels; the backbone sees {size}",
            "Find larger originals; what is enlarged so much looks like nothing the backbone knows.",
        ),
        _each(
            evidence, "blank", "warning", blank, numbers["contrast"],
            lambda row: f"grey {numbers['brightness'][row]:.0f} +- {numbers['contrast'][row]:.1f} of 255",
            "show next to nothing", "Look at them and leave them out.",
        ),
        _each(
            evidence, "blurred", "note", blurred, numbers["sharpness"],
            lambda row: f"sharpness {numbers['sharpness'][row]:.2g}, where the median is "
            f"{np.nanmedian(numbers['sharpness']):.2g}",
            "are far less sharp than the others", "Look at them; leave out what nobody could label.",
        ),
    ]  # fmt: skip


def _unreadable(evidence: Evidence) -> Check:
    if not evidence.failures:
        return fine("unreadable", "All images can be read.")
    findings = tuple(
        evidence.data.finding("unreadable", "warning", f"{error.reason} {error.hint}".strip(), row)
        for row, error in sorted(evidence.failures.items())
    )
    kinds = ", ".join(
        f"{n} {kind}" for kind, n in Counter(e.category for e in evidence.failures.values()).most_common()
    )
    summary = f"{len(findings):,} of {count(len(evidence.data), 'image')} cannot be read ({kinds})."
    return Check("unreadable", "warning", summary, "Replace or remove them; fit leaves them out.", findings)


def _each(
    evidence: Evidence,
    kind: str,
    severity: str,
    chosen: NDArray[np.bool_],
    order: NDArray[np.float64],
    describe: Callable[[int], str],
    what: str,
    advice: str,
) -> Check:
    """Return the check with the chosen images, ordered by a number, the smallest first."""
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return fine(kind, f"No images {what}.")
    rows = rows[np.argsort(order[rows], kind="stable")]
    findings = tuple(
        evidence.data.finding(kind, severity, describe(row), row, score=float(order[row]))
        for row in rows.tolist()
    )
    n = len(evidence.data)
    return Check(
        kind,
        severity,
        f"{len(rows):,} of {count(n, 'image')} ({share(len(rows), n)}) {what}.",
        advice,
        findings,
    )


def _blurred(sharpness: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which images are far less sharp than the others, if there are enough images to tell."""
    known = np.log(np.maximum(sharpness, 1e-9))
    if np.isfinite(known).sum() < 20:
        return np.zeros(len(sharpness), bool)
    middle = np.nanmedian(known)
    spread = _NORMAL * np.nanmedian(np.abs(known - middle))
    # If all images are about equally sharp, outliers may be invisible: require less than a third, too.
    return known < min(middle - _BLUR_GAP * spread, middle - np.log(3))


def file_table(evidence: Evidence) -> Table:
    """Return a summary of the files, with a row for each label and part."""
    data, numbers, words = evidence.data, evidence.looks.numbers, evidence.looks.words
    rows: dict[tuple[str, str], list[int]] = {}
    for row in evidence.readable.tolist():
        of_class = str(data.labels[row]) if data.kind == "classes" and data.labels[row] is not None else ""
        rows.setdefault((data.part(row), of_class), []).append(row)
    lines = []
    for (part, label), members in sorted(rows.items(), key=lambda one: (one[0][0] == "test", one[0][1])):
        size = [f"{np.median(numbers[side][members]):.0f}" for side in ("width", "height")]
        least = [f"{numbers[side][members].min():.0f}" for side in ("width", "height")]
        most = [f"{numbers[side][members].max():.0f}" for side in ("width", "height")]
        lines.append(
            [part, label, f"{len(members):,}", "x".join(size), f"{'x'.join(least)} to {'x'.join(most)}",
             _counted(words["format"][members]), _counted(words["mode"][members])]
        )  # fmt: skip
    header = ("part", "label", "images", "median size", "sizes", "formats", "modes")
    return Table(header, lines, title="Files", left=(0, 1, 4, 5, 6))


def _counted(words: Any, most: int = 4) -> str:
    counts = Counter(word or "?" for word in words.tolist()).most_common()
    shown = ", ".join(f"{n:,} {word}" for word, n in counts[:most])
    return shown + (f", {len(counts) - most} more" if len(counts) > most else "")

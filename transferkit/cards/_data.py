"""Section on the training data: images, groups, a digest of their contents, and what was left out."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cards._card import Section
from transferkit.foundation.tables import Table

_MOST_ROWS = 50


def about_data(estimator: Any) -> Section:
    """Return the section on the training data."""
    record, keys = estimator.training_, estimator.trained_on_
    facts: list[tuple[str, str]] = []
    if record is None:
        facts.append(("", "Not recorded: the model was saved by an earlier version."))
    else:
        facts += _counts(record)
    if keys is not None:
        contents = np.unique(keys)
        facts.append(("Different contents", f"{len(contents):,}"))
        facts.append(("Digest of the contents", f"SHA-256 {digest_of(contents)}"))
    tables = () if record is None else tuple(_tables(estimator.predictor_.task, record))
    return Section("Training data", tuple(facts), tables)


def digest_of(contents: NDArray[np.uint64]) -> str:
    """Return a digest of the contents of all images, independent of their order."""
    return hashlib.sha256(np.unique(contents).astype("<u8").tobytes()).hexdigest()


def _counts(record: Any) -> list[tuple[str, str]]:
    facts = [("Date of the fit", f"{record.date} (UTC)"), ("Images", f"{record.n_images:,}")]
    facts.append(("Groups", "not given" if record.n_groups is None else f"{record.n_groups:,}"))
    if record.left_out:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(record.left_out.items()))
        facts.append(("Left out, unreadable", kinds))
    if record.n_unweighted:
        facts.append(("Left out, of weight 0", f"{record.n_unweighted:,}"))
    if record.weighted:
        facts.append(("Weights of images", "given, and not all the same"))
    if record.n_held_out:
        facts.append(("Held out to stop the training", f"{record.n_held_out:,} of the images"))
    if record.n_validation is not None:
        facts.append(("Validation data of the caller", f"{record.n_validation:,} other images"))
    return facts


def _tables(task: Any, record: Any) -> list[Table]:
    n, counts = record.n_images, record.counts.tolist()
    if task.kind in ("classes", "labels"):
        rows = [
            [str(label), f"{count:,}", f"{count / n:.1%}"]
            for label, count in zip(task.labels.tolist(), counts, strict=True)
        ]
        return [_short(("class" if task.kind == "classes" else "label", "images", "share"), rows)]
    if task.kind == "points":
        if min(counts) == n:
            return []
        rows = [[str(point), f"{count:,}", f"{count / n:.1%}"] for point, count in enumerate(counts)]
        return [_short(("point", "images that have it", "share"), rows)]
    names = getattr(task, "names", None) or [f"output {i}" for i in range(task.n_outputs)]
    rows = [
        [str(name), f"{count:,}", f"{low:.6g}", f"{high:.6g}"]
        for name, count, low, high in zip(names, counts, *record.bounds.tolist(), strict=True)
    ]
    return [_short(("number", "images", "smallest", "largest"), rows)]


def _short(header: tuple[str, ...], rows: list[list[str]]) -> Table:
    left = len(rows) - _MOST_ROWS
    return Table(header, rows[:_MOST_ROWS], notes=[f"And {left:,} more."] if left > 0 else [])

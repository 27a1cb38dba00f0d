"""Pairs of images that show the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.plots._axes import check_count, message_panel, new_grid
from transferkit.plots._panels import show_images
from transferkit.plots._text import as_text, caption_of


def plot_duplicates(
    report: Any, *, across: bool | None = None, n: int = 12, columns: int = 3, ax: Any = None
) -> Any:
    """Plot pairs of images that show the same, the least similar first, which may be false alarms.

    Parameters
    ----------
    report : AuditReport
        Result of :func:`transferkit.audit`; or any object with its ``pairs``, ``images``, ``labels`` and
        ``n_train``.
    across : bool, optional
        With True, plot only pairs of a training and a test image; with False, only pairs within either.
    n : int, default=12
        Maximum number of pairs.
    columns : int, default=3
        Number of pairs in a row.
    ax : array of matplotlib Axes, optional
        Two per pair; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (2 * pairs,)
        A single panel with a message if there are no pairs.

    Raises
    ------
    InvalidInputError
        ``n`` or ``columns`` is not a positive integer.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed.
    """
    n, columns = check_count(n, "n"), check_count(columns, "columns")
    pairs, n_train = report.pairs, report.n_train
    crosses = (np.asarray(pairs.first) < n_train) != (np.asarray(pairs.second) < n_train)
    wanted = np.ones(len(crosses), bool) if across is None else crosses == across
    shown = np.flatnonzero(wanted)
    shown = shown[np.argsort(np.asarray(pairs.score)[shown], kind="stable")][:n]
    if not len(shown):
        return message_panel(ax, "No duplicates")
    rows: list[int] = []
    titles: list[str] = []
    for pair in shown.tolist():
        both = int(pairs.first[pair]), int(pairs.second[pair])
        rows += both
        how = f"{pairs.score[pair]:.2f}{', mirrored' if pairs.mirrored[pair] else ''}"
        titles += [_title(report, both[0], ""), _title(report, both[1], how)]
    axes = new_grid(len(rows), ax, columns=2 * columns, width=1.75, height=2.3)
    images = [report.images[row] for row in rows]
    captions = [caption_of(image, f"#{row}") for image, row in zip(images, rows, strict=True)]
    show_images(axes, images, titles, captions, of=report)
    return axes


def _title(report: Any, row: int, how: str) -> str:
    part = "train" if row < report.n_train else "test"
    label = report.labels[row]
    return f"{part}{'' if label is None else ': ' + as_text(label, 14)}\n{how}"

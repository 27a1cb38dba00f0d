"""Images whose labels are doubtful."""

from __future__ import annotations

from typing import Any

from transferkit.plots._axes import check_count, message_panel, new_grid
from transferkit.plots._panels import show_images
from transferkit.plots._text import as_text, caption_of


def plot_label_issues(report: Any, *, n: int = 12, columns: int = 4, ax: Any = None) -> Any:
    """Plot images whose labels are doubtful, the most doubtful first.

    Parameters
    ----------
    report : AuditReport
        Result of :func:`transferkit.audit`; or any object with ``images`` and ``findings``, of which those of
        kind ``"label_issue"`` have ``index``, ``label``, ``suggested`` and ``score``.
    n : int, default=12
        Maximum number of images.
    columns : int, default=4
        Number of images in a row.
    ax : array of matplotlib Axes, optional
        One per image; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        A single panel with a message if no label is doubtful.

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
    issues = [finding for finding in report.findings if finding.kind == "label_issue"][:n]
    if not issues:
        return message_panel(ax, "No doubtful labels")
    images = [report.images[one.index] for one in issues]
    titles = [
        f"Label: {as_text(one.label, 18)} ({one.score:.0%})\nSuggested: {as_text(one.suggested, 18)}"
        for one in issues
    ]
    captions = [caption_of(image, f"#{one.index}") for image, one in zip(images, issues, strict=True)]
    axes = new_grid(len(issues), ax, columns=columns, width=2.4, height=2.9)
    show_images(axes, images, titles, captions, of=report)
    return axes

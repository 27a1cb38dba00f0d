"""Images to label next."""

from __future__ import annotations

from typing import Any

from transferkit.plots._axes import check_count, message_panel, new_grid
from transferkit.plots._panels import show_images
from transferkit.plots._text import as_text, caption_of


def plot_to_label(suggestions: Any, *, n: int = 20, columns: int = 5, ax: Any = None) -> Any:
    """Plot images to label next, the most useful first, each with its predicted label.

    Parameters
    ----------
    suggestions : Suggestions
        Result of :func:`transferkit.next_to_label`; or any object with its ``images``, ``probabilities`` and
        ``items``, which have ``index`` and ``predicted``.
    n : int, default=20
        Maximum number of images.
    columns : int, default=5
        Number of images in a row.
    ax : array of matplotlib Axes, optional
        One per image; by default a new figure.

    Returns
    -------
    ndarray of matplotlib Axes, shape (panels,)
        A single panel with a message if there is nothing to label.

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
    items = suggestions.items[:n]
    if not items:
        return message_panel(ax, "Nothing to label")
    titles = []
    for rank, (item, chances) in enumerate(zip(items, suggestions.probabilities, strict=False), 1):
        several = isinstance(item.predicted, tuple)
        name = ", ".join(map(str, item.predicted)) or "none" if several else item.predicted
        sure = "" if several else f" ({max(chances):.0%})"
        titles.append(f"{rank}. {as_text(name, 16)}{sure}?")
    images = list(suggestions.images[:n])
    captions = [caption_of(image, f"#{item.index}") for image, item in zip(images, items, strict=True)]
    axes = new_grid(len(items), ax, columns=columns, width=1.9, height=2.2)
    show_images(axes, images, titles, captions, of=suggestions)
    return axes

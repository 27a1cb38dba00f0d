"""Compare new images with the training images of a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.plots._axes import COLOURS, new_grid
from transferkit.plots._text import as_texts, use_fonts

_BINS = 20
_MOST_CLASSES = 12


def plot_drift(report: Any, *, ax: Any = None) -> Any:
    """Plot the novelty of new images, and the share of each predicted class.

    Parameters
    ----------
    report : DriftReport
        Result of :func:`transferkit.drift`.
    ax : array of matplotlib Axes, optional
        Two Axes, or one for a model without classes; by default a new figure.

    Returns
    -------
    array of matplotlib Axes
        A histogram of novelty, with a level line for images like the training images; and the shares of
        predicted classes, for new and for held-out training images, of the twelve classes at most that
        changed most.

    Raises
    ------
    InvalidInputError
        The report has no novelty.
    MissingDependencyError
        matplotlib is not installed.
    """
    novelty = np.asarray(getattr(report, "novelty", ()), dtype=np.float64)
    if novelty.ndim != 1 or not len(novelty):
        raise InvalidInputError(f"report must be what drift() returns, with novelty. Got {report!r:.200}.")
    shares, before = dict(getattr(report, "shares", {})), dict(getattr(report, "shares_before", {}))
    axes = new_grid(2 if shares else 1, ax, columns=2, width=4.4, height=3.4)
    _plot_novelty(axes[0], novelty)
    if shares:
        _plot_shares(axes[1], shares, before)
    use_fonts(axes)
    return axes


def _plot_novelty(ax: Any, novelty: Any) -> None:
    edges = np.linspace(0, 1, _BINS + 1)
    counts = np.histogram(novelty, edges)[0] / len(novelty)
    ax.bar(edges[:-1], counts, width=1 / _BINS, align="edge", color=COLOURS[0], edgecolor="white")
    ax.axhline(1 / _BINS, color=COLOURS[1], label="images like those to train on")
    ax.set(xlim=(0, 1), xlabel="Novelty", ylabel="Share of the images")
    ax.yaxis.set_major_formatter("{x:.0%}")
    ax.legend(fontsize="small")


def _plot_shares(ax: Any, shares: dict[Any, float], before: dict[Any, float]) -> None:
    changed = sorted(shares, key=lambda label: -abs(shares[label] - before.get(label, 0.0)))[:_MOST_CLASSES]
    labels = [label for label in shares if label in changed][::-1]
    places = np.arange(len(labels))
    bars = ((0.2, before, "held-out training images", "0.7"), (-0.2, shares, "these images", COLOURS[0]))
    for move, values, name, colour in bars:
        ax.barh(places + move, [values.get(label, 0.0) for label in labels], 0.38, color=colour, label=name)
    ax.set_yticks(places, as_texts(labels))
    ax.set(xlabel="Share of the predictions", ylim=(-0.6, len(labels) - 0.4 + 0.6))
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.legend(fontsize="small", loc="upper right")

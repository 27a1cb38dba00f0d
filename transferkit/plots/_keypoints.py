"""Keypoints on images."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.images import as_image_list, is_single_image
from transferkit.keypoints import GROUPS, MIRROR_PAIRS, N_FACE_POINTS, as_points
from transferkit.plots._axes import check_count, new_axes, new_grid
from transferkit.plots._panels import pair_up, show_images
from transferkit.plots._text import as_name

# Both sides of the face have the same colour; with a dark outline, light colours are visible on skin.
_REGION_COLOURS = {
    "jaw": "#56B4E9",
    "eyebrow": "#F0E442",
    "nose": "#009E73",
    "eye": "#E69F00",
    "mouth": "#FF8FC7",
}
_CLOSED = ("right_eye", "left_eye", "outer_mouth", "inner_mouth")
_OUTLINE = "#202020"


class _Panel(NamedTuple):
    image: Any
    points: NDArray[np.float64]
    truth: NDArray[np.float64] | None
    title: str = ""


def plot_keypoints(
    images: Any,
    points: Any = None,
    truth: Any = None,
    *,
    mirror_pairs: bool = False,
    skeleton: Any = (),
    n: int = 12,
    columns: int = 4,
    ax: Any = None,
) -> Any:
    """Plot keypoints on images, coloured by region; true points are white.

    Parameters
    ----------
    images : image, sequence of images or evaluation
        For the result of :func:`transferkit.evaluate`, images with the largest errors come first.
    points : array-like of shape (n_images, 2 k) or (n_images, k, 2), optional
        In pixels of each image, as returned by ``predict``; for a single image also (2 k,) or (k, 2). NaN
        is a missing point. Required unless an evaluation is given. The regions of 68 points are drawn as
        lines.
    truth : array-like of the same shape, optional
        True points.
    mirror_pairs : bool, default=False
        Connect mirror pairs; for 68 points only.
    skeleton : sequence of (int, int), default=()
        Pairs of points to connect by lines. The readers of :mod:`transferkit.datasets` return them as
        ``table.skeleton``.
    n : int, default=12
        Maximum number of images.
    columns : int, default=4
        Number of images in a row.
    ax : matplotlib Axes or array of them, optional
        One per image; by default a new figure.

    Returns
    -------
    matplotlib Axes, or ndarray of them
        A single Axes if a single image was passed.

    Raises
    ------
    InvalidInputError
        There are no images, the points do not fit, or mirror pairs are unknown.
    BadImageError
        An image cannot be read.
    MissingDependencyError
        matplotlib is not installed.
    """
    n, columns = check_count(n, "n"), check_count(columns, "columns")
    alone = not hasattr(images, "predicted") and is_single_image(images)
    panels = (
        _of_evaluation(images, n) if hasattr(images, "predicted") else _of(images, points, truth, alone, n)
    )
    if mirror_pairs and panels[0].points.shape[0] != N_FACE_POINTS:
        raise InvalidInputError(
            f"mirror_pairs=True needs the standard {N_FACE_POINTS} points of the face. "
            f"Got {len(panels[0].points)} points. Leave it out."
        )
    lines = _lines(skeleton, len(panels[0].points))
    if alone:
        axes = [new_axes(ax, width=4.0, height=4.0)]
    else:
        axes = new_grid(len(panels), ax, columns=columns, width=2.2, height=2.4)
    show_images(axes, [panel.image for panel in panels], [panel.title for panel in panels], of=images)
    for place, panel in zip(axes, panels, strict=True):
        _draw_points(place, panel, mirror_pairs, lines)
    if panels[0].truth is not None:
        axes[0].set_xlabel("white: true points", fontsize="small")
    return axes[0] if alone else axes


def _of(images: Any, points: Any, truth: Any, alone: bool, n: int) -> list[_Panel]:
    """Return the panels of images and their points."""
    if points is None:
        raise InvalidInputError("points are required with images. Pass the result of predict().")
    items = as_image_list(images)
    if alone:
        points = np.reshape(points, (1, -1, 2))
        truth = None if truth is None else np.reshape(truth, (1, -1, 2))
    found = as_points(points, name="points")
    pair_up(items, found, "points")
    true = None if truth is None else as_points(truth, name="truth")
    if true is not None and true.shape != found.shape:
        raise InvalidInputError(f"truth must have the same shape as points, {found.shape}. Got {true.shape}.")
    return [_Panel(items[i], found[i], None if true is None else true[i]) for i in range(min(n, len(items)))]


def _of_evaluation(evaluation: Any, n: int) -> list[_Panel]:
    """Return the panels of an evaluation, the largest errors first."""
    if evaluation.images is None:
        raise InvalidInputError("The evaluation has no images. Pass images and points instead.")
    items, errors = pair_up(evaluation.images, evaluation.errors, "errors")
    order = np.argsort(-np.nan_to_num(np.asarray(errors), nan=-1.0), kind="stable")[:n]
    return [
        _Panel(
            items[i],
            evaluation.predicted[i],
            evaluation.true[i],
            f"{as_name(evaluation.names[i], 20)}\nerror {errors[i]:.1%}",
        )
        for i in order
    ]


def _draw_points(ax: Any, panel: _Panel, mirror_pairs: bool, lines: list[tuple[int, int]]) -> None:
    """Draw the points of a panel on its image."""
    ax.autoscale(False)  # distant points must not shrink the image
    joined = len(panel.points) == N_FACE_POINTS
    if mirror_pairs:
        for pair in MIRROR_PAIRS:
            ax.plot(*panel.points[list(pair)].T, color="white", linewidth=0.6, alpha=0.8)
    for line in lines:
        ax.plot(*panel.points[list(line)].T, color=_REGION_COLOURS["jaw"], linewidth=1.5, alpha=0.9)
    if panel.truth is not None:
        for indices, _ in _regions(len(panel.truth)):
            _draw_region(ax, panel.truth[indices], "white", joined)
    for indices, colour in _regions(len(panel.points)):
        _draw_region(ax, panel.points[indices], colour, joined)


def _lines(skeleton: Any, n_points: int) -> list[tuple[int, int]]:
    """Return the pairs of points to connect."""
    try:
        lines = [(operator.index(a), operator.index(b)) for a, b in skeleton]
    except (TypeError, ValueError):
        lines = [(-1, -1)]
    if any(not 0 <= end < n_points for line in lines for end in line):
        raise InvalidInputError(
            f"skeleton must be pairs of points in 0..{n_points - 1}, such as ((0, 1), (1, 2)). "
            f"Got {skeleton!r}."
        )
    return lines


def _draw_region(ax: Any, points: NDArray[np.float64], colour: str, joined: bool) -> None:
    """Draw points (k, 2) with an outline that is visible on any background."""
    from matplotlib.patheffects import Normal, Stroke

    if joined:
        outline = [Stroke(linewidth=2.2, foreground=_OUTLINE), Normal()]  # 68 dots would hide the face
        ax.plot(*points.T, color=colour, linewidth=1.2, path_effects=outline)
    else:
        ax.plot(*points.T, "o", color=colour, markersize=4, markeredgecolor=_OUTLINE, markeredgewidth=0.5)


def _regions(n_points: int) -> list[tuple[list[int], str]]:
    """Return the points of each region in drawing order, and its colour."""
    if n_points != N_FACE_POINTS:
        return [(list(range(n_points)), _REGION_COLOURS["eye"])]
    return [
        (
            [*indices, *indices[: name in _CLOSED]],
            next(colour for part, colour in _REGION_COLOURS.items() if part in name),
        )
        for name, indices in GROUPS.items()
    ]

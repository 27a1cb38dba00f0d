"""Subjects with named points, as stored by labelling tools, and their conversion to a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.keypoints.files._places import per_image
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["Subject", "stated", "table_of"]


@dataclass
class Subject:
    """The points of a subject by name, in pixels, and left, top, right and bottom of its box."""

    image: Path
    points: dict[str, tuple[float, float]] = field(default_factory=dict)
    box: tuple[float, float, float, float] | None = None

    def add(self, name: str, x: Any, y: Any, where: str, problems: list[str]) -> None:
        """Add a point, or what is wrong with it to the problems."""
        if name in self.points:
            problems.append(
                f"{where} has two points {name!r} of one subject; delete one, or give each subject a group"
            )
        elif not all(isinstance(value, int | float) and np.isfinite(value) for value in (x, y)):
            problems.append(f"{where} has no finite numbers for point {name!r}")
        else:
            self.points[name] = (float(x), float(y))


def table_of(
    subjects: Sequence[Subject], source: object, names: Sequence[str] | None, **more: Any
) -> KeypointTable:
    """Return the table of all subjects with a point.

    By default, all names are used, in the order of first appearance.
    """
    labelled = [subject for subject in subjects if subject.points]
    if not labelled:
        raise InvalidInputError(f"{source} has no labelled point.")
    found = dict.fromkeys(name for subject in labelled for name in subject.points)
    if names is not None and (unknown := [name for name in found if name not in names]):
        raise InvalidInputError(
            f"names must have all points of {source}: {quoted(found)}. It lacks {quoted(unknown)}."
        )
    order = {name: index for index, name in enumerate(found if names is None else names)}
    points = np.full((len(labelled), len(order), 2), np.nan)
    boxes = np.full((len(labelled), 4), np.nan)
    for row, subject in enumerate(labelled):
        for name, place in subject.points.items():
            points[row, order[name]] = place
        if subject.box is not None:
            boxes[row] = subject.box
    paths = [subject.image for subject in labelled]
    return KeypointTable(
        paths,
        points,
        names=tuple(order),
        boxes=boxes if np.isfinite(boxes).any() else None,
        groups=per_image([path.as_posix() for path in paths]),
        **more,
    )


def stated(third: npt.NDArray[np.float64], path: object) -> dict[str, npt.NDArray[Any]]:
    """Return the third value of each point (n, k) as visibility or likelihood, whichever it is.

    Labelling tools write a visibility of 0, 1 or 2; models write a likelihood between 0 and 1.
    """
    if np.isin(third, (0, 1, 2)).all():
        return {"visibility": third.astype(np.int64)}
    if ((third >= 0) & (third <= 1)).all():
        return {"likelihood": third}
    wrong = third[~np.isin(third, (0, 1, 2)) & ~((third >= 0) & (third <= 1))][0]
    raise InvalidInputError(
        f"{path}: the third value of a point must be its visibility (0, 1 or 2), or its likelihood (0..1, of "
        f"all points). Got {wrong:g}."
    )

"""Interpret the columns of a plain CSV file by its header.

A header that names x and y of some point must name them for all points. Otherwise other columns, such as a
likelihood or an age, would be taken as points, and shift all points after them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import is_missing
from transferkit.keypoints.files._places import is_image_name

__all__ = ["Columns", "number"]

_BOX = ("box_left", "box_top", "box_right", "box_bottom")
_COUNTERS = re.compile(r"(unnamed.*|index|id|)$")  # columns of row numbers, as pandas and R write them
# nose_x, nose.x, "nose x", noseX; x_nose; and x0, of points without names
_TITLES = (
    re.compile(r"(?P<name>.*?)[ _.\-]?(?P<axis>[xyXY])$"),
    re.compile(r"(?P<axis>[xyXY])[ _.\-](?P<name>.*)$"),
    re.compile(r"(?P<axis>[xyXY])(?P<name>\d+)$"),
)


def number(cell: str) -> float:
    """Return the value of a cell; NaN if it marks a missing one, infinity if it is not a number."""
    text = cell.strip()
    if is_missing(text):
        return np.nan
    try:
        return np.inf if "_" in text else float(text)  # Python reads 1_2 as 12
    except ValueError:
        return np.inf


@dataclass(frozen=True)
class Columns:
    """Positions of the columns, names of points, and group and individual of each row."""

    file: int
    points: list[int]
    box: list[int]
    names: tuple[str, ...] | None
    groups: npt.NDArray[np.str_] | None
    individuals: npt.NDArray[np.str_] | None

    @classmethod
    def of(cls, path: Path, header: list[str] | None, rows: list[tuple[int, list[str]]]) -> Columns:
        """Interpret the header; without one, all columns after the file name are points."""
        first, row = rows[0]
        file = next((column for column, cell in enumerate(row) if is_image_name(cell)), 0)
        titles = _titles(path, header, rows[0])
        known = [title.lower() for title in titles]
        group = known.index("group") if "group" in known else None
        individual = known.index("individual") if "individual" in known else None
        box = [known.index(side) for side in _BOX] if set(_BOX) <= set(known) else []
        counters = [
            column for column in range(file) if column < len(known) and _COUNTERS.match(known[column])
        ]
        taken = {file, group, individual, *box, *counters}
        points = [column for column in range(len(row)) if column not in taken]
        if not points or len(points) % 2:
            raise InvalidInputError(
                f"{path}: each row must have a file name and an even number of values, x0, y0, x1, y1, ..., "
                f"separated by commas, semicolons or tabs. Row {first} has {len(row)} cell(s)"
                + (f", of which {len(points)} are coordinates." if len(row) > 1 else ".")
            )
        names = None
        if titles:
            names, order = _named([titles[column] for column in points], path)
            points = [points[place] for place in order]
        return cls(file, points, box, names, _text(rows, group), _text(rows, individual))


def _titles(path: Path, header: list[str] | None, first: tuple[int, list[str]]) -> list[str]:
    """Return the title of each column; none without a header, or if it is a title of the whole table."""
    titles = [cell.strip() for cell in header or []]
    place, row = first
    if len(titles) == len(row) - 1:
        return ["", *titles]  # R writes no title above the names of its rows
    while len(titles) > len(row) and not titles[-1]:
        titles.pop()
    if len(titles) == len(row):
        return titles
    known = {"group", "individual", *_BOX}.intersection(title.lower() for title in titles)
    if known or any(_axes(titles, form) for form in _TITLES):
        raise InvalidInputError(
            f"{path}: the header must have a title for each column. It has {len(titles)}, but row {place} "
            f"has {len(row)} cells. Add the titles that are missing, or delete the cells without a title."
        )
    return []


def _text(rows: list[tuple[int, list[str]]], column: int | None) -> npt.NDArray[np.str_] | None:
    """Return the cells of a column."""
    if column is None:
        return None
    return np.array(
        [cells[column].strip() if len(cells) > column else "" for _, cells in rows], dtype=np.str_
    )


def _named(titles: list[str], path: Path) -> tuple[tuple[str, ...] | None, list[int]]:
    """Return the names of points, if titles name them, and the columns in the order x, y of each point."""
    forms = [_axes(titles, form) for form in _TITLES]
    axes, form = max(zip(forms, _TITLES, strict=True), key=lambda one: len(one[0]))
    as_they_are = list(range(len(titles)))
    if not axes:
        sides = [title.lower() for title in titles]
        if set(sides) == {"x", "y"} and sides != ["x", "y"] * (len(sides) // 2):
            raise InvalidInputError(
                f"{path}: columns of points without names must be x, y, x, y, ... Got {', '.join(titles)}. "
                "Change their order, or name the points, as in nose_x and nose_y."
            )
        return None, as_they_are
    columns = [column for pair in axes.values() for column in pair.values()]
    if len(columns) < len(titles):
        others = [title for column, title in enumerate(titles) if column not in columns]
        raise InvalidInputError(
            f"{path}: the header names x and y of {len(axes)} point(s), and {quoted(others)}. All columns "
            "must be of points, but for file, group, individual and the four of a box. Delete the others."
        )
    for pair in axes.values():
        if pair["y"] < pair["x"]:
            raise InvalidInputError(
                f"The columns of a point must be x and then y. Got {titles[pair['y']]!r} and then "
                f"{titles[pair['x']]!r}. Swap them."
            )
    names = tuple(axes) if form is not _TITLES[2] and all(axes) else None
    return names, [pair[axis] for pair in axes.values() for axis in "xy"]


def _axes(titles: list[str], form: re.Pattern[str]) -> dict[str, dict[str, int]]:
    """Return the columns of x and y by name, for points that have each of them once."""
    found: dict[str, dict[str, list[int]]] = {}
    for column, title in enumerate(titles):
        if match := form.match(title):
            axes = found.setdefault(match["name"], {"x": [], "y": []})
            axes[match["axis"].lower()].append(column)
    return {
        name: {axis: columns[0] for axis, columns in axes.items()}
        for name, axes in found.items()
        if all(len(columns) == 1 for columns in axes.values())
    }

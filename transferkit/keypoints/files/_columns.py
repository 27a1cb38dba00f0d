"""What the columns of a plain CSV file are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.keypoints.files._places import is_image_name

__all__ = ["Columns", "number"]

_MISSING = {"", "na", "n/a", "nan", "none", "null"}
_BOX = ("box_left", "box_top", "box_right", "box_bottom")
_COUNTERS = re.compile(r"(unnamed.*|index|id|)$")  # of rows, as pandas and R write them
# nose_x, nose.x, "nose x", noseX; and x_nose
_AXIS_LAST = re.compile(r"(.*?)[ _.\-]?([xyXY])$")
_AXIS_FIRST = re.compile(r"([xyXY])[ _.\-](.*)$")


def number(cell: str) -> float:
    """Return the value of a cell; NaN if it says that there is none, infinity if it is not a number."""
    text = cell.strip()
    if text.lower() in _MISSING:
        return np.nan
    try:
        return np.inf if "_" in text else float(text)  # Python reads 1_2 as 12
    except ValueError:
        return np.inf


@dataclass(frozen=True)
class Columns:
    """Positions of the columns, names of points, and the group of each row."""

    file: int
    points: list[int]
    box: list[int]
    names: tuple[str, ...] | None
    groups: npt.NDArray[np.str_] | None

    @classmethod
    def of(cls, path: Path, header: list[str] | None, rows: list[tuple[int, list[str]]]) -> Columns:
        """Return what the header says of the columns; without one, all after the file name are points."""
        first, row = rows[0]
        file = next((column for column, cell in enumerate(row) if is_image_name(cell)), 0)
        titles = [cell.strip() for cell in header or []]
        known = [title.lower() for title in titles]
        group = known.index("group") if "group" in known else None
        box = [known.index(side) for side in _BOX] if set(_BOX) <= set(known) else []
        counters = [
            column for column in range(file) if column < len(known) and _COUNTERS.match(known[column])
        ]
        taken = {file, group, *box, *counters}
        points = [column for column in range(len(row)) if column not in taken]
        if not points or len(points) % 2:
            raise InvalidInputError(
                f"{path}: each row must have a file name and an even number of values, x0, y0, x1, y1, ..., "
                f"separated by commas, semicolons or tabs. Row {first} has {len(row)} cell(s)"
                + (f", of which {len(points)} are coordinates." if len(row) > 1 else ".")
            )
        if header is not None and len(titles) not in (len(row), len(row) - 1):
            titles = []  # a title line, which names nothing
        names = _names([titles[column] for column in points]) if len(titles) == len(row) else None
        groups = None
        if group is not None:
            groups = np.array(
                [cells[group].strip() if len(cells) > group else "" for _, cells in rows], dtype=np.str_
            )
        return cls(file, points, box, names, groups)


def _names(titles: list[str]) -> tuple[str, ...] | None:
    """Return the names of points from the titles of their two columns; None if they name none."""
    names = []
    for x, y in zip(titles[::2], titles[1::2], strict=True):
        for pattern, axis, name in ((_AXIS_LAST, 2, 1), (_AXIS_FIRST, 1, 2)):
            found = pattern.match(x), pattern.match(y)
            if found[0] and found[1] and found[0][name] == found[1][name]:
                axes = found[0][axis].lower() + found[1][axis].lower()
                if axes != "xy":
                    raise InvalidInputError(
                        f"The columns of a point must be x and then y. Got {x!r} and then {y!r}. Swap them."
                    )
                names.append(found[0][name])
                break
        else:
            return None
    return tuple(names) if all(names) and len(set(names)) == len(names) else None

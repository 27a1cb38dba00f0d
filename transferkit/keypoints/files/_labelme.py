"""Read files of LabelMe, one JSON file per image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transferkit.errors import InvalidInputError
from transferkit.images import raise_problems
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import check_different, check_sizes, laid_out, read_json
from transferkit.keypoints.files._subjects import Subject, table_of
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_labelme"]


def read_labelme(path: str | os.PathLike[str], *, names: Sequence[str] | None = None) -> KeypointTable:
    """Read keypoints from LabelMe, with a row for each subject.

    Parameters
    ----------
    path : path
        A JSON file, or a folder of JSON files. Shapes of type "point" are points, named by their label; those
        with the same ``group_id`` are one subject, and a "rectangle" with this id is its box. Of several
        rectangles without an id, none is a box.
    names : sequence of str, optional
        Names of the points to read, in this order; by default all, in the order of first appearance.

    Returns
    -------
    KeypointTable
        Points that are not labelled in an image are missing. Images without any points are left out.

    Raises
    ------
    InvalidInputError
        If there are no files, one is not LabelMe's, its image is not found or has another size than stated,
        or a subject has a point twice.

    Examples
    --------
    >>> table = read_labelme("labels")  # doctest: +SKIP
    >>> table.names                     # doctest: +SKIP
    ('left_eye', 'right_eye', 'nose')
    """
    path = Path(path)
    refuse_others(path, "LabelMe")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path] if path.is_file() else []
    if not files:
        raise InvalidInputError(
            f"Expected a JSON file of LabelMe, or a folder of them. There is none at {path}."
        )
    problems: list[str] = []
    subjects: list[Subject] = []
    images: list[_Image] = []
    for file in files:
        with laid_out(file, "LabelMe"):
            subjects += _subjects(file, images, problems)
    check_different([image.stated for image in images], [image.path for image in images], problems)
    raise_problems(path, problems)
    check_sizes([image.path for image in images], [image.size for image in images], problems)
    raise_problems(path, problems)
    return table_of(subjects, path, names)


class _Image(NamedTuple):
    """The image of a file: its name in the file, its path, and the stated size."""

    stated: str
    path: Path
    size: tuple[Any, Any]


def _subjects(file: Path, images: list[_Image], problems: list[str]) -> list[Subject]:
    """Return the subjects in one file, and append its image to the others."""
    content = read_json(file)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    name = content.get("imagePath") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not isinstance(name, str):
        problems.append(f"{file.name} is not a file of LabelMe; it needs 'shapes' and 'imagePath'")
        return []
    image = file.parent / name.replace("\\", "/")
    if not image.is_file() and not (image := file.parent / image.name).is_file():
        problems.append(f"{file.name} is of the image {name!r}, which is not there")
    images.append(_Image(name, image, (content.get("imageWidth"), content.get("imageHeight"))))
    found: dict[Any, Subject] = {}
    boxes: dict[Any, list[tuple[float, float, float, float]]] = {}
    for shape in shapes:
        subject = found.setdefault(shape.get("group_id"), Subject(image))
        corners = shape.get("points") or []
        if shape.get("shape_type") == "point" and len(corners) == 1:
            x, y = corners[0]
            subject.add(str(shape.get("label")), x, y, file.name, problems)
        elif shape.get("shape_type") == "rectangle" and len(corners) in (2, 4):
            xs, ys = zip(*corners, strict=True)
            boxes.setdefault(shape.get("group_id"), []).append((min(xs), min(ys), max(xs), max(ys)))
    for group, around in boxes.items():
        if len(around) == 1:
            found[group].box = around[0]
        elif group is not None and found[group].points:  # without an id, nothing tells which is the box
            problems.append(
                f"{file.name} has {len(around)} rectangles of the subject {group}; keep the one that is its "
                "box"
            )
    return list(found.values())

"""Read datasets for the pose models of YOLO: ``data.yaml``, and a text file per image.

sleap-io has a reader, too, but for folders as it writes them (``train/images``), not as documented by
Ultralytics (``images/train``).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, MissingDependencyError, quoted
from transferkit.foundation.arguments import is_count
from transferkit.images import image_files, raise_problems
from transferkit.keypoints._names import Pairs
from transferkit.keypoints.files._columns import number
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import checked_file, image_size, per_image
from transferkit.keypoints.files._subjects import stated
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_yolo_pose"]


def read_yolo_pose(path: str | os.PathLike[str], *, split: str = "train") -> KeypointTable:
    """Read keypoints in the format of YOLO's pose models, with a row for each subject.

    Parameters
    ----------
    path : path
        The ``data.yaml`` of a dataset.
    split : str, default="train"
        Part of the dataset to read, by its key in ``data.yaml``.

    Returns
    -------
    KeypointTable
        With boxes; with visibility if points have three values (or likelihood, if these are fractions, as in
        files of predictions); with names and mirror pairs if the file has ``kpt_names`` and ``flip_idx``.
        Images are opened to get their size, since the files contain fractions.

    Raises
    ------
    InvalidInputError
        If a file or folder is not found, or lacks what the format requires.
    BadImageError
        If an image cannot be read.
    MissingDependencyError
        PyYAML is not installed.

    References
    ----------
    https://docs.ultralytics.com/datasets/pose/
    """
    path = checked_file(path, "a data.yaml of YOLO")
    refuse_others(path, "YOLO")
    content = _read_yaml(path)
    shape = content.get("kpt_shape")
    if not (isinstance(shape, list) and len(shape) == 2 and all(map(is_count, shape)) and shape[1] in (2, 3)):
        raise InvalidInputError(f"{path} must have kpt_shape: [number of points, 2 or 3]. Got {shape!r}.")
    folder = _folder(path, content, split)
    problems: list[str] = []
    rows = []
    files: dict[Path, list[Path]] = {}
    for image in image_files(folder, Counter()):
        files.setdefault(_label_file(image), []).append(image)
    for file, images in files.items():
        if file.is_file():
            rows += [(images[0], row) for row in _rows(file, shape, problems)]
            if len(images) > 1:
                names = quoted(image.name for image in images)
                problems.append(f"{file.name} is of {len(images)} images, {names}; keep one of them")
    raise_problems(path, problems)
    if not rows:
        raise InvalidInputError(
            f"{path}: the images in {folder} have no labels in {_label_file(folder / 'x').parent}."
        )
    paths = [image for image, _ in rows]
    sizes = {image: image_size(image) for image in dict.fromkeys(paths)}
    scale = np.array([sizes[image] for image in paths], dtype=np.float64)
    values = np.array([row for _, row in rows])
    centre, side = values[:, 1:3] * scale, values[:, 3:5] * scale
    points = values[:, 5:].reshape(len(rows), *shape)
    seen = points[..., 2] if shape[1] == 3 else (points[..., :2] != 0).any(axis=2)  # (0, 0) is not labelled
    return KeypointTable(
        paths,
        np.where((seen > 0)[..., None], points[..., :2] * scale[:, None], np.nan),
        names=_names(path, content, sorted(set(values[:, 0].astype(int).tolist())), shape[0]),
        mirror_pairs=_pairs(path, content, shape[0]),
        boxes=np.hstack([centre - side / 2, centre + side / 2]),
        groups=per_image([image.as_posix() for image in paths]),
        folder=folder,
        **(stated(points[..., 2], path) if shape[1] == 3 else {}),  # type: ignore[arg-type]
    )


def _folder(path: Path, content: dict[str, Any], split: str) -> Path:
    """Return the folder of the images of a split."""
    named = content.get(split)
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if isinstance(named, list):
        raise InvalidInputError(
            f"{path} names {len(named)} folders for {split!r}. Write a data.yaml for each of them."
        )
    if not isinstance(named, str):
        folders = [key for key in ("train", "val", "test") if content.get(key)]
        raise InvalidInputError(f"split must be a folder named in {path}: {quoted(folders)}. Got {split!r}.")
    root = path.parent / str(content.get("path") or "")
    folder = next((r / named for r in (root, path.parent) if (r / named).is_dir()), None)
    if folder is None:
        raise InvalidInputError(f"{path} names the folder {named!r}, which is not in {root}.")
    return folder


def _read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file."""
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError("PyYAML", "yolo", "Reading data.yaml") from error
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is not a YAML file: {error}.") from error
    return content if isinstance(content, dict) else {}


def _label_file(image: Path) -> Path:
    """Return the label file of an image: ``labels`` replaces the last ``images`` in its path."""
    parts = list(image.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")


def _rows(file: Path, shape: list[int], problems: list[str]) -> list[list[float]]:
    """Return the numbers in each line of a label file."""
    rows = []
    expected = 5 + shape[0] * shape[1]
    for place, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        values = [number(cell) for cell in line.split()]
        if values and (len(values) != expected or not np.isfinite(values).all()):
            problems.append(f"{file.name}, line {place} must have {expected} numbers. Got {len(values)}")
        elif values and (far := [value for value in _fractions(values, shape) if not -1 <= value <= 2]):
            problems.append(
                f"{file.name}, line {place} must have fractions of the image. Got {far[0]:g}; divide pixels "
                "by its width or height"
            )
        elif values:
            rows.append(values)
    return rows


def _fractions(values: list[float], shape: list[int]) -> list[float]:
    """Return the numbers of a line that are fractions of the image: box, and x and y of labelled points."""
    points = [values[i : i + shape[1]] for i in range(5, len(values), shape[1])]
    return values[1:5] + [value for x, y, *seen in points if seen != [0] for value in (x, y)]


def _names(path: Path, content: dict[str, Any], classes: list[int], n_points: int) -> tuple[str, ...] | None:
    """Return the names of the points of these classes."""
    given = content.get("kpt_names")
    lists = [given.get(one, given.get(str(one))) for one in classes] if isinstance(given, dict) else [given]
    names = {tuple(map(str, found)) for found in lists if isinstance(found, list) and len(found) == n_points}
    if len(names) > 1:
        raise InvalidInputError(
            f"{path} has labels of {len(classes)} classes, whose points have different names. Write a data "
            "set for each of them."
        )
    return next(iter(names), None)


def _pairs(path: Path, content: dict[str, Any], n_points: int) -> Pairs | None:
    """Return the pairs of points that ``flip_idx`` swaps."""
    order = content.get("flip_idx")
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(map(str, range(n_points))):
        return None
    order = [int(place) for place in order]  # some files have them in quotes
    if any(order[j] != i for i, j in enumerate(order)):
        raise InvalidInputError(f"{path}: flip_idx must exchange points in pairs. Got {order}.")
    return tuple((i, j) for i, j in enumerate(order) if i < j)

"""Read keypoints in COCO's format: a JSON file of images, categories and annotations."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import find_folder, raise_problems
from transferkit.keypoints._names import Pairs
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import check_sizes, checked_file, laid_out, per_image, read_json
from transferkit.keypoints.files._subjects import stated
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_coco_keypoints"]

_logger = logging.getLogger("transferkit")


def read_coco_keypoints(
    path: str | os.PathLike[str],
    *,
    image_folder: str | os.PathLike[str] | None = None,
    category: str | None = None,
) -> KeypointTable:
    """Read keypoints in COCO's format, with a row for each labelled person, animal or thing.

    Parameters
    ----------
    path : path
        A JSON file such as ``annotations/person_keypoints_val2017.json``.
    image_folder : path, optional
        Folder that file names are relative to. By default the folder of the file, ``images`` in or beside it,
        or the folder named like the end of the file name, such as ``../val2017``.
    category : str, optional
        Category to read, if several have keypoints. Categories with the same name count as one.

    Returns
    -------
    KeypointTable
        With names, skeleton, boxes and visibility (or likelihood, if visibilities are fractions). Groups are
        the images, if any of them has several rows. Points of visibility 0 are missing. Crowds, and
        annotations without any labelled point, are left out. Some images are opened, to compare their size
        with that in the file.

    Raises
    ------
    InvalidInputError
        If the file or the images are not found, images have another size than stated in the file, or the file
        lacks what COCO's format requires. The message names the annotations.

    See Also
    --------
    write_coco_keypoints : Write keypoints in this format.

    References
    ----------
    https://cocodataset.org/#format-data, "Keypoint Detection"

    Examples
    --------
    >>> table = read_coco_keypoints("annotations/person_keypoints_val2017.json")  # doctest: +SKIP
    >>> table.keypoints.shape                                                     # doctest: +SKIP
    (6352, 17, 2)
    """
    path = checked_file(path, "a JSON file of COCO")
    refuse_others(path, "COCO")
    content = read_json(path)
    missing = [key for key in ("images", "annotations", "categories") if not _is_list(content, key)]
    if missing:
        raise InvalidInputError(
            f"{path}: a COCO file must have the lists 'images', 'annotations' and 'categories'. It lacks "
            f"{quoted(missing)}. (Results for COCO's server name images by number only, and cannot be read.)"
        )
    with laid_out(path, "COCO"):
        return _table(path, content, image_folder, category)


def _table(
    path: Path, content: dict[str, Any], image_folder: str | os.PathLike[str] | None, category: str | None
) -> KeypointTable:
    """Return the table in the file."""
    chosen, ids = _category(path, content["categories"], category)
    names = tuple(map(str, chosen["keypoints"]))
    files = _files(path, content["images"])
    own = [a for a in content["annotations"] if a.get("category_id") in ids]
    labelled = [a for a in own if not a.get("iscrowd") and any((a.get("keypoints") or ())[2::3])]
    _check(path, labelled, files, len(names))
    if not labelled:
        raise InvalidInputError(f"{path} has no annotation with a labelled point.")
    if left := len(own) - len(labelled):
        _logger.info("%s: %d annotations without any labelled point, or of crowds, are left out", path, left)
    triples = np.array([a["keypoints"] for a in labelled], dtype=np.float64).reshape(-1, len(names), 3)
    images = [files[a["image_id"]] for a in labelled]
    ending = path.stem.rsplit("_", 1)[-1]
    folder = find_folder(path, images, image_folder, ("images", "../images", ending, f"../{ending}", ".."))
    paths = [folder / image for image in images]
    sizes = {image.get("id"): (image.get("width"), image.get("height")) for image in content["images"]}
    problems: list[str] = []
    check_sizes(paths, [sizes[a["image_id"]] for a in labelled], problems)
    raise_problems(path, problems)
    return KeypointTable(
        paths,
        np.where(triples[..., 2:] > 0, triples[..., :2], np.nan),
        names=names,
        skeleton=_skeleton(path, chosen, len(names)),
        boxes=_boxes(labelled),
        groups=per_image(images),
        folder=folder,
        **stated(triples[..., 2], path),  # type: ignore[arg-type]
    )


def _is_list(content: Any, key: str) -> bool:
    """Return True if an object has a list of objects under a key."""
    values = content.get(key) if isinstance(content, dict) else None
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def _files(path: Path, images: list[dict[str, Any]]) -> dict[Any, Any]:
    """Return the file name of each image by its id; an id must not have several."""
    files: dict[Any, Any] = {}
    problems = []
    for image in images:
        number, name = image.get("id"), image.get("file_name")
        if files.setdefault(number, name) != name:
            problems.append(
                f"image id {number} is of {files[number]!r} and of {name!r}; number the images of joined "
                "files anew"
            )
    raise_problems(path, problems)
    return files


def _category(
    path: Path, categories: list[dict[str, Any]], name: str | None
) -> tuple[dict[str, Any], list[Any]]:
    """Return the category to read, and the ids of all categories with its name."""
    known = {str(found.get("name")): found for found in categories if found.get("keypoints")}
    if not known:
        raise InvalidInputError(
            f"{path} has no category with the names of its keypoints; it may be a COCO file of boxes only."
        )
    if name is None and len(known) == 1:
        name = next(iter(known))
    if name not in known:
        raise InvalidInputError(f"category must be {quoted(known, 'or')}, of {path}. Got {name!r}.")
    alike = [found for found in categories if str(found.get("name")) == name and found.get("keypoints")]
    if any(found["keypoints"] != known[name]["keypoints"] for found in alike):
        raise InvalidInputError(
            f"{path} has {len(alike)} categories {name!r} with different keypoints. Name each differently."
        )
    return known[name], [found.get("id") for found in alike]


def _check(path: Path, labelled: list[dict[str, Any]], files: dict[Any, Any], n_points: int) -> None:
    """Raise with all annotations that cannot be used."""
    problems = []
    for annotation in labelled:
        where = f"annotation {annotation.get('id')}"
        values = annotation["keypoints"]
        if len(values) != 3 * n_points:
            problems.append(
                f"{where} has {len(values)} values, but its category has {n_points} points, of 3 values each"
            )
        elif not all(isinstance(v, int | float) and np.isfinite(v) for v in values):
            problems.append(f"{where} has keypoints that are no finite numbers")
        if not isinstance(files.get(annotation.get("image_id")), str):
            problems.append(f"{where} is of image {annotation.get('image_id')}, which has no file name")
    raise_problems(path, problems)


def _skeleton(path: Path, category: dict[str, Any], n_points: int) -> Pairs:
    """Return the skeleton, counted from 0."""
    lines = category.get("skeleton") or []
    try:
        pairs = tuple((int(a) - 1, int(b) - 1) for a, b in lines)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{path}: the skeleton must be pairs of points. Got {lines}.") from error
    if any(not 0 <= end < n_points for pair in pairs for end in pair):
        raise InvalidInputError(f"{path}: the skeleton must count points from 1 to {n_points}. Got {lines}.")
    return pairs


def _boxes(labelled: list[dict[str, Any]]) -> npt.NDArray[np.float64] | None:
    """Return left, top, right and bottom of the boxes; COCO stores left, top, width and height."""
    boxes = np.full((len(labelled), 4), np.nan)
    for box, annotation in zip(boxes, labelled, strict=True):
        given = annotation.get("bbox")
        if isinstance(given, list) and len(given) == 4:
            box[:] = [*given[:2], given[0] + given[2], given[1] + given[3]]
    return boxes if np.isfinite(boxes).any() else None

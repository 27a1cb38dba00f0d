"""Read exports of Label Studio in its own JSON format.

sleap-io also has a reader for Label Studio, but only for tasks that it wrote itself; others need a video.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import raise_problems
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import (
    check_different,
    check_sizes,
    checked_file,
    is_image_name,
    laid_out,
    read_json,
)
from transferkit.keypoints.files._subjects import Subject, table_of
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_label_studio"]

_KINDS = ("keypointlabels", "rectanglelabels", "relation")
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # put before the names of uploaded files


def read_label_studio(
    path: str | os.PathLike[str],
    *,
    image_folder: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
) -> KeypointTable:
    """Read keypoints from Label Studio, with a row for each subject.

    Parameters
    ----------
    path : path
        An export in the format "JSON", which is a list of tasks. The last annotation of a task that was not
        cancelled is used. Keypoints that belong to a rectangle (by "parentID" or a relation) are a subject
        with this box; all others of an image are one subject.
    image_folder : path, optional
        Folder of the images, by default that of the file. They are found by the last part of the task's
        address, with or without the eight characters that Label Studio puts before names of uploaded files.
    names : sequence of str, optional
        Names of the points to read, in this order; by default all, in the order of first appearance.

    Returns
    -------
    KeypointTable
        Keypoints in pixels, converted from percentages.

    Raises
    ------
    InvalidInputError
        If the file or an image is not found, images have another size than when they were labelled, or the
        file is not such an export.

    References
    ----------
    https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks
    """
    path = checked_file(path, "a JSON file of Label Studio")
    refuse_others(path, "Label Studio")
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(
        isinstance(t, dict) and isinstance(t.get("data"), dict) for t in tasks
    ):
        raise InvalidInputError(
            f"{path} must be a list of tasks with 'data' and 'annotations'. Export it in the format "
            "JSON, not JSON-MIN."
        )
    folder = path.parent if image_folder is None else Path(image_folder)
    problems: list[str] = []
    subjects: list[Subject] = []
    stated: list[str] = []
    images: list[Path] = []
    sizes: list[Any] = []
    with laid_out(path, "Label Studio"):
        for number, task in enumerate(tasks):
            results = [one for one in _results(task) if one.get("type") in _KINDS]
            labels = [one for one in results if one["type"] == "keypointlabels"]
            if not labels:
                continue
            where = f"task {task.get('id', number)}"
            labelled = labels[0].get("to_name")
            results = [one for one in results if _is_of(one, labelled, where, problems)]
            name, image = _image(task, labelled, folder, where, problems)
            subjects += _subjects(results, image, where, problems)
            stated.append(name)
            images.append(image)
            sizes.append(_size(labels[0]))
    check_different(stated, images, problems)
    raise_problems(path, list(dict.fromkeys(problems)))
    check_sizes(images, sizes, problems)
    raise_problems(path, problems)
    return table_of(subjects, path, names, folder=folder)


def _results(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of the last annotation that was not cancelled."""
    valid = [
        a for a in task.get("annotations") or task.get("completions") or [] if not a.get("was_cancelled")
    ]
    return list(valid[-1].get("result") or []) if valid else []


def _is_of(result: dict[str, Any], labelled: Any, where: str, problems: list[str]) -> bool:
    """Return True if a result is of the image with a name; add to the problems a point that is not."""
    if result["type"] == "relation":
        return True
    other = result.get("to_name")
    if other != labelled and result["type"] == "keypointlabels":
        problems.append(
            f"{where} has keypoints of 2 images, {quoted([str(labelled), str(other)])}; make a task for each"
        )
    if other != labelled:
        return False
    if turned := result.get("image_rotation"):
        problems.append(
            f"{where} was labelled on an image turned by {turned} degrees, and pixels of the file may be "
            "others; turn it back in Label Studio, and export again"
        )
    return True


def _image(
    task: dict[str, Any], labelled: Any, folder: Path, where: str, problems: list[str]
) -> tuple[str, Path]:
    """Return the stated name of the image of a task, and its file.

    If there are several, it is the one in the field with the name ``labelled``.
    """
    data = task["data"]
    fields = {labelled: data[labelled]} if isinstance(data.get(labelled), str) else data
    parts = [urlsplit(text) for text in fields.values() if isinstance(text, str)]
    local = [(parse_qs(part.query).get("d") or [part.path])[0] for part in parts]  # ?d= of local storage
    texts = [unquote(text).replace("\\", "/") for text in local]
    texts = [text for text in texts if is_image_name(text)] or texts
    found = {}
    for text in texts:
        name = text.rsplit("/", 1)[-1]
        own = next((o for o in (name, _UPLOADED.sub("", name)) if (folder / o).is_file()), None)
        if own is not None:
            found[folder / own] = text
    if len(found) > 1:
        problems.append(
            f"{where} is of {len(found)} images, {quoted(path.name for path in found)}; keep the field of one"
        )
    elif not found:
        names = ", ".join(text.rsplit("/", 1)[-1] for text in texts)
        problems.append(
            f"{where} is of the image {names or 'without a name'}, which is not in {folder}; pass "
            "image_folder="
        )
    image, text = next(iter(found.items()), (folder / where, where))
    return text, image


def _subjects(results: list[dict[str, Any]], image: Path, where: str, problems: list[str]) -> list[Subject]:
    """Return the subjects of one image, those with a box first."""
    owners = {r.get("id"): r.get("parentID") for r in results}
    for result in results:
        if result.get("type") == "relation":
            ends = result.get("from_id"), result.get("to_id")
            owners.update({ends[1]: ends[0]} | {ends[0]: owners.get(ends[0]) or ends[1]})
    found: dict[Any, Subject] = {}
    for result in results:
        if result.get("type") == "rectanglelabels":
            found[result.get("id")] = Subject(image, box=_box(result))
    for result in results:
        if result.get("type") == "keypointlabels":
            owner = owners.get(result.get("id"))
            subject = found.setdefault(owner if owner in found else None, Subject(image))
            value, (width, height) = result["value"], _size(result)
            name = str(value["keypointlabels"][0])
            subject.add(name, value["x"] * width / 100, value["y"] * height / 100, where, problems)
    return list(found.values())


def _box(result: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return the edges around a rectangle, which may be turned clockwise about its upper left corner."""
    value, (width, height) = result["value"], _size(result)
    left, top = value["x"] * width / 100, value["y"] * height / 100
    across, down = value["width"] * width / 100, value["height"] * height / 100
    angle = math.radians(value.get("rotation") or 0)
    x = [a * across * math.cos(angle) - d * down * math.sin(angle) for a in (0, 1) for d in (0, 1)]
    y = [a * across * math.sin(angle) + d * down * math.cos(angle) for a in (0, 1) for d in (0, 1)]
    return left + min(x), top + min(y), left + max(x), top + max(y)


def _size(result: dict[str, Any]) -> tuple[float, float]:
    """Return width and height of the image, to which percentages refer."""
    return float(result["original_width"]), float(result["original_height"])
